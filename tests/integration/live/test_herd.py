"""Hundreds of clients that reconnect at once do not cost hundreds of queries (thundering herd)."""

from __future__ import annotations

import asyncio
from collections import Counter

from server.node.node import Node
from tests.support.row_factory import RowFactory
from tests.support.running_node import PATIENCE_S, running_node
from tests.support.socket_client import Closed, SocketClient

SOCKETS = 500
USERS = 50
CHANNELS = ("votes:7", "status:7", "setlist:7")
# A query for each client makes one statement 500 times; a loop of the node makes each of its own a few times a second.
CALLS_MAX = SOCKETS // 2


async def calls_by_statement(factory: RowFactory) -> Counter[int]:
    """How often this database has run each statement so far."""
    rows = await factory.sql.fetch(
        "select queryid, sum(calls)::bigint as calls from pg_stat_statements"
        " where dbid = (select oid from pg_database where datname = current_database()) group by queryid"
    )
    return Counter({row["queryid"]: row["calls"] for row in rows})


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
            before = await calls_by_statement(factory)
            _cut_all(node)
            await everybody.wait()
            asked = await calls_by_statement(factory) - before
        assert max(asked.values()) < CALLS_MAX


def _cut_all(node: Node) -> None:
    for connection in node.rooms.sockets.connections():
        connection.transport.abort()
