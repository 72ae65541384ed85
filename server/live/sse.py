"""Server-sent events: a show's channels for clients that only read, `curl -N` among them.

The same pushes from the same hub. An event's id holds the positions of all channels of its stream, so that whoever comes
back with it (`Last-Event-ID`) is sent what has changed and nothing else.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal
from weakref import WeakValueDictionary

import msgspec
import orjson
import structlog
from aiohttp import web
from structlog.contextvars import get_contextvars

from server.errors import Disconnect, Refused
from server.live.admission import prepare
from server.live.channel import Subscriber, push_json
from server.live.hub import Hub
from server.live.stalled import StallTimer
from server.protocol.channels import SHOW_KINDS
from server.protocol.codes import CLOSE_BAD_TOKEN, CLOSE_DRAIN, CLOSE_SLOW, NO_GOODBYE, Code
from server.protocol.embargo import Audience, sees_all
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import parse_query
from server.protocol.identity import Identity
from server.protocol.messages import CHANNELS_PER_REQUEST_MAX
from server.protocol.positions import EXACT_MAX

if TYPE_CHECKING:
    from server.live.services import Services
    from server.live.sockets import Sockets

log = structlog.get_logger()

PATH = "/api/shows/{show}/events"
CHANNELS_CHARS_MAX = 1_000
# When a connection is lost a browser comes back after so long. Each is told a time of its own: they are lost together.
RETRY_MIN_MS = 500
RETRY_MAX_MS = 5_000
_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store, no-transform",  # a proxy that compresses keeps events until it has enough of them
    "X-Accel-Buffering": "no",  # nginx
}


class EventsQuery(msgspec.Struct, frozen=True):
    """Which channels: kinds of the show's own (`votes`), or whole names of others."""

    channels: Annotated[
        str,
        msgspec.Meta(
            max_length=CHANNELS_CHARS_MAX,
            description="Separated by commas: `votes`, `status`, `setlist` and others of the show; `song:101` and others"
            " by their whole name.",
        ),
    ] = "votes,status,setlist"


async def _described_only(_call: Call) -> Answer:
    raise AssertionError("served by EventRoutes")


EVENTS = Endpoint(
    method="GET", path=PATH, handler=_described_only, query=EventsQuery, answer=str, media_type="text/event-stream",
    codes=(Code.FORBIDDEN, Code.OVERLOADED, Code.TOO_LARGE), slugs=("show",),
    summary="A show's channels as server-sent events.",
    description=(
        "Each event is a push as the websocket sends it, beginning with the whole state of each channel. `Last-Event-ID`"
        " takes up where an earlier stream ended: channels that have not changed since are not sent again. An event"
        " `drain` says that the server goes away, `end` that this stream may not go on, `notice` what else a websocket would"
        " be told; a comment comes every 25 s."
    ),
)  # fmt: skip


class EventFormat:
    """How a push is written for all streams that watch the same channels: the event, and the id that ends it."""

    def __init__(self) -> None:
        self._positions: dict[str, int] = {}  # as last pushed
        self.end = b""

    def joined(self, positions: Mapping[str, int]) -> None:
        """A stream begins with these; where others are not as far yet, their position stays: it only costs an event."""
        self._positions = {**positions, **self._positions}
        self.end = _id_line(self._positions)

    def frame(self, name: str, at: int, fields: bytes) -> bytes:
        """The event without its end, which depends on the stream."""
        self._positions[name] = at
        self.end = _id_line(self._positions)
        return _data_line(name, at, fields)


class EventStream(Subscriber):
    """One client that reads events; beside websockets in `Sockets`, which pings it and sends it away.

    Everything goes through `write` of the stream itself, which the hub takes for its transport.
    """

    __slots__ = (
        "_transport",
        "address",
        "alarm_ms",
        "close_code",
        "has_asked",
        "heard_s",
        "identity",
        "number",
        "opened_ms",
        "opened_s",
        "pinged_s",
        "request_id",
        "stall_timer",
        "wire_format",
    )  # fmt: skip

    kind: Literal["websocket", "events"] = "events"

    wire_format: EventFormat

    def __init__(
        self, transport: Any, services: Services, identity: Identity | None, wire: EventFormat, *, address: str
    ) -> None:
        super().__init__(self)
        self._transport = transport
        self.wire_format = wire
        self.identity = identity
        self.sees_all = sees_all(identity)
        expires_ms = None if identity is None else identity.expires_ms
        self.alarm_ms = math.inf if expires_ms is None else expires_ms
        self.stall_timer = StallTimer()
        self.has_asked = True
        self.number = 0
        self.address = address
        self.request_id: str = get_contextvars().get("request_id", "")
        self.close_code = NO_GOODBYE
        self.opened_ms = services.clock.now_ms()
        self.heard_s = self.pinged_s = self.opened_s = services.clock.monotonic_s()

    # ── what the hub takes for a transport

    def write(self, data: bytes) -> None:
        """Sends an event of the hub. One that follows a skipped one has no id: it would say that nothing was skipped."""
        self._transport.write(data + (b"\n" if self.behind_count else self.wire_format.end))

    def is_closing(self) -> bool:
        """Whether nothing more can be written."""
        return bool(self._transport.is_closing())

    def get_write_buffer_size(self) -> int:
        """Bytes that the other side has not taken yet."""
        return int(self._transport.get_write_buffer_size())

    def get_extra_info(self, name: str) -> Any:
        """What the transport knows."""
        return self._transport.get_extra_info(name)

    def close(self) -> None:
        """Hangs up once everything is sent."""
        self._transport.close()

    def abort(self) -> None:
        """Hangs up at once."""
        self._transport.abort()

    # ── what `Sockets` asks for

    def send(self, text: bytes) -> None:
        """Sends lines that are no push."""
        if not self.is_closing():
            self._transport.write(text)

    def ping(self, now_s: float) -> None:
        """A comment, so that nothing between takes the stream for dead. Nobody answers; TCP has to find out who is gone."""
        self.heard_s = self.pinged_s = now_s
        self.send(b":\n\n")

    def notify(self, payload: bytes) -> None:
        """Says something that is no push; payload is a JSON object."""
        self.send(b"event: notice\ndata: %b\n\n" % payload)

    def on_alarm(self, _now_ms: int) -> None:
        """The token has ended, and a stream cannot be given another."""
        self.hang_up(CLOSE_BAD_TOKEN, "The token has expired. Sign in again.")

    def dismiss(self, end: Disconnect) -> None:
        """Says why, and hangs up."""
        self.hang_up(end.close_code, end.reason)

    def hang_up(self, close_code: int, reason: str) -> None:
        """The same. The browser comes back, and is refused then if it still may not."""
        self.send(b"event: end\ndata: %b\n\n" % orjson.dumps({"code": close_code, "message": reason}))
        self._close(close_code)

    def send_away(self, min_ms: int, max_ms: int) -> None:
        """The node is stopping: tells a time to come back at, and hangs up."""
        retry_ms = random.randint(min_ms, max_ms)  # noqa: S311  jitter, no secret
        self.send(b'retry: %d\nevent: drain\ndata: {"min_ms":%d,"max_ms":%d}\n\n' % (retry_ms, min_ms, max_ms))
        self._close(CLOSE_DRAIN)

    def hang_up_slow(self) -> None:
        """Hangs up on a client that does not read."""
        log.info("socket.slow", close_code=CLOSE_SLOW, request_id=self.request_id)
        self.close_code = CLOSE_SLOW
        self.abort()

    def _close(self, close_code: int) -> None:
        self.close_code = close_code
        self.close()


class _Stream(web.StreamResponse):
    """Neither a length nor chunks: the end of the connection ends it, so the same bytes do for HTTP 1.0 and 1.1."""

    _length_check = False


class EventRoutes:
    """Takes: identify and address_of, as LiveRoutes does; find_show, the id of a show that a path names by id or slug."""

    def __init__(
        self,
        services: Services,
        sockets: Sockets,
        identify: Callable[[web.Request], Awaitable[Identity | None]],
        address_of: Callable[[web.Request], str],
        find_show: Callable[[str], Awaitable[int]],
    ) -> None:
        self._services = services
        self._sockets = sockets
        self._identify = identify
        self._address_of = address_of
        self._find_show = find_show
        self._wires: WeakValueDictionary[frozenset[str], EventFormat] = WeakValueDictionary()

    def routes(self) -> list[web.RouteDef]:
        """What app adds to its router."""
        return [web.get(PATH, self.get_events)]

    async def get_events(self, request: web.Request) -> web.StreamResponse:
        """`GET /api/shows/{show}/events`; ends with the connection. All that can be refused is, before the first byte."""
        if self._sockets.is_draining:
            raise Refused(Code.UNAVAILABLE, "The server is going away. Try again.", retry_after_ms=1_000)
        services = self._services
        names = await self._names(request)
        identity = await self._identify(request)
        if identity is not None:
            banned = services.why_banned(identity.user_id)
            if banned is not None:
                raise Refused(Code.FORBIDDEN, banned)
        since = _positions(request.headers.get("Last-Event-ID", ""))
        prepared = await prepare(services.hub, services.has_voted, identity, names, since)
        channels = {}
        for name, found in prepared.items():
            if isinstance(found, Refused):
                raise found
            channels[name] = found
        response = _Stream(headers=_HEADERS)
        response.force_close()
        if request.method == "HEAD":
            return response
        address = self._address_of(request)
        services.connection_limits.acquire_address(address)
        try:
            await self._with_seat(request, response, identity, channels)
        finally:
            services.connection_limits.release_address(address)
        return response

    async def _with_seat(
        self,
        request: web.Request,
        response: web.StreamResponse,
        identity: Identity | None,
        channels: Mapping[str, Audience],
    ) -> None:
        limits = self._services.connection_limits
        if identity is None:
            await self._serve(request, response, None, channels)
            return
        await self._services.count_entry(identity.user_id)
        limits.acquire_user(identity.user_id)
        try:
            await self._serve(request, response, identity, channels)
        finally:
            limits.release_user(identity.user_id)

    async def _serve(
        self,
        request: web.Request,
        response: web.StreamResponse,
        identity: Identity | None,
        channels: Mapping[str, Audience],
    ) -> None:
        await response.prepare(request)
        transport = request.transport
        if transport is None:  # gone meanwhile
            return
        hub = self._services.hub
        wire = self._wires.setdefault(frozenset(channels), EventFormat())
        stream = EventStream(transport, self._services, identity, wire, address=self._address_of(request))
        self._sockets.add(stream)
        try:
            if _begin(hub, stream, channels, _positions(request.headers.get("Last-Event-ID", ""))):
                # Cancelled when the connection is lost; nothing is ever read.
                await asyncio.Future()
        finally:
            hub.leave_all(stream)
            self._sockets.remove(stream)

    async def _names(self, request: web.Request) -> list[str]:
        show = await self._find_show(request.match_info["show"])
        kinds = parse_query(request.query.items(), EventsQuery).channels.split(",")
        names = dict.fromkeys(f"{kind}:{show}" if kind in SHOW_KINDS else kind for kind in kinds)
        most = min(CHANNELS_PER_REQUEST_MAX, self._services.connection_limits.limits.channels_per_connection)
        if len(names) > most:
            raise Refused(Code.TOO_LARGE, f"One stream may watch {most} channels.")
        return list(names)


def _begin(hub: Hub, stream: EventStream, channels: Mapping[str, Audience], since: Mapping[str, int]) -> bool:
    """Joins the channels and sends what the client does not have. Nothing is awaited, so no push can come between.

    Takes: channels, each with what to join it with
    Gives: False: a channel was given up meanwhile, or is for fewer now; the client comes back
    """
    events, positions = [], {}
    for name, belongs_to in channels.items():
        state = hub.join(stream, name, belongs_to)
        if state is None:
            return False
        positions[name] = state.at
        if since.get(name) != state.at:
            events.append(_data_line(name, state.at, state.whole_fields()))
    stream.wire_format.joined(positions)
    retry_ms = random.randint(RETRY_MIN_MS, RETRY_MAX_MS)  # noqa: S311  jitter, no secret
    stream.send(b"retry: %d\n\n" % retry_ms + b"\n".join(events) + (_id_line(positions) if events else b""))
    return True


def _data_line(name: str, at: int, fields: bytes) -> bytes:
    return b"data: %b\n" % push_json(name, at, fields)


def _id_line(positions: Mapping[str, int]) -> bytes:
    """The end of an event: `id: votes:7@130,status:7@12` and an empty line."""
    return b"id: %b\n\n" % ",".join([f"{name}@{at}" for name, at in positions.items()]).encode()


def _positions(event_id: str) -> dict[str, int]:
    """What an id says; what is none of ours says nothing."""
    found = {}
    for item in event_id.split(","):
        name, _, at = item.partition("@")
        if at.isascii() and at.isdigit() and len(at) <= len(str(EXACT_MAX)):
            found[name] = int(at)
    return found
