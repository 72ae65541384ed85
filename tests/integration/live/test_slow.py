"""Clients on bad networks, through a real proxy: they are bounded, found and cut, and no other client is slowed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from server.live.stalled import SEND_BUFFER_BYTES
from server.node.node import Node
from server.protocol.limits import Limits
from tests.support.proxy import TcpProxy
from tests.support.row_factory import RowFactory
from tests.support.running_node import PATIENCE_S, running_node, until
from tests.support.socket_client import SocketClient

SEND_BUFFER_MAX = 4096
STALLED_S = 1
# The longest push of these tests: a show with very many songs.
COUNTS = 500
PUSH_BYTES_MAX = 16 * 1024


@asynccontextmanager
async def impatient(database_url: str, redis_url: str) -> AsyncIterator[tuple[Node, TcpProxy]]:
    """A node that waits a second for a client that takes nothing, and a proxy before it."""
    limits = Limits(stalled_s=STALLED_S, send_buffer_bytes=SEND_BUFFER_MAX)
    async with running_node(database_url, redis_url, limits=limits) as node, TcpProxy.running(node.port) as proxy:
        yield node, proxy


def skipped_count() -> float:
    return REGISTRY.get_sample_value("mysetlist_frames_skipped_total") or 0.0


class Counting:
    """Counts of show 7 that are published on this node as fast as they are pushed."""

    def __init__(self, node: Node, watcher: SocketClient, at: int) -> None:
        self._hub = node.rooms.hub
        self._watcher = watcher
        self.at = at
        self.number = 0

    async def change(self) -> None:
        """Publishes a new count of every song, and waits until the watcher has its push."""
        self.at += 1
        self.number += 1
        counts = [(1_000_000 + song, self.number, 0) for song in range(COUNTS)]
        self._hub.publish_tally(7, self.at, self.number, counts, after=0)
        await self._watcher.push("votes:7", lambda push: push["at"] == self.at)


async def test_a_window_of_zero(database_url: str, redis_url: str, factory: RowFactory) -> None:
    """A client that reads nothing skips states, fills no more than its buffers, and is cut; the others get every push in time."""
    await factory.show(7)
    async with (
        impatient(database_url, redis_url) as (node, proxy),
        SocketClient.connect(node.url) as quick,
        SocketClient.connect(proxy.url) as stuck,
    ):
        counting = Counting(node, quick, (await quick.watch("votes:7"))["votes:7"]["at"])
        await stuck.watch("votes:7")
        (behind,) = [
            c for c in node.rooms.sockets._connections if c.transport.get_extra_info("peername")[1] != _port(quick)
        ]
        before = skipped_count()
        proxy.down.stall()
        most = 0
        with capture_logs() as logs:
            async with asyncio.timeout(PATIENCE_S):
                while len(node.rooms.sockets) > 1:
                    await counting.change()
                    most = max(most, behind.transport.get_write_buffer_size())
        assert [record["close_code"] for record in logs if record["event"] == "socket.slow"] == [4001]
        assert skipped_count() > before
        assert 0 < most <= SEND_BUFFER_MAX + PUSH_BYTES_MAX
        await counting.change()
        proxy.cut()


async def test_a_client_that_sends_and_does_not_read(database_url: str, redis_url: str, factory: RowFactory) -> None:
    """It is cut, although its replies fit into their buffer and it goes on sending."""
    await factory.show(7)
    async with impatient(database_url, redis_url) as (node, proxy), SocketClient.connect(proxy.url) as stuck:
        await stuck.ok("ping")
        proxy.down.stall()
        with capture_logs() as logs:

            async def is_cut() -> bool:
                if not stuck.socket.closed:
                    await stuck.send("nothing of this kind: " + "x" * 100)
                    await stuck.send("ping")
                return not len(node.rooms.sockets)

            await until(is_cut)
        assert [record["event"] for record in logs if record["event"].startswith("socket.")] == ["socket.slow"]
        proxy.cut()


async def test_a_slow_network_does_not_cut_a_client(database_url: str, redis_url: str, factory: RowFactory) -> None:
    """A client that takes a little all the time stays for longer than the limit, skips states, and ends with the newest."""
    await factory.show(7)
    async with (
        impatient(database_url, redis_url) as (node, proxy),
        SocketClient.connect(node.url) as quick,
        SocketClient.connect(proxy.url) as slow,
    ):
        counting = Counting(node, quick, (await quick.watch("votes:7"))["votes:7"]["at"])
        await slow.watch("votes:7")
        before = skipped_count()
        proxy.down.bytes_per_s = 20_000
        while counting.number < 30 * STALLED_S:
            await counting.change()
        assert skipped_count() > before
        proxy.down.bytes_per_s = 0
        last = await slow.push("votes:7", lambda push: push["at"] == counting.at)
        assert {up for _, up, _ in last["tally"] if up} == {counting.number}
        positions = [push["at"] for push in slow.pushes("votes:7")]
        assert positions == sorted(positions)
        assert len(positions) < counting.number
        assert len(node.rooms.sockets) == 2


async def test_a_client_that_vanishes(database_url: str, redis_url: str, factory: RowFactory) -> None:
    """Nothing is acknowledged and no reset comes: the connection is closed long before a missing pong would show it."""
    await factory.show(7)
    async with (
        impatient(database_url, redis_url) as (node, proxy),
        SocketClient.connect(node.url) as quick,
        SocketClient.connect(proxy.url) as gone,
    ):
        counting = Counting(node, quick, (await quick.watch("votes:7"))["votes:7"]["at"])
        await gone.watch("votes:7")
        proxy.vanish()
        await counting.change()

        async def is_given_up() -> bool:
            return len(node.rooms.sockets) == 1

        await until(is_given_up)
        await counting.change()
        proxy.cut()


async def test_a_connection_that_is_reset(database_url: str, redis_url: str, factory: RowFactory) -> None:
    """It is removed at once, and a push meanwhile is no error."""
    await factory.show(7)
    async with (
        impatient(database_url, redis_url) as (node, proxy),
        SocketClient.connect(node.url) as quick,
        SocketClient.connect(proxy.url) as cut,
    ):
        counting = Counting(node, quick, (await quick.watch("votes:7"))["votes:7"]["at"])
        await cut.watch("votes:7")
        proxy.cut()
        await counting.change()

        async def is_gone() -> bool:
            return len(node.rooms.sockets) == 1

        await until(is_gone)


async def test_what_the_kernel_holds_is_bounded(database_url: str, redis_url: str) -> None:
    """Every connection has a buffer of fixed size, which would otherwise grow to megabytes."""
    async with impatient(database_url, redis_url) as (node, proxy), SocketClient.connect(proxy.url) as client:
        assert await client.is_alive()
        (connection,) = node.rooms.sockets._connections
        plain = connection.transport.get_extra_info("socket")
        assert plain.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * SEND_BUFFER_BYTES


def _port(client: SocketClient) -> int:
    port: int = client.socket.get_extra_info("sockname")[1]
    return port
