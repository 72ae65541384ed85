"""One websocket, from its upgrade to its close.

Reading is one loop a socket. Writing never waits: replies and pushes are whole frames handed to the transport, whose
buffer is watched instead.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Literal

import orjson
import structlog
from aiohttp import WSMsgType, web

from server.errors import Disconnect, Refused, StoreError
from server.live.admission import prepare
from server.live.channel import Subscriber
from server.live.connection_limits import UNLIMITED, TokenBucket
from server.live.replies import MarkReply, VoteReply, error_object
from server.live.services import Services
from server.live.stalled import StallTimer
from server.protocol.codes import (
    CLOSE_BAD_TOKEN,
    CLOSE_BANNED,
    CLOSE_DRAIN,
    CLOSE_NORMAL,
    CLOSE_SLOW,
    CLOSE_TOO_MANY,
    NO_GOODBYE,
    Code,
)
from server.protocol.embargo import sees_all
from server.protocol.frames import close_frame, ping_frame, pong_frame, text_frame
from server.protocol.identity import Identity
from server.protocol.messages import (
    Attend,
    BadRequest,
    Ballot,
    Cast,
    Follow,
    Hello,
    Ping,
    Request,
    Subscribe,
    Unsubscribe,
    decode_request,
    request_id_of,
)
from server.protocol.outcomes import Marked
from server.telemetry import LIMITED

log = structlog.get_logger()

PING_INTERVAL_S = 25.0
PENDING_PER_CONNECTION_MAX = 256
# A client that asks too fast is not read for as long as it should have waited, and no longer than this.
UNREAD_S_MAX = 1.0
# So long before its token ends a client is told to say hello with a new one.
EXPIRY_NOTICE_MS = 60_000

_PING = ping_frame()

# Why somebody is not let in, and how the connection ends then.
_NOT_LET_IN = {
    Code.UNAUTHENTICATED: Disconnect(CLOSE_BAD_TOKEN, "bad token"),
    Code.FORBIDDEN: Disconnect(CLOSE_BANNED, "banned"),
    Code.OVERLOADED: Disconnect(CLOSE_TOO_MANY, "too many connections"),
    Code.RATE_LIMITED: Disconnect(CLOSE_TOO_MANY, "too many connections"),
}
# What a dismissal is called: the code of the message, and the reason in the goodbye.
_DISMISSALS = {
    CLOSE_NORMAL: (Code.UNAUTHENTICATED, "account erased"),
    CLOSE_BAD_TOKEN: (Code.UNAUTHENTICATED, "bad token"),
    CLOSE_BANNED: (Code.FORBIDDEN, "banned"),
}


class Connection(Subscriber):
    """One client.

    alarm_ms: when its token needs attention next [ms since 1970], see `on_alarm`
    has_asked: whether a request has come; opened_s: since when one is awaited
    number: of this connection on this node; address: what limits count; opened_ms: since when it is [ms since 1970]
    request_id: of its upgrade, in every log record about it
    """

    __slots__ = (
        "_bucket",
        "_close_code",
        "_socket",
        "_user_bucket",
        "_was_malformed",
        "address",
        "alarm_ms",
        "has_asked",
        "heard_s",
        "identity",
        "number",
        "opened_ms",
        "opened_s",
        "pending_count",
        "pinged_s",
        "request_id",
        "services",
        "stall_timer",
    )  # fmt: skip

    kind: Literal["websocket", "events"] = "websocket"

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: Any,
        services: Services,
        identity: Identity | None,
        *,
        address: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(transport, _descriptor(transport))
        self._socket = socket
        self.services = services
        self.speak_for(identity)
        self._bucket = TokenBucket(services.connection_limits.limits.requests_per_s)
        self._user_bucket = UNLIMITED  # the bucket of whoever speaks, once they have taken a seat
        self.has_asked = False
        self.pending_count = 0
        self.number = 0
        self._close_code = 0
        self.address = address
        self.request_id = request_id
        self.opened_ms = services.clock.now_ms()
        self._was_malformed = False
        self.stall_timer = StallTimer()
        self.heard_s = self.pinged_s = self.opened_s = services.clock.monotonic_s()

    async def run(self) -> None:
        """Reads until either side closes."""
        try:
            await self._enter()
            async for message in self._socket:
                self.heard_s = self.services.clock.monotonic_s()
                match message.type:
                    case WSMsgType.TEXT:
                        wait_s = self._bucket.wait_s(self.heard_s) or self._user_bucket.wait_s(self.heard_s)
                        if wait_s:
                            await self._slow_down(message.data, wait_s)
                        else:
                            await self._take(message.data)
                    case WSMsgType.PING:
                        self.write(pong_frame(message.data))
                    case WSMsgType.BINARY:
                        self._malformed(BadRequest("Only text frames are understood.", None))
        except Disconnect as end:
            await self.close(end.close_code, end.reason)
        finally:
            self.services.hub.leave_all(self)
            if self._user_bucket is not UNLIMITED:
                assert self.identity is not None
                self.services.connection_limits.release_user(self.identity.user_id)

    @property
    def close_code(self) -> int:
        """How it ended: what we said, else what the client said, else 1006."""
        return self._close_code or self._socket.close_code or NO_GOODBYE

    async def close(self, close_code: int, reason: str) -> None:
        """Says goodbye, waits for the answer, hangs up."""
        self._close_code = close_code
        await self._socket.close(code=close_code, message=reason.encode(), drain=False)

    def speak_for(self, identity: Identity | None) -> None:
        """From now on the connection is this one's; casts under way stay whose they were."""
        self.identity = identity
        self.sees_all = sees_all(identity)
        expires_ms = None if identity is None else identity.expires_ms
        self.alarm_ms = math.inf if expires_ms is None else expires_ms - EXPIRY_NOTICE_MS

    def on_alarm(self, now_ms: int) -> None:
        """The token ends soon: the client is told. It has ended: the connection does too."""
        assert self.identity is not None
        assert self.identity.expires_ms is not None
        left_ms = self.identity.expires_ms - now_ms
        if left_ms > 0:
            self.alarm_ms = self.identity.expires_ms
            self.write(text_frame(b'{"expiring":{"in_ms":%d}}' % left_ms))
        else:
            self.dismiss(Disconnect(CLOSE_BAD_TOKEN, "The token has expired. Sign in again."))

    def dismiss(self, end: Disconnect) -> None:
        """Says why, says goodbye and hangs up. Takes: end, with a close code of _DISMISSALS."""
        code, reason = _DISMISSALS[end.close_code]
        self.reply_error(None, Refused(code, end.reason))
        self.hang_up(end.close_code, reason)

    def ping(self, now_s: float) -> None:
        """Asks whether somebody is there."""
        self.pinged_s = now_s
        self.write(_PING)

    def send_away(self, min_ms: int, max_ms: int) -> None:
        """The node is stopping: says when to come back, and hangs up."""
        self.write(text_frame(b'{"drain":{"min_ms":%d,"max_ms":%d}}' % (min_ms, max_ms)))
        self.hang_up(CLOSE_DRAIN, "drain")

    def hang_up(self, close_code: int, reason: str) -> None:
        """Says goodbye and hangs up once it is sent, without waiting for an answer."""
        self._close_code = close_code
        self.write(close_frame(close_code, reason))
        self.transport.close()

    def hang_up_slow(self) -> None:
        """Hangs up on a client that does not read: a goodbye would wait behind what it has not taken."""
        self._close_code = CLOSE_SLOW
        log.info("socket.slow", close_code=CLOSE_SLOW, request_id=self.request_id)
        self.transport.abort()

    # ── writing

    def write(self, frame: bytes) -> None:
        """Hands a frame to the transport, if there still is one."""
        if self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() > self.services.connection_limits.limits.reply_buffer_bytes:
            self.hang_up_slow()
            return
        self.transport.write(frame)

    def notify(self, payload: bytes) -> None:
        """Says something that nobody asked for; payload is a JSON object."""
        self.write(text_frame(payload))

    def reply(self, request_id: int, payload: bytes) -> None:
        """Answers a request; payload is a JSON object."""
        self.write(text_frame(b'{"re":%d,"ok":%b}' % (request_id, payload)))

    def reply_error(self, request_id: int | None, error: Refused) -> None:
        """Refuses a request."""
        self.write(text_frame(orjson.dumps({"re": request_id, "error": error_object(error)})))

    # ── requests

    async def _take(self, data: str) -> None:
        self.has_asked = True
        try:
            request = decode_request(data)
        except BadRequest as error:
            self._malformed(error)
            return
        try:
            await self._answer(request)
        except Refused as error:
            self.reply_error(request.id, error)
            if isinstance(request, Hello) and error.code in _NOT_LET_IN:
                raise _NOT_LET_IN[Code(error.code)] from error

    async def _answer(self, request: Request) -> None:
        match request:
            case Cast():
                self._submit(request.id, request.show, request.votes)
            case Ballot():
                self._submit(request.id, request.show, [])
            case Attend():
                await self._mark(request.id, "show", request.show, wanted=request.going)
            case Follow():
                await self._mark(request.id, "artist", request.artist, wanted=request.following)
            case Ping():
                self.reply(request.id, b'{"time_ms":%d}' % self.services.clock.now_ms())
            case Subscribe():
                await self._subscribe(request)
            case Unsubscribe():
                for name in request.channels:
                    self.services.hub.leave(self, name)
                self.reply(request.id, b"{}")
            case Hello():
                await self._hello(request)

    async def _slow_down(self, data: str, wait_s: float) -> None:
        """Refuses a request that came too soon, and reads no other for a while: what is sent meanwhile waits with its
        sender, not here.
        """
        LIMITED.labels("requests_per_s").inc()
        error = Refused(Code.RATE_LIMITED, "Too many requests. Slow down.", retry_after_ms=math.ceil(wait_s * 1000))
        self.reply_error(request_id_of(data), error)
        await asyncio.sleep(min(wait_s, UNREAD_S_MAX))

    def _malformed(self, error: BadRequest) -> None:
        self.reply_error(error.request_id, error)
        if not self._was_malformed:
            # One line a connection: a client that is wrong once is wrong a thousand times.
            self._was_malformed = True
            log.info("request.malformed", reason=error.message)

    async def _enter(self) -> None:
        """Lets in whom the upgrade named; they are refused here, where a browser can read why."""
        if self.identity is not None:
            try:
                await self._admit(self.identity)
            except Refused as error:
                self.reply_error(None, error)
                raise _NOT_LET_IN[Code(error.code)] from error

    async def _admit(self, identity: Identity) -> None:
        """From now on the connection is this one's, if they may have it; whoever it was before gives up their seat.

        Raises: Refused: forbidden, overloaded, rate_limited; nothing has changed
        """
        services = self.services
        banned = services.why_banned(identity.user_id)
        if banned is not None:
            raise Refused(Code.FORBIDDEN, banned)
        before = None if self._user_bucket is UNLIMITED else self.identity
        if before is None or before.user_id != identity.user_id:
            await services.count_entry(identity.user_id)
            self._user_bucket = services.connection_limits.acquire_user(identity.user_id)
            if before is not None:
                services.connection_limits.release_user(before.user_id)
        self.speak_for(identity)
        services.hub.review(self)

    async def _hello(self, request: Hello) -> None:
        """Signs in, or goes on with a newer token; of another user too, and with less or more rights than before."""
        if request.token is not None:
            try:
                identity = await self.services.authenticate(request.token)
            except StoreError as error:
                raise self._unavailable(error) from error
            await self._admit(identity)
        who = self.identity
        self.reply(
            request.id,
            orjson.dumps(
                {
                    "user": {"id": who.user_id, "role": who.role} if who else None,
                    "role": who.role if who else "reader",
                    "node": self.services.node,
                    "time_ms": self.services.clock.now_ms(),
                    "ping_ms": int(PING_INTERVAL_S * 1000),
                }
            ),
        )

    async def _subscribe(self, request: Subscribe) -> None:
        names = list(dict.fromkeys(request.channels))
        channels_max = self.services.connection_limits.limits.channels_per_connection
        if len(self.channels.union(names)) > channels_max:
            raise Refused(Code.TOO_LARGE, f"One connection may watch {channels_max} channels.")
        hub = self.services.hub
        prepared = await prepare(hub, self.services.has_voted, self.identity, names, request.since)
        # From here to the reply nothing is awaited, so no push can come before the state it follows.
        parts = []
        for name in names:
            quoted = orjson.dumps(name)
            found = prepared[name]
            state = None if isinstance(found, Refused) else hub.join(self, name, found)
            if state is None:
                again = Refused(Code.UNAVAILABLE, "Try again.", retry_after_ms=100)
                error = found if isinstance(found, Refused) else again
                parts.append(b'%b:{"error":%b}' % (quoted, orjson.dumps(error_object(error))))
            elif request.since.get(name) == state.at:
                parts.append(b'%b:{"at":%d}' % (quoted, state.at))
            else:
                parts.append(b'%b:{"at":%d,"state":%b}' % (quoted, state.at, state.whole()))
        self.reply(request.id, b'{"channels":{%b}}' % b",".join(parts))

    def _submit(self, request_id: int, show_id: int, votes: Sequence[tuple[int, str]]) -> None:
        user_id = self._voter()
        reply = VoteReply(self, request_id, self.services.ballot_json, is_cast=bool(votes))
        self.services.submit(show_id, user_id, votes, reply)
        self.pending_count += 1

    async def _mark(self, request_id: int, marked: Marked, subject_id: int, *, wanted: bool) -> None:
        user_id = self._voter()
        try:
            await self.services.mark(marked, subject_id, user_id, MarkReply(self, request_id, marked), wanted=wanted)
        except StoreError as error:
            raise self._unavailable(error) from error
        self.pending_count += 1

    def _voter(self) -> int:
        """The user whose cast or mark may be taken now.

        Raises: Refused: unauthenticated, overloaded
        """
        if self.identity is None:
            raise Refused(Code.UNAUTHENTICATED, "Sign in first.")
        if self.pending_count >= PENDING_PER_CONNECTION_MAX:
            raise Refused(Code.OVERLOADED, "Wait for the answers to your earlier votes first.", retry_after_ms=1_000)
        return self.identity.user_id

    def _unavailable(self, error: StoreError) -> Refused:
        log.warning("request.unavailable", error=str(error))
        return Refused(Code.UNAVAILABLE, "This is unavailable for a moment.", retry_after_ms=1_000)


def _descriptor(transport: Any) -> int:
    socket = transport.get_extra_info("socket")
    return -1 if socket is None or transport.get_extra_info("sslcontext") else int(socket.fileno())
