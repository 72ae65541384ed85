"""The primary of PostgreSQL dies under a crowd, and its replica is promoted. Nodes know both hosts by one address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import redis

from server.errors import StoreUnavailable
from server.settings import data_folder
from server.store import database as database_module
from server.store.database import Database, committed
from server.store.migrations import migrate_up
from tests.faults.conftest import Engines
from tests.support.audit import differences, settled
from tests.support.node_process import NodeProcess, until, until_async
from tests.support.open_shows import Show, User, make_shows, make_users
from tests.support.recording_crowd import Crowd
from tests.support.replication import Pair, needs_debian_postgres, replicated_postgres, session

PROMOTED = Path(__file__).parents[2] / "deploy" / "postgresql" / "promoted.sql"
pytestmark = [needs_debian_postgres, pytest.mark.timeout(90)]


@pytest.fixture(scope="module")
def whole_pair() -> Iterator[Pair]:
    """One pair for all tests of this file."""
    with replicated_postgres() as opened:
        asyncio.run(migrate_up(opened.url, data_folder("migrations")))
        yield opened


@pytest.fixture
def pair(whole_pair: Pair, mortal_engines: Engines) -> Pair:
    """A primary and its replica, which the test before may have promoted, and an empty Valkey."""
    if not whole_pair.primary.is_running:
        whole_pair.swap()
    with redis.Redis.from_url(mortal_engines.redis_url) as valkey:
        valkey.flushall()
    return whole_pair


@asynccontextmanager
async def voting(
    pair: Pair, engines: Engines, folder: Path, **environ: str
) -> AsyncIterator[tuple[NodeProcess, list[Show], list[User], Crowd]]:
    """A node that knows both hosts, and a crowd of six; six more users."""
    shows, users = await make_shows(pair.primary.url(), count=2), await make_users(pair.primary.url(), 12)
    async with AsyncExitStack() as stack:
        running = NodeProcess.running(folder / "node", DATABASE_URL=pair.url, REDIS_URL=engines.redis_url, **environ)
        node = await stack.enter_async_context(running)
        yield node, shows, users, await stack.enter_async_context(Crowd.voting([node], shows, users[:6]))
    assert not node.tracebacks()


async def test_a_commit_that_waits_for_its_replica_is_never_cancelled(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody sees it while the replica is away, however long it takes and whoever gives up; with the replica it counts."""
    monkeypatch.setattr(database_module, "COMMIT_S_MAX", 0.2)
    await pair.make_synchronous()
    async with session(pair.primary.url()) as connection:
        await connection.execute("create table commits (n int)")
    await asyncio.to_thread(pair.replica.kill)
    database = await Database.open(pair.primary.url(), pool_size=2)

    async def commit(number: int) -> None:
        async with database.connection() as connection:
            await committed(connection, connection.execute("insert into commits values ($1)", number))

    slow = asyncio.create_task(commit(1))
    with pytest.raises(StoreUnavailable):
        await commit(2)
    assert isinstance((await asyncio.gather(slow, return_exceptions=True))[0], StoreUnavailable)
    monkeypatch.setattr(database_module, "COMMIT_S_MAX", 10)
    given_up = asyncio.create_task(commit(3))
    async with session(pair.primary.url()) as connection:

        async def is_waiting() -> bool:
            found = await connection.fetchval("select count(*) from pg_stat_activity where wait_event = 'SyncRep'")
            return bool(found == 3)

        await until_async(is_waiting, "three commits wait for the replica")
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        await database.close()
        assert await is_waiting()
        assert await connection.fetchval("select count(*) from commits") == 0
        await asyncio.to_thread(pair.replica.start)

        async def count() -> bool:
            return bool(await connection.fetchval("select count(*) from commits") == 3)

        await until_async(count, "they count")


async def test_a_synchronous_replica_loses_nothing(pair: Pair, mortal_engines: Engines, tmp_path: Path) -> None:
    """Nothing acknowledged is lost, accepted votes are committed at the new primary, and every read has an answer while the
    replica that is read dies, comes back, and becomes the primary.
    """
    await pair.make_synchronous()
    async with (
        voting(pair, mortal_engines, tmp_path, DATABASE_READ_URL=pair.replica.url()) as (node, shows, _, crowd),
        aiohttp.ClientSession(node.url) as http,
    ):
        await crowd.more()
        statuses: list[int] = []

        async def read() -> None:
            while True:
                async with http.get(f"/api/shows/{shows[0].id}") as response:
                    statuses.append(response.status)
                await asyncio.sleep(0.03)

        reading = asyncio.create_task(read())
        await until(lambda: len(statuses) > 5, "reads are answered")
        await asyncio.to_thread(pair.replica.kill)
        # Nothing is committed without the replica, and reads go on.
        await crowd.more(12, "accepted")
        await asyncio.to_thread(pair.replica.start)
        await crowd.more()
        reading.cancel()
        assert set(statuses) == {200}
        assert await node.metric('mysetlist_replica_reads_total{server="replica"}') > 0
        await asyncio.to_thread(pair.primary.kill)
        await crowd.more(12, "accepted")
        await asyncio.to_thread(pair.replica.promote)
        await crowd.more()
        assert await settled(crowd, pair.replica.url(), mortal_engines.redis_url) == []
        assert not node.records("shard.reset")


async def test_an_asynchronous_replica_loses_the_last_moments_and_no_more(
    pair: Pair, mortal_engines: Engines, tmp_path: Path
) -> None:
    """The node finds Valkey ahead of PostgreSQL, reads the hot copy anew, and goes on: counts equal votes, nothing is doubled,
    and what is acknowledged from then on holds.
    """
    async with voting(pair, mortal_engines, tmp_path) as (node, shows, users, crowd):
        await crowd.more()
        # Its Valkey is new, its PostgreSQL may not be.
        at_start = len(node.records("shard.reset"))
        await asyncio.to_thread(pair.replica.stop)
        await crowd.more()  # what the replica never gets
        async with session(pair.primary.url()) as connection:
            lost = await connection.fetchval("select count(*) from vote_analytics")
        await asyncio.to_thread(pair.primary.kill)
        await asyncio.to_thread(pair.replica.start)
        async with session(pair.replica.url()) as connection:
            assert await connection.fetchval("select count(*) from vote_analytics") < lost
        await asyncio.to_thread(pair.replica.promote)
        await crowd.more()
        async with session(pair.replica.url()) as connection:
            last = await connection.fetchval("select max(id) from users")
            await connection.execute(PROMOTED.read_text())
            assert await connection.fetchval("select nextval('users_id_seq')") > last + 1_000_000
        await until(lambda: len(node.records("shard.reset")) > at_start, "the shards are read anew")
        await settled(crowd, pair.replica.url(), mortal_engines.redis_url, may_lose_accepted=True)
        url, redis_url = pair.replica.url(), mortal_engines.redis_url
        assert await differences(url, redis_url, may_lose_accepted=True) == []
        async with Crowd.voting([node], shows, users[6:]) as later:
            await later.more()
            found = await settled(later, url, redis_url, may_lose_accepted=True)
        assert [line for line in found if not line.endswith("and no fan sent it")] == []
        assert {record["reason"] for record in node.records("shard.reset")[at_start:]} <= {"forked", "log_lost"}
