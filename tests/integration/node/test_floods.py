"""While floods of reads are held open, honest requests are answered. Locks on tables keep the floods from ending."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from server.node.node import Node
from server.store.database import connect
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node, until
from tests.support.socket_client import SocketClient

LOCAL = (ipaddress.ip_network("127.0.0.1/32"),)
FLOOD = {"X-Forwarded-For": "198.51.100.1"}
HONEST = {"X-Forwarded-For": "198.51.100.2"}


@pytest.fixture
async def crowded(database_url: str, redis_url: str) -> AsyncIterator[Node]:
    """A node behind a proxy on this machine."""
    async with running_node(database_url, redis_url, trusted_proxies=LOCAL) as node:
        yield node


@asynccontextmanager
async def locked(database_url: str, table: str) -> AsyncIterator[Callable[[], Awaitable[set[Any]]]]:
    """Nobody can read a table. Gives: a function that gives the statements that wait for it, when there are any."""
    connection = await connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute(f"lock table {table} in access exclusive mode")

            async def held() -> set[Any]:
                waiting = "select pid, waitstart from pg_locks where not granted and relation = $1::regclass"
                return {tuple(row) for row in await connection.fetch(waiting, table) if row["waitstart"]}

            yield lambda: until(held)
    finally:
        await connection.close()


@asynccontextmanager
async def flood(url: str, count: int) -> AsyncIterator[list[asyncio.Task[int]]]:
    """So many requests at once from one address; the tasks give their status."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=FLOOD) as http, asyncio.TaskGroup() as tasks:

        async def ask() -> int:
            async with http.get(url) as response:
                return response.status

        asked = [tasks.create_task(ask()) for _ in range(count)]
        yield asked
        for task in asked:
            task.cancel()


@pytest.mark.parametrize(
    ("path", "table"),
    [
        ("/api/analytics/vote-stats?show=7", "vote_analytics"),
        ("/api/search?q=song", "artists"),
        ("/api/venues", "venues"),
    ],
)
async def test_reads_do_not_starve_the_others(
    crowded: Node, database_url: str, factory: RowFactory, path: str, table: str
) -> None:
    """Forty reads of one kind are held open: a new fan still signs in, and other kinds of reads are answered."""
    await factory.show(7, song_count=1)
    async with (
        locked(database_url, table) as held,
        flood(crowded.url + path, 40),
        aiohttp.ClientSession(headers=HONEST) as http,
    ):
        waiting = await held()
        async with http.post(f"{crowded.url}/api/session") as response:
            assert response.status == 201
        other = "/api/venues" if table != "venues" else "/api/analytics/vote-stats?show=7"
        async with http.get(crowded.url + other) as response:
            assert response.status == 200
        assert await held() & waiting, "answered only after the flood"


async def test_unknown_channels_do_not_hold_up_commits(crowded: Node, database_url: str, factory: RowFactory) -> None:
    """Twenty sockets ask for fifty unknown channels each, and no answer comes: an honest cast is committed."""
    show = await factory.show(7, song_count=1)
    token = await factory.token()
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(SocketClient.connect(crowded.url, headers=FLOOD)) for _ in range(20)]
        fan = await stack.enter_async_context(SocketClient.connect(crowded.url, headers=HONEST))
        await fan.hello(token)
        held = await stack.enter_async_context(locked(database_url, "artist_stats"))
        for number, flooding in enumerate(sockets):
            first = 1_000 + 50 * number
            await flooding.send("subscribe", channels=[f"followers:{first + each}" for each in range(50)])
        waiting = await held()
        reply = await fan.cast(7, (show.songs[0], "up"))
        assert reply["durability"] == "committed"
        assert await held() & waiting, "committed only after the flood"
