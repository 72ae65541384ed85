"""Migrations of a database that is in use: rows kept, counts right, whoever owns it, and while votes come in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
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
from tests.support.older import FIRST_RELEASE, Voting, fill
from tests.support.schema import schema

FOLDER = data_folder("migrations")
FILES = sorted(FOLDER.glob("*.sql"))
needs_debian_postgres = pytest.mark.skipif(
    not (DEBIAN_POSTGRES / "postgres").exists(), reason=f"no PostgreSQL 15 in {DEBIAN_POSTGRES} (.ci/run installs it)"
)

# What people did, in the columns of the first release.
_KEPT = """
select 'user' as kind, jsonb_build_object('id', id, 'role', role, 'at', created_at) as row from users t
union all select 'vote', to_jsonb(t) from votes t
union all select 'history', to_jsonb(t) from vote_analytics t
union all select 'rollup', to_jsonb(t) from vote_rollups t
union all select 'show', jsonb_build_object('id', id, 'slug', slug, 'votes', vote_count, 'at', position, 'starts', starts_at) from shows t
union all select 'set', jsonb_build_object('id', id, 'show', show_id, 'type', type, 'votes', vote_count) from setlists t
union all select 'song', jsonb_build_object('id', id, 'up', up_count, 'down', down_count, 'position', position) from setlist_songs t
union all select 'position', to_jsonb(t) from log_positions t
"""

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


@pytest.fixture
async def older(empty_database_url: str, tmp_path: Path) -> str:
    """A database of the first release, full."""
    await fill(empty_database_url, tmp_path / "first release")
    return empty_database_url


async def kept(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return sorted(f"{row['kind']} {row['row']}" for row in await connection.fetch(_KEPT))
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


async def down_to(url: str, count: int) -> None:
    while sum(migration.is_applied for migration in await migrate_status(url, FOLDER)) > count:
        await migrate_down(url, FOLDER)


async def test_a_full_database_is_upgraded_and_taken_back(older: str) -> None:
    """Every row stays through the newest migration and back; names become profiles and names again; counts are right."""
    before, tables = await kept(older), await schema(older)
    display_names = await names(
        older, "select id || display_name from users where display_name is not null order by id"
    )
    assert len(display_names) == 100
    await migrate_up(older, FOLDER)
    assert await kept(older) == before
    assert await wrong(older) == []
    assert await names(older, "select user_id || display_name from user_profiles order by user_id") == display_names
    await down_to(older, FIRST_RELEASE)
    assert await kept(older) == before
    assert await schema(older) == tables
    assert (
        await names(older, "select id || display_name from users where display_name is not null order by id")
        == display_names
    )
    await migrate_up(older, FOLDER)
    assert await kept(older) == before
    assert await wrong(older) == []


async def test_counts_that_the_first_release_left_wrong_are_mended(older: str) -> None:
    """It forgot the votes of a deleted song in the counts of its set and show."""
    await execute(older, "delete from setlist_songs where id in (select id from setlist_songs order by id limit 3)")
    assert await names(
        older, "select 'wrong' from shows w where vote_count <> (select count(*) from votes v where v.show_id = w.id)"
    )
    await migrate_up(older, FOLDER)
    assert [line for line in await wrong(older) if line.startswith("tally")] == []


async def test_votes_go_on_while_the_schema_changes(older: str, record_property: Any) -> None:
    """Up to the newest and back again under a writer that never stops: no vote lost, none twice, all counts right."""
    async with Voting.going_on(older) as voting:
        await voting.committed(5)
        voting.longest_s = 0.0
        await migrate_up(older, FOLDER)
        await voting.committed(5)
        longest_up_s = voting.longest_s
        await down_to(older, FIRST_RELEASE)
        await voting.committed(5)
        await migrate_up(older, FOLDER)
        await voting.committed(5)
    # No timing is asserted: machines differ. `--junitxml` and -s show it.
    record_property("longest_stall_s", longest_up_s)
    print(f"longest stall {longest_up_s:.3f} s, {voting.commit_count} commits, {voting.retry_count} done again")
    assert voting.retry_count == 0, "a commit and a migration held what the other one wanted"
    held = {
        tuple(line.split()): None
        for line in await names(older, "select concat_ws(' ', setlist_song_id, user_id, choice) from votes")
    }
    for (song, user), choice in voting.votes.items():
        found = [held_choice for held_choice in ("up", "down") if (str(song), str(user), held_choice) in held]
        assert found == ([choice] if choice else [])
    assert await wrong(older) == []


# ───────────────────────────────────────────────────────────────────────────── locks


async def test_a_table_that_is_in_use_is_waited_for(older: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader who does not end stops a migration: one clear line, the file undone as a whole, and then it works."""
    monkeypatch.setattr(migrations, "LOCK_TRIES", 2)
    monkeypatch.setattr(migrations, "LOCK_PAUSE_S", 0.0)
    before = await schema(older)
    reader = await asyncpg.connect(older)
    try:
        async with reader.transaction():
            await reader.execute("lock table setlists in access share mode")
            with pytest.raises(SetupError) as caught:
                await migrate_up(older, FOLDER)
        assert str(caught.value) == (
            "DATABASE_URL: cannot migrate the database: pq: canceling statement due to lock timeout (55P03)"
            f" (in {FILES[2].name}); a table is in use, and so nothing of this file was done"
        )
        assert await schema(older) == before
        assert sum(migration.is_applied for migration in await migrate_status(older, FOLDER)) == FIRST_RELEASE
    finally:
        await reader.close()
    await migrate_up(older, FOLDER)
    assert await wrong(older) == []


async def test_a_reader_who_ends_in_time_is_only_a_delay(older: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start tries again, and votes are committed between two tries."""
    monkeypatch.setattr(migrations, "LOCK_PAUSE_S", 0.2)
    reader = await asyncpg.connect(older)
    try:
        async with Voting.going_on(older) as voting:
            reading = reader.transaction()
            await reading.start()
            await reader.execute("lock table setlists in access share mode")
            migrating = asyncio.create_task(migrate_up(older, FOLDER))
            watcher = await asyncpg.connect(older)
            try:
                query = "select exists (select from pg_locks where relation = 'setlists'::regclass and not granted)"
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
    assert await wrong(older) == []


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


@pytest.mark.usefixtures("tidy")
async def test_an_owner_who_may_make_roles(cluster: str, tmp_path: Path) -> None:
    """Without superuser: up from the first release, at work, down and up again."""
    url = await owned(cluster, "fan_owner", "fans", attributes="createrole")
    await fill(url, tmp_path / "first release", shows=3)
    before = await kept(url)
    await migrate_up(url, FOLDER)
    await works(url)
    assert await wrong(url) == []
    user = (await names(url, "select id::text from users where nobody is null order by id limit 1"))[0]
    assert await names(url, f"select (erase_user({user}) is not null)::text") == ["true"]
    await down_to(url, 0)
    assert await names(cluster, "select rolname from pg_roles where rolname like 'mysetlist_%'") == []
    await fill(url, tmp_path / "again", shows=3)
    await migrate_up(url, FOLDER)
    assert len(await kept(url)) == len(before)


@pytest.mark.usefixtures("tidy")
async def test_an_owner_who_was_granted_the_roles(cluster: str) -> None:
    """Without the right to make roles: enough if they are there and theirs to take; else one clear line."""
    url = await owned(cluster, "fan_owner", "fans")
    with pytest.raises(SetupError, match=r"permission denied to create role .*row_security\.sql\)$"):
        await migrate_up(url, FOLDER)
    await execute(cluster, f"create role {REQUEST_ROLE} nologin; create role {WRITER_ROLE} nologin")
    with pytest.raises(
        SetupError, match=r"(must have admin option|permission denied to grant role).*row_security\.sql\)$"
    ):
        await migrate_up(url, FOLDER)
    await execute(cluster, f"grant {REQUEST_ROLE}, {WRITER_ROLE} to fan_owner")
    await migrate_up(url, FOLDER)
    await works(url)
    await down_to(url, 0)
    assert len(await names(cluster, "select rolname from pg_roles where rolname like 'mysetlist_%'")) == 2


@pytest.mark.usefixtures("tidy")
async def test_two_databases_of_one_cluster(cluster: str) -> None:
    """They share the roles; when one goes, the other goes on; the last one takes the roles along."""
    first = await owned(cluster, "fan_owner", "fans", attributes="createrole")
    await migrate_up(first, FOLDER)
    second = await owned(cluster, "fan_owner_too", "fans_too")
    await execute(cluster, f"grant {REQUEST_ROLE}, {WRITER_ROLE} to fan_owner_too")
    await migrate_up(second, FOLDER)
    await down_to(second, 0)
    await works(first)
    await migrate_up(second, FOLDER)
    await works(second)
    await down_to(first, 0)
    await works(second)
    assert len(await names(cluster, "select rolname from pg_roles where rolname like 'mysetlist_%'")) == 2
