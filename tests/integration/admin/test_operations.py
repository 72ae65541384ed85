"""Operations on the database, health and days in numbers, over HTTP on a whole node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
import pytest
import redis

from server.admin.health import DEGRADED_MS, HealthSampler, fetch_health
from server.admin.operation_kinds import OperationBody, OperationHooks
from server.admin.operations import OPERATION_CLASS, Operations
from server.admin.retention import Retention
from server.admin.statistics import fetch_statistics
from server.clock import SystemClock
from server.errors import StoreUnavailable
from server.node.node import Node
from server.protocol.identity import Identity
from server.sample.demo import seed_demo
from server.settings import data_folder
from server.store.chores import Chore, Chores
from server.store.database import Database
from server.store.migrations import migrate_up
from server.voting.reconcile import run as reconcile
from tests.support.api_client import ApiClient
from tests.support.clock import FakeClock
from tests.support.engines import DEBIAN_POSTGRES, debian_postgres, execute
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node, until
from tests.support.socket_client import SocketClient

PATH = "/api/database/operations"


# ───────────────────────────────────────────────────────────────── statistics


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


@pytest.mark.skipif(
    not (DEBIAN_POSTGRES / "postgres").exists(), reason=f"no PostgreSQL 15 in {DEBIAN_POSTGRES} (.ci/run installs it)"
)
async def test_every_operation_on_postgres_15_for_a_plain_owner() -> None:
    """The oldest supported PostgreSQL, without pg_stat_statements, by an owner without superuser rights: everything works."""

    async def nothing(_given: Any = None) -> None:
        return None

    async def seeded(progress: Any) -> dict[str, int]:
        return msgspec.structs.asdict(await seed_demo(url, progress=progress))

    with debian_postgres() as superuser_url:
        await execute(superuser_url, "create role plain login createrole password 'x'")
        await execute(superuser_url, "create database app owner plain")
        url = superuser_url.replace("owner:s3cret%2B%2F%26x", "plain:x").removesuffix("/postgres") + "/app"
        await migrate_up(url, data_folder("migrations"))
        db = await Database.open(url, pool_size=2)
        operations = Operations(
            db, Retention({}), OperationHooks(reopen_shards=nothing, why_not_seed=nothing, seed=seeded)
        )
        running = asyncio.create_task(operations.run())
        try:
            assert (await fetch_statistics(db)).slowest_statements is None
            for kind in ("seed", "vacuum", "reindex", "integrity-check", "cleanup"):
                asked = OperationBody(operation=kind, repair=kind == "integrity-check")
                started = await operations.start(asked, Identity(1, "admin"))

                async def ended(operation_id: int = started.id) -> Any:
                    found = await operations.fetch(operation_id)
                    return found if found.status != "running" else None

                operation = await until(ended)
                assert (operation.status, operation.error) == ("succeeded", "")
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await db.close()


@pytest.mark.parametrize(("role", "expected"), [(None, 401), ("user", 403), ("moderator", 403)])
async def test_only_administrators_have_access(
    node: Node, factory: RowFactory, role: str | None, expected: int
) -> None:
    """Everybody else is refused at each of the three endpoints."""
    (user_id,) = await factory.users(1)
    async with ApiClient.open(node.url, user_id=user_id, role=role) as api:
        assert (await api.get(PATH))[0] == expected
        assert (await api.get(f"{PATH}/1"))[0] == expected
        assert (await api.post(PATH, {"operation": "cleanup"}))[0] == expected


# ───────────────────────────────────────────────────────────── operations


async def test_vacuum_of_all_tables_and_of_one(admin: ApiClient, factory: RowFactory) -> None:
    """Every table and partition is vacuumed and analyzed; a named one alone, with its partitions."""
    ended = await admin.done(operation="vacuum")
    assert ended["done"] == ended["total"]
    never = await factory.sql.fetch(
        "select c.relname from pg_stat_user_tables s join pg_class c on c.oid = s.relid"
        " where schemaname = 'public' and c.relkind = 'r' and last_vacuum is null"
    )
    assert never == []
    ended = await admin.done(operation="vacuum", table="vote_analytics")
    partitions: int = await factory.sql.fetchval(
        "select count(*) from pg_inherits where inhparent = 'vote_analytics'::regclass"
    )
    assert ended["result"]["tables"] == partitions + 1
    assert ended["options"] == {"table": "vote_analytics"}


async def test_reindex_rebuilds_indexes_and_drops_leftovers(admin: ApiClient, factory: RowFactory) -> None:
    """Every index of the table has a new file, and the leftovers of an interrupted reindex are gone."""
    files = "select relname, relfilenode from pg_class where relkind = 'i' and relname like 'artists_%'"
    before = dict(await factory.sql.fetch(files))
    await factory.sql.execute(
        "create index artists_slug_ccnew on artists (slug);"
        "update pg_index set indisvalid = false where indexrelid = 'artists_slug_ccnew'::regclass"
    )
    ended = await admin.done(operation="reindex", table="artists")
    after = dict(await factory.sql.fetch(files))
    assert before.keys() == after.keys()
    assert all(after[name] != before[name] for name in before)
    assert ended["result"]["indexes"] == len(before)
    assert ended["result"]["leftovers_dropped"] == 1


async def test_a_check_finds_and_a_repair_corrects_postgres_and_valkey(
    admin: ApiClient, factory: RowFactory, node: Node, database_url: str, redis_url: str
) -> None:
    """A wrong tally is reported; after the repair rows, tallies and the hot copy agree again, and nothing else remains."""
    show = await factory.show(7)
    (user,) = await factory.users(1)
    async with SocketClient.connect(node.url) as talker:
        await talker.hello(await factory.token())
        await talker.cast(7, (show.first, "up"))
    assert user
    assert (await admin.done(operation="integrity-check"))["result"] == {"by_rule": {}, "violations": []}
    await factory.sql.execute("update setlist_songs set up_count = 5 where id = $1", show.first)
    with redis.Redis.from_url(redis_url) as valkey:
        valkey.hset("{7}:tally:7", str(show.first), "5 0")

    found = (await admin.done(operation="integrity-check"))["result"]
    assert found["by_rule"]["tally"] >= 1
    assert {violation["subject"] for violation in found["violations"] if violation["rule"] == "tally"} >= {
        f"song:{show.first}"
    }
    assert await factory.sql.fetchval("select up_count from setlist_songs where id = $1", show.first) == 5

    mended = (await admin.done(operation="integrity-check", repair=True))["result"]
    assert mended["repaired"] == 1
    assert mended["shows_reopened"] == 1
    assert mended["remaining"] == {"by_rule": {}, "violations": []}
    assert await factory.tally(7) == await factory.counted(7)
    assert await reconcile(database_url, redis_url) == []


async def test_a_failure_is_one_line(admin: ApiClient, factory: RowFactory, database_url: str) -> None:
    """The row has PostgreSQL's message, and the next operation may start."""
    async with factory.sql.transaction():
        await factory.sql.execute("lock table venue_reviews in share row exclusive mode")
        status, operation = await admin.post(PATH, {"operation": "vacuum", "table": "venue_reviews"})
        assert status == 202
        ended = await admin.ended(operation)
    assert ended["status"] == "failed"
    assert "lock timeout" in ended["error"]
    assert ended["finished_at"] is not None
    await admin.done(operation="vacuum", table="venue_reviews")


async def test_every_started_operation_is_in_the_audit_log(admin: ApiClient, factory: RowFactory) -> None:
    """The log has the administrator, the operation and its options; a refused one is not there."""
    ended = await admin.done(operation="vacuum", table="venues")
    assert (await admin.post(PATH, {"operation": "vacuum", "table": "no such"}))[0] == 400
    (entry,) = await factory.sql.fetch("select actor_id, action, subject, detail::text from audit_log")
    assert entry["actor_id"] == ended["started_by"] is not None
    assert (entry["action"], entry["subject"]) == ("database.vacuum", "table:venues")
    assert f'"id": {ended["id"]}' in entry["detail"]


async def test_two_at_once_are_one_and_a_conflict(admin: ApiClient, factory: RowFactory) -> None:
    """While one runs every other one is refused; then the next may start."""
    async with factory.sql.transaction():
        # A vacuum waits for this lock, so it goes on for a while.
        await factory.sql.execute("lock table songs in share row exclusive mode")
        status, operation = await admin.post(PATH, {"operation": "vacuum", "table": "songs"})
        assert status == 202
        for body in ({"operation": "cleanup"}, {"operation": "vacuum", "table": "songs"}):
            status, problem = await admin.post(PATH, body)
            assert (status, problem["code"]) == (409, "conflict")
    assert (await admin.ended(operation))["status"] == "succeeded"
    await admin.done(operation="vacuum", table="songs")


async def test_a_stopping_node_cancels_its_operation(
    factory: RowFactory, node: Node, admin: ApiClient, database_url: str
) -> None:
    """Its row says interrupted, nothing goes on at the server, and another node may start the next one."""
    holder = await asyncpg.connect(database_url)
    async with holder.transaction():
        await holder.execute("lock table songs in share row exclusive mode")
        status, operation = await admin.post(PATH, {"operation": "vacuum", "table": "songs"})
        assert status == 202
        await until(
            lambda: factory.sql.fetchval("select true from pg_stat_activity where query like 'vacuum%songs%' limit 1")
        )
        await node.stop()
        row = await factory.sql.fetchrow("select * from database_operations where id = $1", operation["id"])
        assert (row["status"], row["error"]) == (
            "interrupted",
            "The node that ran it was stopped. Start the operation again.",
        )
        assert row["finished_at"] is not None

        async def is_quiet() -> bool:
            held: int = await factory.sql.fetchval(
                "select count(*) from pg_locks where locktype = 'advisory' and classid = $1::int::oid"
                " and database = (select oid from pg_database where datname = current_database())",
                OPERATION_CLASS,
            )
            return held == 0

        await until(is_quiet)
    await holder.close()


async def test_progress_is_stored_while_an_operation_runs(admin: ApiClient, factory: RowFactory) -> None:
    """The row names the present table and counts towards the total."""
    async with factory.sql.transaction():
        await factory.sql.execute("lock table songs in share row exclusive mode")
        _, operation = await admin.post(PATH, {"operation": "vacuum"})

        async def running_operation() -> dict[str, Any] | None:
            _, document = await admin.get(f"{PATH}/{operation['id']}")
            return document if document["stage"].startswith("songs") else None

        document = await until(running_operation)
        assert 0 <= document["done"] < document["total"]
        assert (await admin.get(PATH))[1]["operations"][0]["id"] == operation["id"]
    assert (await admin.ended(operation))["status"] == "succeeded"


# ─────────────────────────────────────────────────────────────────── seed


async def test_sample_data_are_refused_beside_other_data(admin: ApiClient, factory: RowFactory) -> None:
    """The test's artist is not part of the sample, so this is no development database."""
    status, problem = await admin.post(PATH, {"operation": "seed"})
    assert (status, problem["code"]) == (403, "forbidden")
    assert "no development database" in problem["detail"]
    assert await factory.sql.fetchval("select count(*) from database_operations") == 0


@asynccontextmanager
async def _own_admin_client(database_url: str, redis_url: str, *, has_own_database: bool) -> AsyncIterator[ApiClient]:
    connection = await asyncpg.connect(database_url)
    user_id = await connection.fetchval("insert into users (role) values ('admin') returning id")
    await connection.close()
    async with (
        running_node(database_url, redis_url, has_own_database=has_own_database) as node,
        ApiClient.open(node.url, user_id=user_id) as api,
    ):
        yield api


async def test_sample_data_are_added_to_an_empty_database_of_our_own_only(database_url: str, redis_url: str) -> None:
    """They are refused in a foreign database, added to an own one, and a second time changes nothing."""
    async with _own_admin_client(database_url, redis_url, has_own_database=False) as api:
        assert (await api.post(PATH, {"operation": "seed"}))[0] == 403
    async with _own_admin_client(database_url, redis_url, has_own_database=True) as api:
        added = (await api.done(operation="seed"))["result"]["added"]
        assert added["shows"] == 100
        assert (await api.done(operation="seed"))["result"]["added"] == {}


# ─────────────────────────────────────────────────────────────── bad input


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"operation": "drop"}',
        b'{"operation": null}',
        b'{"operation": "vacuum", "table": 7}',
        b'{"operation": "vacuum", "table": ""}',
        b'{"operation": "vacuum", "table": "no_such_table"}',
        b'{"operation": "vacuum", "table": "pg_class"}',
        b'{"operation": "reindex", "table": "pg_catalog.pg_class"}',
        b'{"operation": "vacuum", "table": "users; drop table users"}',
        b'{"operation": "reindex", "table": "users\\"; drop table users --"}',
        '{"operation": "vacuum", "table": "🎸"}'.encode(),
        '{"operation": "vacuum", "table": "جدول"}'.encode(),
        b'{"operation": "vacuum", "table": "users\\u0000"}',
        b'{"operation": "vacuum", "table": "' + b"x" * 64 + b'"}',
        b'{"operation": "cleanup", "table": "users"}',
        b'{"operation": "vacuum", "repair": true}',
        b'{"operation": "integrity-check", "repair": "yes"}',
    ],
)
async def test_bad_operations_are_refused(admin: ApiClient, factory: RowFactory, body: bytes) -> None:
    """Each gets `bad_request`, and nothing starts."""
    status, problem = await admin.post(PATH, body)
    assert (status, problem["code"]) == (400, "bad_request"), problem
    assert await factory.sql.fetchval("select count(*) from database_operations") == 0


@pytest.mark.parametrize("name", ["0", "-1", "1", "x", "9" * 30, "%00", "%F0%9F%8E%B8", "1'--"])
async def test_unknown_operations_are_not_found(admin: ApiClient, name: str) -> None:
    """Any text in the place of an id gives 404."""
    status, problem = await admin.get(f"{PATH}/{name}")
    assert (status, problem["code"]) == (404, "not_found")


# ────────────────────────────────────────────────────── health and chores


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


async def test_one_node_runs_the_chores_and_another_takes_over(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two nodes one works; a failing chore does not end it; when its connection is cut, the other goes on."""
    monkeypatch.setattr("server.store.chores.ASK_EVERY_S", 0.01)
    done: list[str] = []

    def chores_of(node: str) -> Chores:
        async def work(connection: Any) -> None:
            done.append(node)
            await connection.execute("select 1/0")

        return Chores(database_url, SystemClock(), [Chore("test", 0.01, work)])

    running = [asyncio.create_task(chores_of(node).run()) for node in "ab"]
    connection = await asyncpg.connect(database_url)
    find = (
        "select pid from pg_locks where locktype = 'advisory' and granted and objsubid = 1"
        " and database = (select oid from pg_database where datname = current_database())"
    )
    try:
        holder = await until(lambda: connection.fetchval(find))
        await until(lambda: asyncio.sleep(0, len(done) > 3))
        assert len(set(done)) == 1
        # Three times with two nodes: a node that has lost its turn asks for the next one.
        for _ in range(3):
            lost = holder
            await connection.execute("select pg_terminate_backend($1)", lost)

            async def taken_over(lost: int = lost) -> int | None:
                pid: int | None = await connection.fetchval(find)
                return pid if pid != lost else None

            holder = await until(taken_over)
            done.clear()
            await until(lambda: asyncio.sleep(0, len(done) > 3))
        assert not any(task.done() for task in running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await connection.close()


async def test_missing_months_are_made_by_a_running_node(
    database_url: str, redis_url: str, factory: RowFactory
) -> None:
    """Without a request: the missing month is there soon after a node has started."""
    name = await factory.last_partition()
    await factory.sql.execute(f"drop table {name}")
    async with running_node(database_url, redis_url):
        await until(lambda: factory.sql.fetchval("select to_regclass($1) is not null", name))


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
