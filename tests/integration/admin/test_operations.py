"""Operations on the database, over HTTP on a whole node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
import pytest
import redis

from server.admin.operation_kinds import OperationBody, OperationHooks
from server.admin.operations import OPERATION_CLASS, Operations
from server.admin.retention import Retention
from server.admin.statistics import fetch_statistics
from server.node.node import Node
from server.protocol.identity import Identity
from server.sample.demo import seed_demo
from server.settings import data_folder
from server.store.database import Database
from server.store.migrations import migrate_up
from server.voting.reconcile import run as reconcile
from tests.support import one_node
from tests.support.api_client import ApiClient
from tests.support.engines import DEBIAN_POSTGRES, OpenDatabase, debian_postgres, execute
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node, until
from tests.support.socket_client import SocketClient

PATH = "/api/database/operations"

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, admin = one_node.node, one_node.emptied, one_node.admin


@pytest.mark.skipif(
    not (DEBIAN_POSTGRES / "postgres").exists(), reason=f"no PostgreSQL 15 in {DEBIAN_POSTGRES} (.ci/run installs it)"
)
@pytest.mark.parametrize(
    "kinds",
    [
        ("vacuum", "reindex", "integrity-check", "cleanup"),
        # The seed itself is tested with our own PostgreSQL.
        pytest.param(("seed", "vacuum", "reindex", "integrity-check", "cleanup"), marks=pytest.mark.nightly),
    ],
    ids=("empty", "seeded"),
)
async def test_every_operation_on_postgres_15_for_a_plain_owner(kinds: tuple[Any, ...]) -> None:
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
            for kind in kinds:
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


OTHER_ROLES = [(None, 401), ("user", 403), ("moderator", 403)]


async def test_only_administrators_have_access(node: Node, factory: RowFactory) -> None:
    """Everybody else is refused at each of the three endpoints."""
    for role, expected in OTHER_ROLES:
        user_id = await factory.sql.fetchval(
            "insert into users (role) values ($1::text::user_role) returning id", role or "user"
        )
        async with ApiClient.open(node.url, user_id=user_id, role=role) as api:
            assert (await api.get(PATH))[0] == expected, role
            assert (await api.get(f"{PATH}/1"))[0] == expected, role
            assert (await api.post(PATH, {"operation": "cleanup"}))[0] == expected, role


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
    files = (
        "select i.relname, i.relfilenode from pg_index x join pg_class i on i.oid = x.indexrelid"
        " where x.indrelid = 'artists'::regclass"
    )
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


async def test_a_stopping_node_cancels_its_operation(new_database: OpenDatabase, new_redis: Callable[[], str]) -> None:
    """Its row says interrupted, nothing goes on at the server, and another node may start the next one."""
    async with (
        new_database() as database_url,
        RowFactory.open(database_url) as holder,
        RowFactory.open(database_url, is_empty=False) as factory,
        _own_admin_client(database_url, new_redis(), has_own_database=False) as (node, admin),
        holder.sql.transaction(),
    ):
        await holder.sql.execute("lock table songs in share row exclusive mode")
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
async def _own_admin_client(
    database_url: str, redis_url: str, *, has_own_database: bool
) -> AsyncIterator[tuple[Node, ApiClient]]:
    connection = await asyncpg.connect(database_url)
    user_id = await connection.fetchval("insert into users (role) values ('admin') returning id")
    await connection.close()
    async with (
        running_node(database_url, redis_url, has_own_database=has_own_database) as node,
        ApiClient.open(node.url, user_id=user_id) as api,
    ):
        yield node, api


async def test_sample_data_are_added_to_an_empty_database_of_our_own_only(
    new_database: OpenDatabase, new_redis: Callable[[], str]
) -> None:
    """They are refused in a foreign database, added to an own one, and a second time changes nothing."""
    async with new_database() as database_url:
        redis_url = new_redis()
        async with _own_admin_client(database_url, redis_url, has_own_database=False) as (_, api):
            assert (await api.post(PATH, {"operation": "seed"}))[0] == 403
        async with _own_admin_client(database_url, redis_url, has_own_database=True) as (_, api):
            added = (await api.done(operation="seed"))["result"]["added"]
            assert added["shows"] == 100
            assert (await api.done(operation="seed"))["result"]["added"] == {}


# ─────────────────────────────────────────────────────────────── bad input


BAD_OPERATIONS = [
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
]


async def test_bad_operations_are_refused(admin: ApiClient, factory: RowFactory) -> None:
    """Each gets `bad_request`, and nothing starts."""
    for body in BAD_OPERATIONS:
        status, problem = await admin.post(PATH, body)
        assert (status, problem["code"]) == (400, "bad_request"), (body, problem)
        assert await factory.sql.fetchval("select count(*) from database_operations") == 0, body


UNKNOWN_OPERATIONS = ["0", "-1", "1", "x", "9" * 30, "%00", "%F0%9F%8E%B8", "1'--"]


async def test_unknown_operations_are_not_found(admin: ApiClient) -> None:
    """Any text in the place of an id gives 404."""
    for name in UNKNOWN_OPERATIONS:
        status, problem = await admin.get(f"{PATH}/{name}")
        assert (status, problem["code"]) == (404, "not_found"), name
