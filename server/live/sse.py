"""Server-sent events: a show's channels for clients that only read, `curl -N` among them.

The same pushes come from the same hub. The id of an event holds the positions of all channels of its stream: a client that
comes back with it (`Last-Event-ID`) gets the channels that have changed since, and no others.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Annotated, Any
from weakref import WeakValueDictionary

import msgspec
import orjson
from aiohttp import web
from structlog.contextvars import get_contextvars

from server.clock import Clock
from server.errors import Disconnect, Refused
from server.live.admission import prepare
from server.live.channel import push_json
from server.live.connection import ClientConnection
from server.live.hub import Hub
from server.live.services import AddressOf, FindShow, Identify, Services
from server.live.sockets import Sockets
from server.protocol.channels import SHOW_KINDS
from server.protocol.codes import CLOSE_BAD_TOKEN, CLOSE_DRAIN, Code
from server.protocol.embargo import Audience
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import parse_query
from server.protocol.identity import Identity
from server.protocol.messages import CHANNELS_PER_REQUEST_MAX
from server.protocol.positions import EXACT_MAX
from server.store.turns import client_of

PATH = "/api/shows/{show}/events"
CHANNELS_CHARS_MAX = 1_000
# The time after which a browser comes back to a lost stream. Each gets its own: streams are lost together.
RETRY_MIN_MS = 500
RETRY_MAX_MS = 5_000
_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store, no-transform",  # a proxy that compresses keeps events until it has enough of them
    "X-Accel-Buffering": "no",  # nginx
}


class EventsQuery(msgspec.Struct, frozen=True):
    """The channels of a stream: kinds of the show's own (`votes`), or whole names of others."""

    channels: Annotated[
        str,
        msgspec.Meta(
            max_length=CHANNELS_CHARS_MAX,
            description="Separated by commas: `votes`, `status`, `setlist` and others of the show; `song:101` and others"
            " by their whole name.",
        ),
    ] = "votes,status,setlist"


async def _described_only(_call: Call) -> Answer:
    raise AssertionError("EventRoutes serves it")


EVENTS = Endpoint(
    method="GET", path=PATH, handler=_described_only, query=EventsQuery, answer=str, media_type="text/event-stream",
    codes=(Code.FORBIDDEN, Code.OVERLOADED, Code.TOO_LARGE), slugs=("show",),
    summary="A show's channels as server-sent events.",
    description=(
        "Each event is a push as the websocket sends it; the first ones hold the whole state of each channel."
        " `Last-Event-ID` resumes an earlier stream: channels that have not changed since are not sent again. The event"
        " `drain` comes before the server goes away, `end` before it closes this stream for good, `notice` carries the other"
        " messages of a websocket. A comment comes every 25 s."
    ),
)  # fmt: skip


class EventFormat:
    """Writes pushes for all streams of the same channels: the event, and the id that ends it."""

    def __init__(self) -> None:
        self._positions: dict[str, int] = {}  # of the last pushes
        self.end = b""

    def joined(self, positions: Mapping[str, int]) -> None:
        """Adds the positions a stream begins with. Positions of earlier pushes stay: if they are older, they cost an event."""
        self._positions = {**positions, **self._positions}
        self.end = _id_line(self._positions)

    def frame(self, name: str, at: int, fields: bytes) -> bytes:
        """The event without its end, which depends on the stream."""
        self._positions[name] = at
        self.end = _id_line(self._positions)
        return _data_line(name, at, fields)


class EventStream(ClientConnection):
    """One client that reads events.

    It is its own transport for the hub: `write` adds the id that ends an event.
    """

    __slots__ = ("_transport", "wire_format")

    kind = "events"
    # The id of an event names the positions of all channels, so each event is written before the next is made.
    takes_pushes_together = False

    wire_format: EventFormat

    def __init__(
        self,
        transport: Any,
        clock: Clock,
        identity: Identity | None,
        wire: EventFormat,
        *,
        address: str,
        request_id: str = "",
    ) -> None:
        self._transport = transport
        self.wire_format = wire
        super().__init__(self, -1, clock, identity, address=address, request_id=request_id, has_asked=True)

    # ── the hub's transport

    def write(self, data: bytes) -> None:
        """Sends an event. It has no id while the stream is behind: an id would claim that no state was skipped."""
        self._transport.write(data + (b"\n" if self.behind_count else self.wire_format.end))

    def is_closing(self) -> bool:
        """Whether nothing more can be written."""
        return bool(self._transport.is_closing())

    def get_write_buffer_size(self) -> int:
        """Bytes that the peer has not taken yet."""
        return int(self._transport.get_write_buffer_size())

    def get_extra_info(self, name: str) -> Any:
        """Information about the real transport, its socket above all."""
        return self._transport.get_extra_info(name)

    def close(self) -> None:
        """Closes once everything is sent."""
        self._transport.close()

    def abort(self) -> None:
        """Closes at once."""
        self._transport.abort()

    # ── the client connection

    def send(self, text: bytes) -> None:
        """Sends lines that are no push."""
        if not self.is_closing():
            self._transport.write(text)

    def ping(self, now_s: float) -> None:
        """Sends a comment, so that no proxy takes the stream for dead. No answer comes; TCP finds clients that are gone."""
        self.heard_s = self.pinged_s = now_s
        self.send(b":\n\n")

    def notify(self, payload: bytes) -> None:
        """Sends a message that is no push; payload is a JSON object."""
        self.send(b"event: notice\ndata: %b\n\n" % payload)

    def on_alarm(self, _now_ms: int) -> None:
        """Closes: the token has ended, and a stream cannot get another one."""
        self.hang_up(CLOSE_BAD_TOKEN, "The token has expired. Sign in again.")

    def dismiss(self, end: Disconnect) -> None:
        """Sends the reason and closes."""
        self.hang_up(end.close_code, end.reason)

    def hang_up(self, close_code: int, reason: str) -> None:
        """Sends the reason and closes. The browser comes back, and is refused then if the reason still holds."""
        self.send(b"event: end\ndata: %b\n\n" % orjson.dumps({"code": close_code, "message": reason}))
        self._close(close_code)

    def send_away(self, min_ms: int, max_ms: int) -> None:
        """Sends the time after which to come back, and closes: the node is stopping."""
        retry_ms = random.randint(min_ms, max_ms)  # noqa: S311  jitter, no secret
        self.send(b'retry: %d\nevent: drain\ndata: {"min_ms":%d,"max_ms":%d}\n\n' % (retry_ms, min_ms, max_ms))
        self._close(CLOSE_DRAIN)

    def _close(self, close_code: int) -> None:
        self._close_code = close_code
        self.close()


class _Stream(web.StreamResponse):
    """A body without a length and without chunks: it ends with the connection, so the same bytes suit HTTP 1.0 and 1.1."""

    _length_check = False


class EventRoutes:
    """The streams of a show's channels. Takes: find_show, the id of the show that a path names by id or slug."""

    def __init__(
        self, services: Services, sockets: Sockets, identify: Identify, address_of: AddressOf, find_show: FindShow
    ) -> None:
        self._services = services
        self._sockets = sockets
        self._identify = identify
        self._address_of = address_of
        self._find_show = find_show
        self._wires: WeakValueDictionary[frozenset[str], EventFormat] = WeakValueDictionary()

    def routes(self) -> list[web.RouteDef]:
        """Routes for the router of the web application."""
        return [web.get(PATH, self.get_events)]

    async def get_events(self, request: web.Request) -> web.StreamResponse:
        """`GET /api/shows/{show}/events`; ends with the connection. Every refusal comes before the first byte."""
        if self._sockets.is_draining:
            raise Refused(Code.UNAVAILABLE, "The server is going away. Try again.", retry_after_ms=1_000)
        services = self._services
        identity = await self._identify(request)
        address = self._address_of(request)
        async with services.load_turns.turn(client_of(identity, address)):
            names = await self._names(request)
        if identity is not None:
            banned = services.why_banned(identity.user_id)
            if banned is not None:
                raise Refused(Code.FORBIDDEN, banned)
        since = _positions(request.headers.get("Last-Event-ID", ""))
        prepared = await prepare(services, identity, address, names, since)
        channels = {}
        for name, found in prepared.items():
            if isinstance(found, Refused):
                raise found
            channels[name] = found
        response = _Stream(headers=_HEADERS)
        response.force_close()
        if request.method == "HEAD":
            return response
        services.connection_limits.acquire_address(address)
        try:
            await self._serve_counted(request, response, identity, channels, since)
        finally:
            services.connection_limits.release_address(address)
        return response

    async def _serve_counted(
        self,
        request: web.Request,
        response: web.StreamResponse,
        identity: Identity | None,
        channels: Mapping[str, Audience],
        since: Mapping[str, int],
    ) -> None:
        if identity is None:
            await self._serve(request, response, None, channels, since)
            return
        await self._services.count_entry(identity.user_id)
        limits = self._services.connection_limits
        limits.acquire_user(identity.user_id)
        try:
            await self._serve(request, response, identity, channels, since)
        finally:
            limits.release_user(identity.user_id)

    async def _serve(
        self,
        request: web.Request,
        response: web.StreamResponse,
        identity: Identity | None,
        channels: Mapping[str, Audience],
        since: Mapping[str, int],
    ) -> None:
        await response.prepare(request)
        transport = request.transport
        if transport is None:  # the client has gone meanwhile
            return
        hub = self._services.hub
        stream = EventStream(
            transport,
            self._services.clock,
            identity,
            self._wires.setdefault(frozenset(channels), EventFormat()),
            address=self._address_of(request),
            request_id=get_contextvars().get("request_id", ""),
        )
        self._sockets.add(stream)
        try:
            if _begin(hub, stream, channels, since):
                # Cancelled when the connection is lost; nothing is ever read.
                await asyncio.Future()
        finally:
            hub.leave_all(stream)
            self._sockets.remove(stream)

    async def _names(self, request: web.Request) -> list[str]:
        show = await self._find_show(request.match_info["show"])
        kinds = parse_query(request.query.items(), EventsQuery).channels.split(",")
        names = dict.fromkeys(f"{kind}:{show}" if kind in SHOW_KINDS else kind for kind in kinds)
        names_max = min(CHANNELS_PER_REQUEST_MAX, self._services.connection_limits.limits.channels_per_connection)
        if len(names) > names_max:
            raise Refused(Code.TOO_LARGE, f"{len(names)} channels are too many. One stream may watch {names_max}.")
        return list(names)


def _begin(hub: Hub, stream: EventStream, channels: Mapping[str, Audience], since: Mapping[str, int]) -> bool:
    """Joins the channels and sends the states that the client does not hold. Nothing is awaited, so no push comes between.

    Takes: channels, each with the audience to join it with
    Gives: False: a channel was closed meanwhile, or its audience became smaller; the client comes back
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
    """The positions in an event's id; an item that this server does not write is ignored."""
    found = {}
    for item in event_id.split(","):
        name, _, at = item.partition("@")
        if at.isascii() and at.isdigit() and len(at) <= len(str(EXACT_MAX)):
            found[name] = int(at)
    return found
