"""Websockets after HTTP: aiohttp's server keeps nothing of the request, a connection's memory is bounded, and each end is clean."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import tracemalloc
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from server.errors import StoreUnavailable
from server.live.websocket import WebsocketConnection
from server.node.node import Node
from tests.support import one_node
from tests.support.row_factory import RowFactory
from tests.support.running_node import PATIENCE_S, until
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory = one_node.node, one_node.emptied

CLIENTS = 100
# Traced bytes, with the client's end of the socket. With HTTP around it, each had 25,000.
BYTES_MAX = 10_000
CHANNELS = ("votes:7", "setlist:7", "status:7", "attendance:7")
# What aiohttp makes for each request, and keeps as long as its handler runs.
OF_HTTP = (
    "Request",
    "_RequestHandler",
    "HttpRequestParser",
    "RawRequestMessage",
    "StreamWriter",
    "UrlMappingMatchInfo",
)
OF_WEBSOCKETS = {"LiveSocket", "WebsocketConnection", "Upgraded", "WebSocketReader"}
CLOSE = bytes((0x88, 0x80, 0, 0, 0, 0))
BAD_FRAME = bytes((0x83, 0x80, 0, 0, 0, 0))
# As a browser's: with headers that nobody asks for later.
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mysetlist.v1\r\nUser-Agent: %b\r\n\r\n"
    % (b"x" * 2_000)
)


def objects_of(names: Iterable[str]) -> list[object]:
    """All objects of these classes, those of other tests' nodes too."""
    return [one for one in gc.get_objects() if type(one).__name__ in names]


def newer_than(earlier: list[object], names: Iterable[str]) -> Counter[str]:
    """How many objects of each of these classes there are that were not there earlier."""
    known = {id(one) for one in earlier}
    return Counter(type(one).__name__ for one in objects_of(names) if id(one) not in known)


async def watch(port: int) -> socket.socket:
    """Opens a websocket and subscribes to four channels; a bare socket, because its own memory would count here."""
    loop = asyncio.get_running_loop()
    connected = socket.socket()
    connected.setblocking(False)
    await loop.sock_connect(connected, ("127.0.0.1", port))
    payload = json.dumps({"id": 1, "op": "subscribe", "channels": CHANNELS}).encode()
    frame = bytes((0x81, 0x80 | len(payload), 0, 0, 0, 0)) + payload
    await loop.sock_sendall(connected, UPGRADE + frame)
    heard = b""
    while not heard.endswith(b"}}}"):
        heard += await loop.sock_recv(connected, 65_536)
    assert b'"status:7"' in heard
    return connected


async def test_an_open_websocket_keeps_nothing_of_http(node: Node, factory: RowFactory) -> None:
    """Of a hundred open websockets no request, parser or frame of a handler is left, and each has at most 10 KB."""
    await factory.show(7)
    earlier = objects_of({*OF_HTTP, "LiveSocket"})
    with ExitStack() as sockets:
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(10):
                sockets.enter_context(await watch(node.port))
            gc.collect()
            tracemalloc.start()
            try:
                for _ in range(CLIENTS):
                    sockets.enter_context(await watch(node.port))
                gc.collect()
                held_bytes, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        kinds = newer_than(earlier, {*OF_HTTP, "LiveSocket"})
        assert kinds["LiveSocket"] >= CLIENTS
        assert {kind: kinds[kind] for kind in OF_HTTP if kinds[kind] > 10} == {}
        assert held_bytes / CLIENTS < BYTES_MAX


@pytest.mark.parametrize("last", [b"", CLOSE, BAD_FRAME])
async def test_a_websocket_that_ends_is_freed_at_once(node: Node, factory: RowFactory, last: bytes) -> None:
    """Without a search for circles of references, which would come to old objects once in hours."""
    await factory.show(7)

    async def is_freed() -> bool:
        return not newer_than(earlier, OF_WEBSOCKETS)

    gc.collect()
    earlier = objects_of(OF_WEBSOCKETS)
    gc.disable()
    try:
        for _ in range(3):
            with await watch(node.port) as connected:
                await asyncio.get_running_loop().sock_sendall(connected, last)
        await until(lambda: is_empty(node))
        await until(is_freed)
    finally:
        gc.enable()


async def is_empty(node: Node) -> bool:
    """Whether no client is connected."""
    return not len(node.rooms.sockets) and not node._runner.connection_count


@pytest.mark.parametrize(
    ("failure", "action"), [(RuntimeError("a bug"), "socket.failed"), (StoreUnavailable("away"), "socket.unavailable")]
)
async def test_a_websocket_that_fails_ends(
    node: Node, monkeypatch: pytest.MonkeyPatch, failure: Exception, action: str
) -> None:
    """The log has one line with the request's id; the client sees its connection end, and the node counts it no more."""

    async def fail(*_: object) -> None:
        raise failure

    with capture_logs(processors=[merge_contextvars]) as lines:
        async with SocketClient.connect(node.url) as fan:
            await fan.ok("ping")
            request_id = next(iter(node.rooms.sockets.connections())).request_id
            monkeypatch.setattr(WebsocketConnection, "_take", fail)
            await fan.send("hello")
            assert await fan.close_code() == 1006
        await until(lambda: is_empty(node))
    told = [line for line in lines if str(line["event"]).startswith("socket.")]
    assert [(line["event"], line["request_id"]) for line in told] == [(action, request_id)]
