"""Statistics of the database, health of the services, and days in numbers."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from server.admin.health import DEGRADED_MS, HealthSampler, fetch_health
from server.admin.statistics import fetch_statistics
from server.errors import StoreUnavailable
from server.node.node import Node
from server.store.database import Database
from tests.support.api_client import ApiClient
from tests.support.clock import FakeClock
from tests.support.engines import execute
from tests.support.row_factory import RowFactory
from tests.support.running_node import until

PATH = "/api/database/operations"


@pytest.fixture
def has_chores() -> bool:
    """A chore counts the day."""
    return True


async def test_the_database_is_described(admin: ApiClient, factory: RowFactory, node: Node) -> None:
    """Sizes, rows, index use, connections, migrations, health and days are all there."""
    await factory.show(7)
    await factory.sql.execute("vacuum analyze setlist_songs")

    async def sampled() -> dict[str, Any] | None:
        status, document = await admin.get(PATH)
        assert status == 200, document
        has_all = len(document["health"]) == 2 and len(document["platform_stats"]) >= 2
        return document if has_all else None

    document = await until(sampled)
    statistics = document["statistics"]
    assert statistics["server"]["version"].split(".")[0].isdigit()
    assert statistics["server"]["size_bytes"] > 1_000_000
    assert 0 < statistics["server"]["cache_hit_rate"] <= 1
    tables = {table["name"]: table for table in statistics["tables"]}
    assert tables["setlist_songs"]["rows_estimate"] == 3
    assert tables["setlist_songs"]["last_vacuum_at"] is not None
    assert tables["setlist_songs"]["index_bytes"] > 0
    assert {"votes", "vote_analytics_default", "users"} <= tables.keys()
    indexes = {index["name"]: index for index in statistics["indexes"]}
    assert indexes["votes_pkey"]["table"] == "votes"
    assert not indexes["votes_pkey"]["is_unused"]
    assert indexes["reports_reporter_id_idx"]["is_unused"]
    assert sum(row["count"] for row in statistics["connections"] if row["application"] == "mysetlist") >= 5
    assert statistics["replication"] == {"standbys": [], "slots": []}
    assert statistics["slowest_statements"][0]["total_ms"] > 0
    assert statistics["migrations"] == sorted(statistics["migrations"])
    assert len(statistics["migrations"]) >= 8
    assert [row["service"] for row in document["health"]] == ["postgres", "valkey"]
    assert all(row["status"] in ("ok", "degraded") for row in document["health"])
    assert all(row["availability_24h"] == 1 for row in document["health"])
    assert document["platform_stats"][0]["day"] > document["platform_stats"][1]["day"]
    assert document["operations"] == []


async def test_waiting_locks_and_long_transactions_are_shown(
    admin: ApiClient, factory: RowFactory, database_url: str
) -> None:
    """The sessions that wait, their locks, the sessions that block them; and the longest open transaction."""
    waiting = await asyncpg.connect(database_url)
    holder: int = await factory.sql.fetchval("select pg_backend_pid()")
    asked = "select 1 from venue_reviews"
    try:
        async with factory.sql.transaction():
            await factory.sql.execute("lock table venue_reviews")
            blocked = asyncio.create_task(waiting.execute(asked))

            async def seen() -> dict[str, Any] | None:
                statistics = (await admin.get(PATH))[1]["statistics"]
                is_first = statistics["longest_transaction"]["pid"] == holder
                return (
                    statistics
                    if is_first and asked in [lock["query"] for lock in statistics["locks_waiting"]]
                    else None
                )

            statistics = await until(seen)
        await blocked
    finally:
        await waiting.close()
    (lock,) = [lock for lock in statistics["locks_waiting"] if lock["query"] == asked]
    # Sizes cannot be read while a table is locked like this; everything else can.
    assert {table["table_bytes"] for table in statistics["tables"]} == {None}
    assert (lock["relation"], lock["blocked_by"], lock["mode"]) == ("venue_reviews", [holder], "AccessShareLock")


async def test_an_owner_without_superuser_rights_sees_what_is_allowed(database_url: str) -> None:
    """Nothing fails; forbidden values are null, and statements are those of the owner."""
    await execute(
        database_url,
        "do $$ begin create role plain login; exception when duplicate_object then null; end $$;"
        "grant select on all tables in schema public to plain;"
        "revoke execute on function slowest_statements from public",
    )
    db = await Database.open(database_url.replace("//postgres@", "//plain@"), pool_size=1)
    other = await asyncpg.connect(database_url)
    try:
        statistics = await fetch_statistics(db)
    finally:
        await other.close()
        await db.close()
        await execute(database_url, "drop owned by plain; drop role plain")
    assert statistics.slowest_statements is None
    assert None in {row.state for row in statistics.connections}
    assert {table.name for table in statistics.tables} >= {"votes", "users"}


async def test_health_keeps_results_that_it_could_not_write(database_url: str) -> None:
    """A service that was down, slow and well counts once as each; results that could not be written are written next time."""
    db = await Database.open(database_url, pool_size=1)
    clock = FakeClock()
    answers = iter(["down", "slow", "fine"])

    async def probe() -> None:
        answer = next(answers)
        if answer == "down":
            raise StoreUnavailable("nobody there")
        if answer == "slow":
            clock.advance((DEGRADED_MS + 1) / 1000)

    class Away:
        def connection(self) -> Any:
            raise StoreUnavailable("away")

    sampler = HealthSampler(Away(), clock, {"smtp": probe})  # type: ignore[arg-type]
    try:
        await sampler.sample()
        sampler._db = db
        await sampler.sample()
        await sampler.sample()
        row = await db._pool.fetchrow("select * from service_health")
        assert row is not None
        assert (row["ok_count"], row["degraded_count"], row["down_count"]) == (1, 1, 1)
        assert (row["last_status"], row["last_detail"]) == ("ok", "")
        assert row["latency_max_ms"] == pytest.approx(DEGRADED_MS + 1)
        await execute(
            database_url, "update service_health set hour = date_trunc('hour', now(), 'UTC'), last_at = now()"
        )
        (health,) = await fetch_health(db)
        assert health.status == "ok"
        assert health.availability_24h == pytest.approx(2 / 3)
        await execute(database_url, "update service_health set last_at = now() - interval '10 minutes'")
        (health,) = await fetch_health(db)
        assert health.status is None
    finally:
        await db.close()


async def test_days_count_people_and_no_nobodies(factory: RowFactory) -> None:
    """The numbers of a day are those of its rows; the holder of an erased account's votes is no user."""
    await factory.users(2)
    show = await factory.show(7)
    await factory.sql.execute("insert into users (nobody) values (1)")
    await factory.sql.execute("insert into users (created_at) values (now() - interval '3 days')")
    await factory.sql.execute(
        "insert into vote_rollups (show_id, hour, up_count, down_count, withdrawn_count)"
        " values ($1, date_trunc('day', now(), 'UTC'), 3, 2, 1)",
        show.id,
    )
    today = "(now() at time zone 'UTC')::date"
    for _ in range(2):
        await factory.sql.execute(f"select refresh_platform_stats({today})")
        row = await factory.sql.fetchrow(f"select * from platform_stats where day = {today}")
        assert (row["user_count"], row["new_user_count"]) == (3, 2)
        assert (row["vote_count"], row["withdrawn_count"], row["voted_show_count"]) == (5, 1, 1)
