"""Migrations of a database that is in use: rows are kept, votes go on, and the owner need not be a superuser."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import asyncpg
import pytest

from server.embedded import EmbeddedEngines
from server.errors import SetupError
from server.settings import data_folder
from server.store import migrations
from server.store.database import REQUEST_ROLE, WRITER_ROLE, Database
from server.store.migrations import migrate_down, migrate_status, migrate_up
from tests.support.engines import DEBIAN_POSTGRES, FAST_SETTINGS, LoopThread, debian_postgres, execute, short_folder
from tests.support.full_database import Voting, fill
from tests.support.schema import first_migrations, schema, take_back

FOLDER = data_folder("migrations")
FILES = sorted(FOLDER.glob("[0-9]*.sql"))
needs_debian_postgres = pytest.mark.skipif(
    not (DEBIAN_POSTGRES / "postgres").exists(), reason=f"no PostgreSQL 15 in {DEBIAN_POSTGRES} (.ci/run installs it)"
)

_WRONG = """
select rule || ' ' || subject || ': ' || detail from integrity_check()
union all
select 'artist_songs' from artist_songs a
  full join (select coalesce(l.artist_id, w.artist_id) as artist_id, s.song_id,
                    count(*) filter (where l.type = 'predicted') as predicted, count(*) filter (where l.type = 'actual') as played
               from setlist_songs s join setlists l on l.id = s.setlist_id join shows w on w.id = s.show_id group by 1, 2) c
    on c.artist_id = a.artist_id and c.song_id = a.song_id
 where (a.predicted_count, a.played_count) is distinct from (c.predicted, c.played)
union all
select 'artist_stats of ' || a.id from artists a left join artist_stats s on s.artist_id = a.id
 where s.show_count is distinct from (select count(*) from shows w where w.artist_id = a.id)
union all
select 'bill of ' || w.id from shows w
 where (select array_agg(b.artist_id) from show_artists b where b.show_id = w.id) is distinct from array[w.artist_id]
union all
select 'words of ' || w.id from shows w join artists a on a.id = w.artist_id where not w.search @@ query_of(a.name || ' koln')
"""


# The first migrations, with all that a commit of votes needs.
VOTING = 3
# The first migrations, with all roles and their rights. No later one makes or drops a role.
ROLES = 8
# On PostgreSQL 15, tests/integration/store/test_engine_checks.py goes all the way forward and takes the newest migration back.
mainly_on_18 = pytest.mark.parametrize(
    "cluster",
    ["18", pytest.param("15", marks=[needs_debian_postgres, pytest.mark.nightly])],
    indirect=True,
    scope="module",
)
# One that changes the rights on votes.
MORE = "29990101000000_more.sql"


@pytest.fixture
async def full(database_url: str) -> str:
    """A migrated database, full of votes."""
    await fill(database_url)
    return database_url


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The folder of a newer release: all migrations, and one more."""
    shutil.copytree(FOLDER, tmp_path / "newer")
    (tmp_path / "newer" / MORE).write_text(
        "-- migrate:up\nset local lock_timeout = '1s';\ncreate table more ();\nlock table log_positions in exclusive mode;\n"
        "alter table votes enable row level security;\n-- migrate:down\ndrop table more;\n"
    )
    return tmp_path / "newer"


@pytest.fixture
def of_roles(tmp_path: Path) -> Path:
    """A folder with the first migrations, up to the roles."""
    return first_migrations(ROLES, tmp_path / "of_roles")


async def rows(url: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
            " and not relispartition and relname <> 'schema_migrations'"
        )
        return {
            name: [json.loads(row) for (row,) in await connection.fetch(f"select to_jsonb(t) from {name} t order by 1")]
            for (name,) in tables
        }
    finally:
        await connection.close()


async def wrong(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(_WRONG)]
    finally:
        await connection.close()


async def names(url: str, query: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def down_to(url: str, count: int, folder: Path = FOLDER) -> None:
    applied_count = sum(migration.is_applied for migration in await migrate_status(url, folder))
    for _ in range(applied_count - count):
        await migrate_down(url, folder)


async def test_rows_stay_through_the_newest_migration(full: str) -> None:
    """Down and up again keeps every row that has a place in both schemas, and ends at the same schema."""
    before, tables = await rows(full), await schema(full)
    await migrate_down(full, FOLDER)
    for name, kept in (await rows(full)).items():
        if name not in before:
            continue
        assert kept == [{key: row[key] for key in kept[0]} for row in before[name]], name
    await migrate_up(full, FOLDER)
    assert await schema(full) == tables
    after = await rows(full)
    # The migration of the ledger notes anew what the ledger does not have.
    del before["ledger_notes"], after["ledger_notes"]
    assert {name: len(kept) for name, kept in after.items()} == {name: len(kept) for name, kept in before.items()}
    assert await wrong(full) == []


@pytest.mark.parametrize("count", [len(FILES) - 1, pytest.param(VOTING, marks=pytest.mark.nightly)])
async def test_votes_go_on_while_the_schema_changes(full: str, record_property: Any, count: int) -> None:
    """Down and up again under a writer that never stops: no vote is lost, none counts twice, all counts are right."""
    async with Voting.going_on(full) as voting:
        await voting.committed(5)
        voting.longest_s = 0.0
        await down_to(full, count)
        await voting.committed(5)
        await migrate_up(full, FOLDER)
        await voting.committed(5)
        longest_s = voting.longest_s
    # No time is asserted: machines differ. `--junitxml` and -s show it.
    record_property("longest_stall_s", longest_s)
    print(f"longest stall {longest_s:.3f} s, {voting.commit_count} commits, {voting.retry_count} done again")
    assert voting.retry_count == 0, "a commit and a migration each held a lock that the other wanted"
    held = {
        tuple(line.split()): None
        for line in await names(full, "select concat_ws(' ', setlist_song_id, user_id, choice) from votes")
    }
    for (song, user), choice in voting.votes.items():
        found = [held_choice for held_choice in ("up", "down") if (str(song), str(user), held_choice) in held]
        assert found == ([choice] if choice else [])
    assert await wrong(full) == []


# ───────────────────────────────────────────────────────────────────────────── locks


async def test_a_table_that_is_in_use_is_waited_for(full: str, newer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader who does not end stops a migration: one clear line, nothing of the file is done, and later it works."""
    monkeypatch.setattr(migrations, "LOCK_TRIES", 2)
    monkeypatch.setattr(migrations, "LOCK_PAUSE_S", 0.0)
    before = await schema(full)
    reader = await asyncpg.connect(full)
    try:
        async with reader.transaction():
            await reader.execute("lock table votes in access share mode")
            with pytest.raises(SetupError) as caught:
                await migrate_up(full, newer)
        assert str(caught.value) == (
            "DATABASE_URL: cannot migrate the database: pq: canceling statement due to lock timeout (55P03)"
            f" (in {MORE}); a table is in use, so this file was not applied; try again when it is idle"
        )
        assert await schema(full) == before
        assert [migration.name for migration in await migrate_status(full, newer) if not migration.is_applied] == [
            MORE.removesuffix(".sql")
        ]
    finally:
        await reader.close()
    assert len(await migrate_up(full, newer)) == 1
    assert await wrong(full) == []


async def test_a_reader_who_ends_in_time_is_only_a_delay(
    full: str, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start tries again, and votes are committed between two tries."""
    monkeypatch.setattr(migrations, "LOCK_PAUSE_S", 0.2)
    reader = await asyncpg.connect(full)
    try:
        async with Voting.going_on(full) as voting:
            reading = reader.transaction()
            await reading.start()
            await reader.execute("lock table votes in access share mode")
            migrating = asyncio.create_task(migrate_up(full, newer))
            watcher = await asyncpg.connect(full)
            try:
                query = "select exists (select from pg_locks where relation = 'votes'::regclass and not granted)"
                while not await watcher.fetchval(query):
                    await asyncio.sleep(0.01)
            finally:
                await watcher.close()
            await voting.committed(1)
            await reading.rollback()
            await migrating
            await voting.committed(1)
    finally:
        await reader.close()
    assert await wrong(full) == []


# ─────────────────────────────────────────────────────────── owners, and two of them


@pytest.fixture(scope="module", params=["18", pytest.param("15", marks=needs_debian_postgres)])
def cluster(request: pytest.FixtureRequest) -> Iterator[str]:
    """A superuser's address on a PostgreSQL that has never seen a MySetlist."""
    if request.param == "15":
        with debian_postgres() as url:
            yield url
        return
    thread = LoopThread()
    with short_folder() as folder:
        try:
            engines = thread.run(EmbeddedEngines.start(folder, valkey=False, postgres_settings=FAST_SETTINGS))
            yield engines.database_url
            thread.run(engines.stop())
        finally:
            thread.close()


async def owned(cluster: str, owner: str, database: str, *, attributes: str = "") -> str:
    """A database of an owner who is no superuser; gives their address."""
    await execute(cluster, f"create role {owner} login password 'pw' {attributes}")
    await execute(cluster, f"create database {database} owner {owner}")
    parts = urlsplit(cluster)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{owner}:{quote('pw')}@{host}", path=f"/{database}").geturl()


@pytest.fixture
async def tidy(cluster: str) -> AsyncIterator[None]:
    """Nothing of one test is left for the next: databases, owners, roles."""
    yield
    connection = await asyncpg.connect(cluster)
    try:
        for (name,) in await connection.fetch("select datname from pg_database where datname like 'fans%'"):
            await connection.execute(f"drop database {name} with (force)")
        await connection.execute(f"drop role if exists {REQUEST_ROLE}, {WRITER_ROLE}, fan_owner, fan_owner_too")
    finally:
        await connection.close()


async def works(url: str) -> None:
    """A node's three capacities can be taken, and are narrower than the owner's."""
    for role in (REQUEST_ROLE, WRITER_ROLE):
        database = await Database.open(url, role=role, pool_size=1)
        try:
            async with database.connection() as connection:
                assert await connection.fetchval("select count(*) from log_positions") == 16
                assert await connection.fetchval("select current_user") == role
                assert not await connection.fetchval("select has_table_privilege('audit_log', 'delete')")
        finally:
            await database.close()


@mainly_on_18
@pytest.mark.usefixtures("tidy")
async def test_up_down_and_up_again_by_an_owner_who_may_make_roles(cluster: str) -> None:
    """Without superuser: every migration has a way back that leaves nothing, and can be applied again."""
    url = await owned(cluster, "fan_owner", "fans", attributes="createrole")
    before = await schema(url)
    applied = await migrate_up(url, FOLDER)
    assert [migration.version for migration in applied] == [path.name[:14] for path in FILES]
    full = await schema(url)
    assert full != before
    await fill(url, shows=3)
    await works(url)
    assert await wrong(url) == []
    user = (await names(url, "select id::text from users where nobody is null order by id limit 1"))[0]
    assert await names(url, f"select (erase_user({user}) is not null)::text") == ["true"]
    assert await migrate_down(url, FOLDER) == replace(applied[-1], is_applied=True)
    # Other tests take several back with the command.
    for path in reversed(FILES[:-1]):
        await take_back(url, path)
    assert await migrate_down(url, FOLDER) is None
    assert await schema(url) == before
    assert await names(cluster, "select rolname from pg_roles where rolname like 'mysetlist_%'") == []
    await migrate_up(url, FOLDER)
    assert await schema(url) == full
    await works(url)


@pytest.mark.usefixtures("tidy")
async def test_an_owner_who_was_granted_the_roles(cluster: str, of_roles: Path) -> None:
    """Without the right to make roles: enough if they are there and theirs to take; else one clear line."""
    url = await owned(cluster, "fan_owner", "fans")
    with pytest.raises(
        SetupError, match=r"(?s)permission denied to create role.*create role mysetlist_request nologin"
    ):
        await migrate_up(url, FOLDER)
    await execute(cluster, f"create role {REQUEST_ROLE} nologin; create role {WRITER_ROLE} nologin")
    with pytest.raises(
        SetupError, match=r"(?s)(must have admin option|permission denied to grant role).*grant mysetlist_request"
    ):
        await migrate_up(url, FOLDER)
    await execute(cluster, f"grant {REQUEST_ROLE}, {WRITER_ROLE} to fan_owner")
    await migrate_up(url, of_roles)
    await works(url)
    await down_to(url, 0, of_roles)
    assert len(await names(cluster, "select rolname from pg_roles where rolname like 'mysetlist_%'")) == 2
    await migrate_up(url, FOLDER)
    await works(url)


@mainly_on_18
@pytest.mark.usefixtures("tidy")
async def test_two_databases_of_one_cluster(cluster: str, of_roles: Path) -> None:
    """They share the roles; when one goes, the other goes on; the last one takes the roles along."""
    first = await owned(cluster, "fan_owner", "fans", attributes="createrole")
    await migrate_up(first, of_roles)
    second = await owned(cluster, "fan_owner_too", "fans_too")
    await execute(cluster, f"grant {REQUEST_ROLE}, {WRITER_ROLE} to fan_owner_too")
    await migrate_up(second, of_roles)
    await down_to(second, 0, of_roles)
    await works(first)
    await migrate_up(second, of_roles)
    await works(second)
    await down_to(first, 0, of_roles)
    await works(second)
    assert len(await names(cluster, "select rolname from pg_roles where rolname like 'mysetlist_%'")) == 2
