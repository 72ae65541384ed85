"""Hundreds of clients that reconnect at once do not cost hundreds of queries (thundering herd)."""

from __future__ import annotations

import asyncio

from server.node.node import Node
from tests.support.row_factory import RowFactory
from tests.support.running_node import PATIENCE_S, running_node
from tests.support.socket_client import Closed, SocketClient

SOCKETS = 500
USERS = 50
CHANNELS = ("votes:7", "status:7", "setlist:7")
# The node's loops send a few queries a second meanwhile, so a busy machine adds some; one a client would make 500.
QUERIES_MAX = 250


async def queries(factory: RowFactory) -> int:
    """The number of statements that this database has run so far."""
    count: int = await factory.sql.fetchval(
        "select coalesce(sum(calls), 0)::bigint from pg_stat_statements"
        " where dbid = (select oid from pg_database where datname = current_database())"
    )
    return count


async def test_a_herd_comes_back(database_url: str, redis_url: str, factory: RowFactory) -> None:
    """To a node without the show's channels: all are signed in, subscribed and have their states after one loading a channel."""
    await factory.show(7)
    tokens = [await factory.token() for _ in range(USERS)]
    await factory.sql.execute("create extension if not exists pg_stat_statements")
    async with running_node(database_url, redis_url) as node:
        everybody = asyncio.Barrier(SOCKETS + 1)

        async def fan(number: int) -> None:
            async with SocketClient.connect(node.url) as client:
                await client.hello(tokens[number % USERS])
                await client.watch(*CHANNELS)
                await everybody.wait()
                try:
                    while True:
                        await client.receive()
                except Closed:
                    pass
            async with SocketClient.connect(node.url) as client:
                await client.hello(tokens[number % USERS])
                states = await client.watch(*CHANNELS)
                assert all("state" in states[name] for name in CHANNELS)
                await everybody.wait()

        async with asyncio.timeout(PATIENCE_S * 2), asyncio.TaskGroup() as fans:
            for number in range(SOCKETS):
                fans.create_task(fan(number))
            await everybody.wait()
            assert len(node.rooms.sockets) == SOCKETS
            before = await queries(factory)
            _cut_all(node)
            await everybody.wait()
            asked = await queries(factory) - before
        assert asked < QUERIES_MAX


def _cut_all(node: Node) -> None:
    for connection in node.rooms.sockets.connections():
        connection.transport.abort()
