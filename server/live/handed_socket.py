"""A websocket on its way from one process to another: its descriptor, and all that the descriptor does not say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from server.protocol.identity import Identity

# Grows when a process of an older version could not read a HandedSocket any more.
FORMAT = 1
# The new process gets the identity itself. Compression is off, and its offer needs no answer any more.
_NOT_HANDED = frozenset({b"authorization", b"cookie", b"sec-websocket-extensions", b"x-request-id"})


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


class LiveSocket(web.WebSocketResponse):
    """A websocket that another process can take over. Takes: is_upgraded, the client has its answer from the process before.

    before_close: called before its close frame, after which no push may follow
    """

    def __init__(self, *, is_upgraded: bool, protocol: str, message_bytes_max: int) -> None:
        super().__init__(
            protocols=(protocol,),
            autoping=False,  # the sweep needs to see the pongs
            compress=False,  # each socket would need its own copy of a push
            max_msg_size=message_bytes_max + 1,  # aiohttp refuses from this size on
        )
        self._is_upgraded = is_upgraded
        self._is_receiving = False
        self.before_close: Callable[[], None] | None = None

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        """Closes, also when aiohttp itself answers a client's close frame or a mistake in the protocol."""
        if self.before_close is not None:
            self.before_close()
        return await super().close(code=code, message=message, drain=drain)

    async def receive(self, timeout: float | None = None) -> WSMessage:
        """As aiohttp's."""
        self._is_receiving = True
        try:
            return await super().receive(timeout)
        finally:
            self._is_receiving = False

    @property
    def is_awaited(self) -> bool:
        """Whether the reader waits for the next message, and none is before it."""
        return self._is_receiving and self._reader is not None and not self._reader._buffer  # noqa: SLF001

    async def _write_headers(self) -> None:
        if not self._is_upgraded:
            await super()._write_headers()

    @property
    def request(self) -> web.BaseRequest:
        """The request to upgrade."""
        assert self._req is not None
        return self._req

    @property
    def transport(self) -> asyncio.Transport:
        """The transport of the connection."""
        assert self._req is not None
        assert self._req.transport is not None
        return self._req.transport

    def mark(self) -> None:
        """Puts a message of the type CONTINUATION behind what was read: the reader has then answered everything before it."""
        if self._reader is not None:
            self._reader.feed_data(WSMessage(WSMsgType.CONTINUATION, None, None), 0)


def head_of(request: web.BaseRequest, request_id: str) -> bytes:
    """The head of a request to upgrade, as the next process has to read it."""
    headers = [(name, value) for name, value in request.raw_headers if name.lower() not in _NOT_HANDED]
    headers.append((b"X-Request-ID", request_id.encode()))
    lines = [b"GET /ws HTTP/1.1", *[name + b": " + value for name, value in headers]]
    return b"\r\n".join(lines) + b"\r\n\r\n"
