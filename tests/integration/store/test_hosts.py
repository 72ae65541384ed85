"""Several hosts in one address: the one that takes writes is found, and found again after a promotion."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from server.errors import SetupError, StoreUnavailable
from server.sample.inserts import no_progress
from server.settings import data_folder
from server.store.database import Database, connect
from server.store.dumps import Programs
from server.store.engine import check_postgres
from server.store.hosts import primary_of
from server.store.listening import Listening
from server.store.migrations import migrate_status, migrate_up
from tests.support.node_process import until_async
from tests.support.replication import Pair, needs_debian_postgres, replicated_postgres, session

pytestmark = [needs_debian_postgres, pytest.mark.timeout(60)]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """One pair for the file. The last test promotes the replica."""
    with replicated_postgres() as opened:
        yield opened


def with_hosts(pair: Pair, *places: str) -> str:
    """The address with these hosts, in this order."""
    return pair.primary.url().replace(pair.primary.place, ",".join(places))


async def test_the_primary_is_found_among_hosts_that_are_none(pair: Pair) -> None:
    """A host that refuses, one that answers nothing, and a standby come first; each of our ways of connecting finds it."""
    silent = socket.create_server(("127.0.0.1", 0))
    where = f"127.0.0.1:{silent.getsockname()[1]}"
    url = with_hosts(pair, "127.0.0.1:1", where, pair.replica.place, pair.primary.place)
    try:
        connection = await connect(url)
        assert await connection.fetchval("select inet_server_port()") == pair.primary.port
        connection.terminate()
        assert await primary_of(url) == pair.primary.url()
        assert (await check_postgres(url)).database == "fans"
        # dbmate knows no lists of hosts.
        await migrate_up(url, data_folder("migrations"))
        assert all(migration.is_applied for migration in await migrate_status(url, data_folder("migrations")))
        database = await Database.open(url, pool_size=1)
        async with database.connection() as pooled:
            assert await pooled.fetchval("select inet_server_port()") == pair.primary.port
        await database.close()
    finally:
        silent.close()


async def test_a_standby_alone_is_refused_in_one_line(pair: Pair) -> None:
    """At a start; a node that runs takes it as unavailable, and asks again."""
    with pytest.raises(SetupError, match=r"^DATABASE_URL: PostgreSQL at .* is read-only \(a standby\?\)"):
        await check_postgres(pair.replica.url())
    with pytest.raises(StoreUnavailable):
        await connect(pair.replica.url())


async def test_a_primary_that_takes_no_writes_any_more_is_left(pair: Pair, tmp_path: Path) -> None:
    """It is switched to read-only while sessions go on: the pool and the listener leave it, and find the promoted replica.
    A backup does, too.
    """
    url = with_hosts(pair, pair.primary.place, pair.replica.place)
    database = await Database.open(url, pool_size=2)
    listening = await Listening.open(url, {"votes": lambda _: None})

    async def write() -> int:
        async with database.transaction() as connection:
            await connection.execute("create table if not exists written (n int)")
            port: int = await connection.fetchval("select inet_server_port()")
        return port

    assert await write() == pair.primary.port
    await pair.until_replayed()
    async with session(pair.primary.url()) as connection:
        await connection.execute("alter system set default_transaction_read_only = on")
        await connection.execute("select pg_reload_conf()")

    async def is_told() -> bool:
        await listening.connection.execute("select 1")
        return bool(listening.connection.get_settings().default_transaction_read_only == "on")

    await until_async(is_told, "the listener is told with the answer to a statement")
    with pytest.raises(StoreUnavailable, match="takes no writes any more"):
        await listening.rows(None, timeout_s=1)
    listening.close()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await write()
    await asyncio.to_thread(pair.replica.promote)
    assert await write() == pair.replica.port
    await database.close()
    assert urlsplit(await primary_of(url)).port == pair.replica.port
    programs = await Programs.find(url, None)
    await programs.dump(tmp_path / "backup", {}, no_progress)
    assert (tmp_path / "backup").stat().st_size > 0
