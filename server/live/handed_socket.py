"""A websocket on its way from one process to another: its descriptor, and all that the descriptor does not say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from server.protocol.identity import Identity
from server.protocol.messages import SUBPROTOCOL
from server.protocol.unfinished import Unfinished

# Grows when a process of an older version could not read a HandedSocket any more.
FORMAT = 1
# Of the request to upgrade, what the next process asks for. The rest is the same for all: compression is off, the identity goes by
# itself, and the key needs no answer any more.
_KEPT = frozenset({b"host", b"origin", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto"})
_HEAD = (
    b"GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: %b\r\n" % SUBPROTOCOL.encode()
)


class HandedChannel(msgspec.Struct, frozen=True, array_like=True):
    """A channel that the client watches. at, is_behind: see Channel.position_of."""

    name: str
    at: int
    is_behind: bool


class HandedSocket(msgspec.Struct, frozen=True, kw_only=True):
    """What the next process has to know of a websocket.

    head: of its request to upgrade, without token and cookie; unread: what it has sent of a message that is not whole yet
    number, opened_ms, has_asked, alarm_ms: of its ClientConnection
    """

    head: bytes
    unread: bytes
    identity: Identity | None
    number: int
    opened_ms: int
    has_asked: bool
    alarm_ms: float
    channels: list[HandedChannel]


class Leaving(Protocol):
    """A websocket that is about to leave its process (departures.Departure)."""

    async def marked(self) -> None:
        """Called by its reader at the mark. Returns when the socket stays; cancelled when it has left."""


class Link(Protocol):
    """The connection of a websocket after HTTP (web/upgraded.py).

    task: serves the websocket, and is cancelled when the connection is lost; unfinished: the message that has not come whole yet, if any
    take_at_once: gets each short text message before aiohttp reads it; what it refuses, aiohttp reads
    """

    take_at_once: Callable[[bytes], bool] | None
    transport: asyncio.Transport | None
    task: asyncio.Task[None] | None
    unfinished: Unfinished | None


class LiveSocket(web.WebSocketResponse):
    """A websocket that another process can take over. Takes: is_upgraded, the client has its answer from the process before.

    before_close: called before its close frame, after which no push may follow; link: its connection, once it has left HTTP
    """

    # aiohttp's attributes alone fit into the table that Python shares among instances: one key more than 30 costs 1.3 KB each.
    __slots__ = ("_is_upgraded", "_kept_headers", "before_close", "link")

    link: Link

    def __init__(self, *, is_upgraded: bool, protocol: str, message_bytes_max: int) -> None:
        super().__init__(
            protocols=(protocol,),
            autoping=False,  # the sweep needs to see the pongs
            compress=False,  # each socket would need its own copy of a push
            max_msg_size=message_bytes_max + 1,  # aiohttp refuses from this size on
        )
        self._is_upgraded = is_upgraded
        self.before_close: Callable[[], None] | None = None
        self._kept_headers = b""

    def __repr__(self) -> str:
        return "<LiveSocket>"  # aiohttp's names the request

    def leave_http(self, link: Link) -> None:
        """Lets go of the request. Whatever aiohttp does for the websocket from now on, it does with the link."""
        assert self._req is not None
        assert self._reader is not None
        kept = [b"%b: %b\r\n" % line for line in self._req.raw_headers if line[0].lower() in _KEPT]
        self._kept_headers = b"".join(kept)
        self.link = link
        stand_in: Any = link
        self._req = self._payload_writer = self._writer = self._reader._protocol = stand_in  # noqa: SLF001
        self.headers.clear()

    async def write_eof(self, _data: bytes = b"") -> None:
        """Does nothing: this is the end of the request, and the websocket goes on."""

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:  # noqa: ARG002
        """Closes, also when aiohttp itself answers a client's close frame or a mistake in the protocol."""
        if self.before_close is not None:
            self.before_close()
        # Never waits until a slow client has taken what is before the close frame: the sweep watches over that.
        return await super().close(code=code, message=message, drain=False)

    @property
    def is_awaited(self) -> bool:
        """Whether the reader waits for the next message, and none is before it."""
        return self._waiting and self._reader is not None and not self._reader._buffer  # noqa: SLF001

    async def _write_headers(self) -> None:
        if not self._is_upgraded:
            await super()._write_headers()

    def head(self, request_id: str) -> bytes:
        """The head of its request to upgrade, as the next process has to read it."""
        return b"%b%bX-Request-ID: %b\r\n\r\n" % (_HEAD, self._kept_headers, request_id.encode())

    def mark(self) -> None:
        """Puts a message of the type CONTINUATION behind what was read: the reader has then answered everything before it."""
        if self._reader is not None:
            self._reader.feed_data(WSMessage(WSMsgType.CONTINUATION, None, None), 0)
