"""Reads from a replica: never older than what anyone has seen, and from the primary when the replica cannot promise it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from server.cli.doctor_checks import run_checks
from server.errors import ReplicaLost, StoreUnavailable
from server.node.readings import value_of
from server.people.sessions import mint_token
from server.settings import data_folder
from server.store import reads as reads_module
from server.store.database import REQUEST_ROLE, Database
from server.store.databases import Databases
from server.store.migrations import migrate_up
from server.store.reads import UNASKED, Positions, Reads, Replica
from server.telemetry import REPLICA_READS
from tests.support.node_process import SECRET, until
from tests.support.open_shows import make_shows, make_users
from tests.support.replication import Pair, needs_debian_postgres, replicated_postgres, session
from tests.support.running_node import running_node

pytestmark = [needs_debian_postgres, pytest.mark.timeout(60)]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """One pair for all tests of the file; each leaves a replica that follows."""
    with replicated_postgres() as opened:
        asyncio.run(migrate_up(opened.primary.url(), data_folder("migrations")))
        asyncio.run(_make_table(opened.primary.url()))
        yield opened


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy test machine replays late."""
    for name in ("BEHIND_S_MAX", "MEASURED_S_MAX", "RESERVE_S_MAX", "LOOK_S_MAX"):
        monkeypatch.setattr(reads_module, name, 15.0)


async def _make_table(url: str) -> None:
    async with session(url) as connection:
        await connection.execute("create table seen (n int); grant select on seen to mysetlist_request")


@asynccontextmanager
async def opened(pair: Pair, read_url: str, primary_url: str = "") -> AsyncIterator[Reads]:
    """Reads whose replica looks at itself, as in a node."""
    primary = await Database.open(primary_url or pair.primary.url(), role=REQUEST_ROLE, pool_size=3)
    replica = await Replica.open(read_url, primary)
    async with AsyncExitStack() as stack:
        reads = Reads(primary, replica)
        stack.push_async_callback(reads.close)
        looking = asyncio.create_task(replica.run())
        stack.callback(looking.cancel)
        await looked_at(replica)
        yield reads


async def looked_at(replica: Replica) -> None:
    """Waits for its first look at itself."""
    await until(lambda: replica.why_left_out != UNASKED, "the replica was looked at")


async def where(reads: Reads) -> bool:
    """Whether a read comes from the replica."""
    async with reads.snapshot() as connection:
        found: bool = await connection.fetchval("select pg_is_in_recovery()")
    return found


async def test_a_read_shows_what_was_committed_before_it(pair: Pair) -> None:
    """A commit on any connection is in the next read, which comes from the replica with the rights of requests."""
    async with opened(pair, pair.replica.url()) as reads, session(pair.primary.url()) as writer:
        assert reads.replica is not None
        assert reads.replica.why_left_out == ""
        for number in range(1, 60):
            await writer.execute("insert into seen values ($1)", number)
            async with reads.snapshot() if number % 2 else reads.connection() as connection:
                assert await connection.fetchval("select max(n) from seen") == number
                assert await connection.fetchval("select pg_is_in_recovery()")
        async with reads.connection() as connection:
            assert await connection.fetchval("select current_user") == REQUEST_ROLE
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await connection.execute("create temp table none ()")


async def test_a_replica_that_is_behind_is_left_out_until_it_has_caught_up(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its replay stands still: a read waits a moment, then it and all later ones go to the primary; then it is used again."""
    monkeypatch.setattr(reads_module, "LOOK_EVERY_S", 0.1)
    async with (
        opened(pair, pair.replica.url()) as reads,
        session(pair.primary.url()) as writer,
        session(pair.replica.url()) as replica,
    ):
        assert reads.replica is not None
        await replica.execute("select pg_wal_replay_pause()")
        try:
            for name in ("BEHIND_S_MAX", "MEASURED_S_MAX"):
                monkeypatch.setattr(reads_module, name, 0.05)
            await writer.execute("insert into seen values (1000)")
            async with reads.snapshot() as connection:
                assert await connection.fetchval("select max(n) from seen") == 1000
            assert "behind the primary" in reads.replica.why_left_out
            assert not await where(reads)
        finally:
            for name in ("BEHIND_S_MAX", "MEASURED_S_MAX"):
                monkeypatch.setattr(reads_module, name, 15.0)
            await replica.execute("select pg_wal_replay_resume()")
        await until(lambda: reads.replica is not None and not reads.replica.why_left_out, "it is used again")
        assert await where(reads)


async def test_a_replica_that_dies_under_a_read_is_told_apart(pair: Pair) -> None:
    """The read that it breaks may be repeated at once, and is then answered by the primary; it comes back by itself."""
    async with opened(pair, pair.replica.url()) as reads:
        assert reads.replica is not None

        async def read_while_it_dies() -> None:
            async with reads.snapshot() as connection:
                await asyncio.to_thread(pair.replica.kill)
                await connection.fetchval("select 1")

        with pytest.raises(ReplicaLost):
            await read_while_it_dies()
        assert not await where(reads)
        assert reads.replica.why_left_out
        await asyncio.to_thread(pair.replica.start)
        await until(lambda: reads.replica is not None and not reads.replica.why_left_out, "it is used again")
        assert await where(reads)


async def test_what_is_no_replica_of_this_database_is_left_out(pair: Pair) -> None:
    """The primary itself, another database, another cluster's standby, nobody: each with its reason; the primary answers."""
    async with session(pair.primary.url()) as connection:
        await connection.execute("create database others")
    await pair.until_replayed()
    for url, why in (
        (pair.primary.url(), "it is no replica, because it takes writes"),
        (pair.replica.url("others"), "it is another database than DATABASE_URL"),
        (pair.replica.url("missing"), "does not exist"),
        ("postgresql://127.0.0.1:1/fans", "it does not answer"),
    ):
        async with opened(pair, url) as reads:
            assert reads.replica is not None
            assert why in reads.replica.why_left_out
            assert not await where(reads)


async def test_a_slow_statement_is_not_the_replicas_fault(pair: Pair) -> None:
    """It would be as slow at the primary, so it is not repeated there."""
    async with opened(pair, pair.replica.url()) as reads:
        assert reads.replica is not None

        async def read_slowly() -> None:
            async with reads.connection() as connection:
                await connection.execute("set statement_timeout = '20ms'; select pg_sleep(5)")

        with pytest.raises(StoreUnavailable) as caught:
            await read_slowly()
        assert not isinstance(caught.value, ReplicaLost)
        assert reads.replica.why_left_out == ""


class CountedPrimary:
    """Answers with growing positions, when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = asyncio.Event()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Itself."""
        yield self

    async def fetchrow(self, _statement: str) -> dict[str, Any]:
        """The next position."""
        self.asked += 1
        asked = self.asked
        await self.go.wait()
        return {"lsn": asked, "timeline": 1, "system": 1, "database": "x"}


async def test_reads_share_a_position_that_is_newer_than_each_of_them() -> None:
    """A read that comes while the primary is asked waits for the next answer; ten that wait cost one statement."""
    primary = CountedPrimary()
    positions = Positions(primary)  # type: ignore[arg-type]  # it needs only connection()
    first = asyncio.create_task(positions.now())
    await until(lambda: primary.asked == 1, "the first one is asked")
    later = [asyncio.create_task(positions.now()) for _ in range(10)]
    given_up = asyncio.create_task(positions.now())
    await asyncio.sleep(0)
    given_up.cancel()
    primary.go.set()
    assert (await first).lsn == 1
    assert [found.lsn for found in await asyncio.gather(*later)] == [2] * 10
    assert (await positions.now()).lsn == 3
    with suppress(asyncio.CancelledError):
        await given_up


async def test_a_node_starts_without_its_replica(pair: Pair) -> None:
    """And takes it into use when it is there; several hosts are tried in their order."""
    url = pair.replica.url().replace(pair.replica.place, f"127.0.0.1:1,{pair.primary.place},{pair.replica.place}")
    databases = await Databases.open(pair.primary.url(), read_url=url)
    try:
        assert databases.reads.replica is not None
        assert not await where(databases.reads)
        looking = asyncio.create_task(databases.reads.replica.run())
        await until(lambda: databases.reads.replica is not None and not databases.reads.replica.why_left_out, "used")
        looking.cancel()
        assert await where(databases.reads)
    finally:
        await databases.close()


async def test_the_console_and_doctor_tell_of_the_replica(pair: Pair, redis_url: str, engine_dir: Path) -> None:
    """A whole node answers all lists, search, statistics and an export from it, as from the primary; the page Database and
    `mysetlist doctor` say whether it is in use, and why not.
    """
    (show,) = await make_shows(pair.primary.url())
    paths = (
        "shows", f"shows/{show.id}", f"shows/{show.id}/results", "artists", f"artists/{show.artist}", "venues", "venues/1",
        "venues?near=30,-97&radius_km=50", "shows?near=30,-97&radius_km=50", "songs/1", "search?q=artist", "trending",
        "trending?kind=artists", "analytics/vote-stats", f"analytics/vote-stats?show={show.id}",
        f"analytics/vote-stats?artist={show.artist}", "analytics/vote-stats?venue=1&format=csv",
    )  # fmt: skip
    admin = (await make_users(pair.primary.url(), 1))[0]
    async with session(pair.primary.url()) as connection:
        await connection.execute("update users set role = 'admin' where id = $1", admin.id)
    headers = {"Authorization": f"Bearer {mint_token(SECRET, admin.id, 'admin')}"}
    environ = {"DATABASE_URL": pair.primary.url(), "REDIS_URL": redis_url, "MYSETLIST_SECRET": SECRET}
    for url, why in ((pair.replica.url(), ""), (pair.replica.url("missing"), "does not exist")):
        async with (
            running_node(pair.primary.url(), redis_url, database_read_url=url, secret=SECRET) as node,
            aiohttp.ClientSession(node.url, headers=headers) as http,
        ):
            replica = node.rooms.databases.reads.replica
            assert replica is not None
            await looked_at(replica)
            before = value_of(REPLICA_READS, "replica")
            for path in paths:
                async with http.get(f"/api/{path}") as response:
                    assert (response.status, path) == (200, path)
                    assert await response.read()
            async with http.get("/api/me/export") as response:
                assert response.status == 200
            count = value_of(REPLICA_READS, "replica") - before
            assert (count == 0) if why else (count > len(paths))
            async with http.get("/api/database/operations") as response:
                shown = (await response.json())["replica"]
            assert (shown["is_in_use"], why in shown["why_not"]) == (not why, True)
        await pair.until_replayed()
        found = {check.name: check for check in await run_checks({**environ, "DATABASE_READ_URL": url}, engine_dir)}
        assert found["replica"].verdict == ("warn" if why else "ok")
        assert (why or "ms behind the primary") in found["replica"].found


async def test_after_a_promotion_reads_find_the_replica_that_follows(pair: Pair) -> None:
    """The primary and the replica change places, in addresses that name both: first nobody follows, then the other one does."""
    async with opened(pair, pair.url, pair.url) as reads:
        replica = reads.replica
        assert replica is not None
        assert await where(reads)
        await asyncio.to_thread(pair.primary.kill)
        await asyncio.to_thread(pair.replica.promote)
        await until(lambda: bool(replica.why_left_out), "it is left out")

        async def port() -> Any:
            async with reads.snapshot() as connection:
                return await connection.fetchval("select inet_server_port()")

        assert await port() == pair.replica.port
        await asyncio.to_thread(pair.swap)
        await until(lambda: not replica.why_left_out, "the former primary is used")
        assert await port() == pair.replica.port
