"""A node that cannot start leaves nothing behind: no connection to PostgreSQL or Valkey, no task."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
import redis.asyncio

from server.errors import SetupError, StoreError
from server.node.node import Node
from server.node.serve import serve
from server.settings import Settings
from tests.support.running_node import SECRET, running_node, settings, until

OURS = "from pg_stat_activity where datname = current_database() and application_name like 'mysetlist%'"


@asynccontextmanager
async def nothing_left(database_url: str, redis_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Checks at its end that the node has no connection and no task left. Gives a connection of the test's own."""
    tasks_before = asyncio.all_tasks()
    connection = await asyncpg.connect(database_url)
    number = parse_qs(urlsplit(redis_url).query)["db"][0]
    try:
        yield connection
        assert {task.get_name() for task in asyncio.all_tasks() - tasks_before} == set()

        # PostgreSQL and Valkey notice the end of a connection a moment later.
        async def is_forgotten() -> bool:
            return await connection.fetchval(f"select count(*) = 0 {OURS}") is True

        await until(is_forgotten)
        async with redis.asyncio.Redis.from_url(redis_url) as valkey:

            async def is_unused() -> bool:
                clients = await valkey.client_list()
                return not any(client["name"] == "mysetlist" and client["db"] == number for client in clients)

            await until(is_unused)
    finally:
        await connection.close()


async def test_a_taken_port(database_url: str, redis_url: str) -> None:
    """The node finds the taken port last, when all loops are running, and still leaves nothing."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with nothing_left(database_url, redis_url):
            with pytest.raises(SetupError, match=f"^cannot listen on 127.0.0.1:{port}: "):
                await Node.start(settings(database_url, redis_url, port=port))


async def test_a_taken_port_is_told_before_an_engine_starts(tmp_path: Path) -> None:
    """`serve` says so at once, and makes no data."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=f"^cannot listen on 127.0.0.1:{port}: "):
            await serve(Settings(data_dir=tmp_path / "d", secret=SECRET, port=port))
    assert not (tmp_path / "d").exists()


async def test_the_first_administrator_gets_a_link_with_the_public_address(
    database_url: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The setting, else the first of the origins."""
    for changes in (
        {"origins": ("https://sets.example", "https://other.example")},
        {"public_url": "https://sets.example", "origins": ("https://other.example",)},
    ):
        async with running_node(database_url, redis_url, **changes) as node:
            await node.greet_first_admin()
            async with node.rooms.databases.owner.connection() as connection:
                await connection.execute("delete from users where role = 'admin'")
        assert "good for an hour: https://sets.example/signin" in capsys.readouterr().out


async def test_a_database_without_tables(empty_database_url: str, redis_url: str) -> None:
    """The first query fails when the pools are open, and the node leaves nothing."""
    async with nothing_left(empty_database_url, redis_url):
        with pytest.raises((StoreError, asyncpg.PostgresError)):
            await Node.start(settings(empty_database_url, redis_url))


async def test_a_start_that_is_cancelled(database_url: str, redis_url: str) -> None:
    """A start that is cancelled while its first query waits for a lock leaves nothing."""
    async with nothing_left(database_url, redis_url) as connection:
        # Its own connection, because pg_stat_activity does not change within a transaction.
        locking = await asyncpg.connect(database_url)
        async with locking.transaction():
            await locking.execute("lock table log_positions in access exclusive mode")
            starting = asyncio.create_task(Node.start(settings(database_url, redis_url)))

            async def is_waiting() -> bool:
                return await connection.fetchval(f"select count(*) > 0 {OURS} and wait_event_type = 'Lock'") is True

            await until(is_waiting)
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
        await locking.close()


async def test_a_node_that_stops(database_url: str, redis_url: str) -> None:
    """An orderly stop leaves nothing behind either."""
    async with nothing_left(database_url, redis_url):
        node = await Node.start(settings(database_url, redis_url))
        await node.wait_until_ready()
        await node.stop()
