"""One websocket, from its upgrade to its close.

Each socket has one loop, which reads. Writing never waits: the code hands whole frames to the transport and checks the size
of the transport's buffer.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import orjson
import structlog
from aiohttp import WSMsgType

from server.errors import Disconnect, Refused, StoreError
from server.live.arrival import resume
from server.live.connection import PING_INTERVAL_S, ClientConnection
from server.live.connection_limits import TokenBucket
from server.live.handed_socket import HandedChannel, Leaving, LiveSocket
from server.live.joining import join
from server.live.replies import MarkReply, VoteReply, error_object
from server.live.services import Services
from server.live.stalled import descriptor_of, has_hung_up
from server.protocol.codes import CLOSE_BAD_TOKEN, CLOSE_DRAIN, DISCONNECTS, DISMISSALS, NO_GOODBYE, Code
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

PENDING_PER_CONNECTION_MAX = 256
# After a request that came too soon, nothing is read from the client for the time it should have waited, at most this long.
UNREAD_S_MAX = 1.0
# So long before its token ends, a client is asked for a hello with a new token.
EXPIRY_NOTICE_MS = 60_000

# The requests whose answer waits for nothing, or comes later through a waiter.
_AT_ONCE = frozenset({Cast, Ballot, Ping})

_PING = ping_frame()
_ENDS = WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED


class WebsocketConnection(ClientConnection):
    """One client on a websocket. pending_count: its casts and marks without an outcome; departure: it is about to leave this process."""

    __slots__ = (
        "_bucket", "_is_admitted", "_shared_bucket", "_was_malformed", "departure", "pending_count", "services", "socket",
    )  # fmt: skip

    kind = "websocket"
    expiry_notice_ms = EXPIRY_NOTICE_MS

    def __init__(
        self,
        socket: LiveSocket,
        transport: Any,
        services: Services,
        identity: Identity | None,
        *,
        address: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(
            transport,
            descriptor_of(transport),
            services.clock,
            identity,
            address=address,
            request_id=request_id,
            has_asked=False,
        )
        self.departure: Leaving | None = None
        self.socket = socket
        socket.before_close = self._leave_channels
        self.services = services
        self._bucket = TokenBucket(services.connection_limits.limits.requests_per_s)
        # Shared with the other connections of the user; until one is admitted, with all that are not signed in at the address.
        self._shared_bucket = services.connection_limits.anonymous_bucket(address)
        self._is_admitted = False
        self._was_malformed = False
        self.pending_count = 0

    async def run(self, watched: Sequence[HandedChannel] | None = None) -> None:
        """Reads until either side closes. Takes: watched, the channels of a client that was let in before, by another process."""
        try:
            await (self._enter() if watched is None else self._go_on(watched))
            while (message := await self.socket.receive()).type not in _ENDS:
                self.heard_s = self.services.clock.monotonic_s()
                match message.type:
                    case WSMsgType.TEXT:
                        wait_s = self._bucket.wait_s(self.heard_s) or self._shared_bucket.wait_s(self.heard_s)
                        if wait_s:
                            await self._slow_down(message.data, wait_s)
                        else:
                            await self._take(message.data)
                    case WSMsgType.PING:
                        self.write(pong_frame(message.data))
                    case WSMsgType.BINARY:
                        self._malformed(BadRequest("This is a binary frame. Send text frames.", None))
                    case WSMsgType.CONTINUATION if self.departure is not None:
                        await self.departure.marked()
                    case WSMsgType.ERROR:
                        # The frames of the error hold this connection, and aiohttp's queue of messages holds the error.
                        message.data.__traceback__ = None
        except Disconnect as end:
            await self.close(end.close_code, end.reason)
        finally:
            self.socket.before_close = None
            self._leave_channels()
            if self._is_admitted:
                assert self.identity is not None
                self.services.connection_limits.release_user(self.identity.user_id)

    def _leave_channels(self) -> None:
        self.services.hub.leave_all(self)

    @property
    def is_gone(self) -> bool:
        """Whether the client has closed or lost the connection, or this node is closing it."""
        return self.socket.closed or has_hung_up(self.transport)

    @property
    def close_code(self) -> int:
        """The code that this node sent, else the client's, else 1006."""
        return self._close_code or self.socket.close_code or NO_GOODBYE

    async def close(self, close_code: int, reason: str) -> None:
        """Sends a close frame, waits for the client's, and closes."""
        self._close_code = close_code
        await self.socket.close(code=close_code, message=reason.encode(), drain=False)

    def on_alarm(self, now_ms: int) -> None:
        """Warns the client that its token ends soon; closes when the token has ended."""
        assert self.identity is not None
        assert self.identity.expires_ms is not None
        left_ms = self.identity.expires_ms - now_ms
        if left_ms > 0:
            self.alarm_ms = self.identity.expires_ms
            self.write(text_frame(b'{"expiring":{"in_ms":%d}}' % left_ms))
        else:
            self.dismiss(Disconnect(CLOSE_BAD_TOKEN, "The token has expired. Sign in again."))

    def dismiss(self, end: Disconnect) -> None:
        """Sends the reason as an error and closes. Takes: end, with a close code of DISMISSALS."""
        code, reason = DISMISSALS[end.close_code]
        self.reply_error(None, Refused(code, end.reason))
        self.hang_up(end.close_code, reason)

    def ping(self, now_s: float) -> None:
        """Sends a ping; the pong proves that the client is alive."""
        self.pinged_s = now_s
        self.write(_PING)

    def send_away(self, min_ms: int, max_ms: int) -> None:
        """Tells the client when to come back, and closes: the node is stopping."""
        self.write(text_frame(b'{"drain":{"min_ms":%d,"max_ms":%d}}' % (min_ms, max_ms)))
        self.hang_up(CLOSE_DRAIN, "drain")

    def hang_up(self, close_code: int, reason: str) -> None:
        """Sends a close frame and closes once it is sent, without waiting for the client's."""
        self._close_code = close_code
        if self.cohort is not None:
            # No push may follow the close frame.
            self.services.hub.pusher.serve_alone(self)
        self.write(close_frame(close_code, reason))
        self.transport.close()

    # ── writing

    def write(self, frame: bytes) -> None:
        """Hands a frame to the transport, unless that is closing; cuts a client with too many unread replies."""
        if self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() > self.services.connection_limits.limits.reply_buffer_bytes:
            self.hang_up_slow()
            return
        self.transport.write(frame)
        if self.cohort is not None and self.transport.get_write_buffer_size():
            # A push must not overtake what waits in the transport.
            self.services.hub.pusher.serve_alone(self)

    def notify(self, payload: bytes) -> None:
        """Sends a message that is no push and no reply; payload is a JSON object."""
        self.write(text_frame(payload))

    def reply(self, request_id: int, payload: bytes) -> None:
        """Answers a request; payload is a JSON object."""
        self.write(text_frame(b'{"re":%d,"ok":%b}' % (request_id, payload)))

    def reply_error(self, request_id: int | None, error: Refused) -> None:
        """Refuses a request; None: the error belongs to no request."""
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
            if isinstance(request, Hello) and error.code in DISCONNECTS:
                raise Disconnect(*DISCONNECTS[error.code]) from error

    def take_at_once(self, data: bytes) -> bool:
        """Takes a text message without the reader's turn. False: it must wait for that, as others before it or its answer do."""
        if not self.socket.is_awaited:
            return False
        try:
            request = decode_request(data.decode())
        except (BadRequest, UnicodeDecodeError):
            return False
        now_s = self.services.clock.monotonic_s()
        if type(request) not in _AT_ONCE or self._bucket.wait_s(now_s) or self._shared_bucket.wait_s(now_s):
            return False
        self.heard_s = now_s
        self.has_asked = True
        try:
            self._answer_at_once(request)
        except Refused as error:
            self.reply_error(request.id, error)
        return True

    def _answer_at_once(self, request: Request) -> None:
        """Answers a request of _AT_ONCE."""
        match request:
            case Cast():
                if more := len(request.votes) - 1:
                    # A cast costs as much as its songs would cost one by one.
                    self._bucket.charge(more)
                    self._shared_bucket.charge(more)
                self._submit(request.id, request.show, request.votes, request.order)
            case Ballot():
                self._submit(request.id, request.show, [])
            case Ping():
                self.reply(request.id, b'{"time_ms":%d}' % self.services.clock.now_ms())

    async def _answer(self, request: Request) -> None:
        match request:
            case Attend():
                await self._mark(request.id, "show", request.show, wanted=request.going)
            case Follow():
                await self._mark(request.id, "artist", request.artist, wanted=request.following)
            case Subscribe():
                await self._subscribe(request)
            case Unsubscribe():
                for name in request.channels:
                    self.services.hub.leave(self, name)
                self.reply(request.id, b"{}")
            case Hello():
                await self._hello(request)
            case _:
                self._answer_at_once(request)

    async def _slow_down(self, data: str, wait_s: float) -> None:
        """Refuses a request that came too soon, and reads no other for a while: the next ones wait at the client's side,
        not here.
        """
        LIMITED.labels("requests_per_s").inc()
        error = Refused(Code.RATE_LIMITED, "Too many requests. Slow down.", retry_after_ms=math.ceil(wait_s * 1000))
        self.reply_error(request_id_of(data), error)
        await asyncio.sleep(min(wait_s, UNREAD_S_MAX))

    def _malformed(self, error: BadRequest) -> None:
        self.reply_error(error.request_id, error)
        if not self._was_malformed:
            # One line a connection: a faulty client repeats its mistake many times.
            self._was_malformed = True
            log.info("request.malformed", reason=error.message)

    async def _enter(self) -> None:
        """Admits the identity of the upgrade, or refuses it here, where a browser can read the reason."""
        if self.identity is not None:
            try:
                await self._admit(self.identity)
            except Refused as error:
                self.reply_error(None, error)
                raise Disconnect(*DISCONNECTS[error.code]) from error

    async def _go_on(self, watched: Sequence[HandedChannel]) -> None:
        if self.identity is not None:
            limits = self.services.connection_limits
            self._shared_bucket = limits.acquire_user(self.identity.user_id, was_let_in=True)
            self._is_admitted = True
        await resume(self.services, self, watched)

    async def _admit(self, identity: Identity) -> None:
        """Signs an identity in, if it may connect. It is then counted in place of the identity before it.

        Raises: Refused: forbidden, overloaded, rate_limited; nothing has changed
        """
        services = self.services
        banned = services.why_banned(identity.user_id)
        if banned is not None:
            raise Refused(Code.FORBIDDEN, banned)
        before = self.identity if self._is_admitted else None
        if before is None or before.user_id != identity.user_id:
            await services.count_entry(identity.user_id)
            self._shared_bucket = services.connection_limits.acquire_user(identity.user_id)
            self._is_admitted = True
            if before is not None:
                services.connection_limits.release_user(before.user_id)
        self.sign_in(identity)
        services.hub.review(self)

    async def _hello(self, request: Hello) -> None:
        """Signs in, or renews the token. The new token may be of another user, or of another role."""
        if request.token is not None:
            try:
                identity = await self.services.authenticate(request.token)
            except StoreError as error:
                raise self._unavailable(error) from error
            await self._admit(identity)
        user = self.identity
        self.reply(
            request.id,
            orjson.dumps(
                {
                    "user": {"id": user.user_id, "role": user.role} if user else None,
                    "role": user.role if user else "reader",
                    "node": self.services.node,
                    "installation": self.services.installation,
                    "time_ms": self.services.clock.now_ms(),
                    "ping_ms": int(PING_INTERVAL_S * 1000),
                }
            ),
        )

    async def _subscribe(self, request: Subscribe) -> None:
        names = list(dict.fromkeys(request.channels))
        channels_max = self.services.connection_limits.limits.channels_per_connection
        if len(self.channels.union(names)) > channels_max:
            raise Refused(
                Code.TOO_LARGE, f"One connection may watch {channels_max} channels. Unsubscribe from some first."
            )
        self._bucket.charge(len(names) - 1)
        self._shared_bucket.charge(len(names) - 1)
        self.reply(request.id, await join(self.services, self, names, request.since))

    def _submit(
        self, request_id: int, show_id: int, votes: Sequence[tuple[int, str]], order: int | None = None
    ) -> None:
        user_id = self._voter()
        reply = VoteReply(self, request_id, self.services.ballot_json, is_cast=bool(votes))
        self.services.submit(show_id, user_id, votes, reply, order)
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
        return Refused(Code.UNAVAILABLE, "This is unavailable for a moment. Try again.", retry_after_ms=1_000)
