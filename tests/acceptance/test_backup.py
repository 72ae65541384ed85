"""`mysetlist backup` and `restore`: a restored service has every vote of the file and no later one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import asyncpg
import pytest
import redis.asyncio

from server.cache.keys import log_key, meta_key
from server.cli.backup_file import backup, restore
from server.embedded import EmbeddedEngines
from server.errors import SetupError
from server.settings import data_folder
from server.store.carry_over import VERSIONS_BEFORE
from server.store.dumps import USER_IDS_LEAP, libpq_address
from server.store.migrations import migrate_down, migrate_status, migrate_up
from server.voting.leases import NODE_CLASS
from tests.support.audit import SHARD_COUNT, differences, until_drained
from tests.support.engines import DEBIAN_POSTGRES, FAST_SETTINGS, debian_postgres, execute
from tests.support.node import NodeProcess
from tests.support.open_shows import make_shows, make_users
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.schema import schema
from tests.support.stepped_client import SteppedClient
from tests.support.vote_path import VotePath

pytestmark = pytest.mark.timeout(60)

FOLDER = data_folder("migrations")
needs_debian_postgres = pytest.mark.skipif(
    not (DEBIAN_POSTGRES / "postgres").exists(), reason=f"no PostgreSQL 15 in {DEBIAN_POSTGRES} (.ci/run installs it)"
)


def no_progress(stage: str, done: int, total: int) -> None:
    assert stage
    assert 0 <= done <= total


@pytest.fixture(scope="module")
def postgres_15() -> Iterator[str]:
    with debian_postgres() as url:
        yield url


async def rows_of(url: str) -> dict[str, list[str]]:
    """Every row of every table as text, without the positions and revisions that a restore increases on purpose."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "select c.relname as name from pg_class c where c.relnamespace = 'public'::regnamespace"
            " and c.relkind in ('r', 'p') and not c.relispartition"
        )
        found = {}
        for (table,) in tables:
            without = {"log_positions": " - 'position'", "shows": " - 'revision'"}.get(table, "")
            rows = await connection.fetch(f"select (to_jsonb(t){without})::text as row from {table} t")
            found[table] = sorted(row["row"] for row in rows)
    finally:
        await connection.close()
    return found


async def value(url: str, query: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()


async def run_command(*arguments: str, shell: str = "", **environ: str) -> tuple[int, str, str]:
    """Runs `mysetlist` as a process without a terminal; gives exit code, stdout and stderr."""
    command = [sys.executable, "-P", "-m", "server", *arguments]
    if shell:
        command = ["bash", "-c", f'{shell}; exec "$@"', "-", *command]
    kept = {
        name: text for name, text in os.environ.items() if not name.startswith(("DATABASE_", "REDIS_", "MYSETLIST_"))
    }
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        env=kept | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
    )
    return done.returncode, done.stdout, done.stderr


# ── a restored service


async def test_a_restored_service_has_the_votes_of_the_file(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """A backup under a running node, later votes, a restore: the ballots and counts are those of the file, and voting works."""
    show, other = await make_shows(database_url, count=2)
    users = await make_users(database_url, 3)
    node = NodeProcess(tmp_path, DATABASE_URL=database_url, REDIS_URL=redis_url)
    file = tmp_path / "votes.backup"
    await node.start()
    try:
        async with SteppedClient.connected(node.url, users[0]) as client:
            await client.cast(show.id, {show.songs[0]: "up", show.songs[1]: "down"})
            assert (await client.cast(other.id, {other.songs[0]: "up"}))["durability"] == "committed"
            await until_drained(database_url, redis_url)
            before = await rows_of(database_url)
            code, _, errors = await run_command(
                "backup", str(file), "--data-dir", str(tmp_path / "d"), DATABASE_URL=database_url
            )
            assert (code, errors) == (0, "")
            await client.cast(show.id, {show.songs[0]: "none", show.songs[2]: "up"})
        async with SteppedClient.connected(node.url, users[1]) as client:
            await client.cast(show.id, {show.songs[0]: "down"})
        code, _, errors = await run_command(
            "restore",
            str(file),
            "--yes",
            "--data-dir",
            str(tmp_path / "d"),
            DATABASE_URL=database_url,
            REDIS_URL=redis_url,
        )
        assert (code, errors) == (1, "mysetlist: nodes are running on this database (1); stop them first\n")
        await node.terminate()

        code, printed, errors = await run_command(
            "restore",
            str(file),
            "--yes",
            "--data-dir",
            str(tmp_path / "d"),
            DATABASE_URL=database_url,
            REDIS_URL=redis_url,
        )
        assert (code, errors) == (0, "")
        assert printed == f"restored {file}; all counts agree with the rows\n"
        assert await rows_of(database_url) == before

        await node.start()
        async with SteppedClient.connected(node.url, users[0]) as client:
            ballot = (await client.ask(op="ballot", show=show.id))["ok"]["ballot"]
            assert ballot == {str(show.songs[0]): "up", str(show.songs[1]): "down"}
            assert (await client.cast(show.id, {show.songs[0]: "down"}))["durability"] == "committed"
        async with SteppedClient.connected(node.url, users[2]) as client:
            assert (await client.cast(other.id, {other.songs[0]: "up"}))["durability"] == "committed"
        await until_drained(database_url, redis_url)
        assert await differences(database_url, redis_url) == []
        assert await value(database_url, "select count(*) from votes") == 4
        assert node.tracebacks() == ""
    finally:
        await node.end()


async def test_a_restore_drops_votes_that_only_valkey_has(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """Votes that are accepted and not committed at the restore do not exist after it, and their log is empty."""
    file = tmp_path / "votes.backup"
    async with RowFactory.open(database_url) as factory, VotePath.open(database_url, redis_url) as vote_path:
        show = await factory.show(7)
        first, second = await factory.users(2)
        await vote_path.cast(7, first, (show.first, "up"))
        async with vote_path.writer():
            await until(vote_path.is_drained)
        await backup(database_url, file, no_progress)
        await vote_path.cast(7, first, (show.songs[1], "up"))
        await vote_path.cast(7, second, (show.first, "down"))
    await restore(database_url, redis_url, file, no_progress)
    async with redis.asyncio.Redis.from_url(redis_url) as valkey:
        assert await valkey.xlen(log_key(7)) == 0
        assert sorted([key async for key in valkey.scan_iter("*")]) == sorted(
            [
                key.encode()
                for shard in range(SHARD_COUNT)
                for key in (meta_key(shard), *([log_key(7)] if shard == 7 else []))
            ]
        )
    await votes_go_on(database_url, redis_url, [[show.first, 1, 0], [show.songs[1], 0, 0], [show.songs[2], 0, 0]])


async def test_a_restore_that_dies_before_valkey_is_reset_keeps_no_later_vote(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The restored positions are beyond Valkey's log, so a node that starts reads none of it."""
    file = tmp_path / "votes.backup"
    async with RowFactory.open(database_url) as factory, VotePath.open(database_url, redis_url) as vote_path:
        show = await factory.show(7)
        (user,) = await factory.users(1)
        await vote_path.cast(7, user, (show.first, "up"))
        async with vote_path.writer():
            await until(vote_path.is_drained)
        await backup(database_url, file, no_progress)
        await vote_path.cast(7, user, (show.songs[1], "up"))

    async def die(*_: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr("server.cli.backup_file.restart_logs", die)
    with pytest.raises(asyncio.CancelledError):
        await restore(database_url, redis_url, file, no_progress)
    await votes_go_on(database_url, redis_url, [[show.first, 1, 0], [show.songs[1], 0, 0], [show.songs[2], 0, 0]])


async def votes_go_on(database_url: str, redis_url: str, tally: list[list[int]]) -> None:
    """Checks that show 7 has these counts in rows and in Valkey, and takes another vote."""
    async with (
        RowFactory.open(database_url, is_empty=False) as factory,
        VotePath.open(database_url, redis_url) as vote_path,
    ):
        async with vote_path.writer():
            (user,) = await factory.users(1)
            assert await factory.tally(7) == await factory.counted(7) == tally
            assert (await vote_path.cast(7, user, (tally[0][0], "up"))).code == "ok"
            await until(vote_path.is_drained)
        tally[0][1] += 1
        assert await factory.tally(7) == await factory.counted(7) == tally
        assert await differences(database_url, redis_url) == []


async def test_a_restore_gives_no_id_or_position_twice(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """Ids, positions and revisions from after the backup are not given again: tokens and open pages still have them."""
    (show,) = await make_shows(database_url)
    await make_users(database_url, 2)
    file = tmp_path / "votes.backup"
    await backup(database_url, file, no_progress)
    (newer,) = await make_shows(database_url)
    (user,) = await make_users(database_url, 1)
    await execute(database_url, f"update shows set is_locked = true where id = {show.id}")
    revision = await value(database_url, f"select revision from shows where id = {show.id}")
    ahead = 1 << 52  # the clock of Valkey is far ahead
    async with redis.asyncio.Redis.from_url(redis_url) as valkey:
        await valkey.hset(meta_key(3), "last", ahead)
        await valkey.xadd(log_key(4), {"p": 0}, id=f"{(ahead >> 10) + 1}-0")
    await restore(database_url, redis_url, file, no_progress)
    (later,) = await make_shows(database_url)
    (new_user,) = await make_users(database_url, 1)
    assert later.id > newer.id
    assert min(later.songs) > max(newer.songs)
    assert new_user.id > user.id + USER_IDS_LEAP / 2
    assert await value(database_url, f"select revision from shows where id = {show.id}") > revision
    assert await value(database_url, "select min(position) from log_positions") > ahead
    async with redis.asyncio.Redis.from_url(redis_url) as valkey:
        assert int(await valkey.hget(meta_key(3), "last") or 0) == await value(
            database_url, "select position from log_positions where shard = 3"
        )


async def test_a_restore_into_an_empty_cluster(
    database_url: str, redis_url: str, engine_dir: Path, tmp_path: Path
) -> None:
    """A cluster without roles and extensions gets the same rows and the same schema, and a node runs on it."""
    file = tmp_path / "votes.backup"
    await execute(database_url, "insert into artists (slug, name) values ('beyonce', 'Beyoncé'), ('ac-dc', 'AC/DC')")
    await make_shows(database_url, count=3)
    await backup(database_url, file, no_progress)
    fresh = await EmbeddedEngines.start(engine_dir, postgres_settings=FAST_SETTINGS)
    try:
        assert await restore(fresh.database_url, fresh.redis_url, file, no_progress) == []
        assert await rows_of(fresh.database_url) == await rows_of(database_url)
        assert await schema(fresh.database_url) == await schema(database_url)
        assert await value(fresh.database_url, "select id from artists where search @@ query_of('beyonce')")
        async with NodeProcess.running(
            tmp_path / "n", DATABASE_URL=fresh.database_url, REDIS_URL=fresh.redis_url
        ) as node:
            assert node.tracebacks() == ""
    finally:
        await fresh.stop()


# ── other versions


@needs_debian_postgres
async def test_postgres_15_and_an_owner_without_superuser(postgres_15: str, redis_url: str, tmp_path: Path) -> None:
    """An owner without superuser rights and with a password backs up and restores a PostgreSQL 15."""
    await execute(postgres_15, "create role fan_owner login createrole password 'p/w&+'")
    urls = []
    for name in ("fans", "fans_too"):
        await execute(postgres_15, f"create database {name} owner fan_owner")
        host = urlsplit(postgres_15).netloc.rpartition("@")[2]
        urls.append(f"postgresql://fan_owner:{quote('p/w&+', safe='')}@{host}/{name}")
    await migrate_up(urls[0], FOLDER)
    await make_shows(urls[0], count=2)
    file = tmp_path / "votes.backup"
    code, printed, errors = await run_command("backup", str(file), "--data-dir", str(tmp_path), DATABASE_URL=urls[0])
    assert (code, errors) == (0, "")
    assert printed.startswith(f"{file}: ")
    for _ in range(2):  # into an empty database, then into a full one
        assert await restore(urls[1], redis_url, file, no_progress) == []
    assert await rows_of(urls[1]) == await rows_of(urls[0])


@needs_debian_postgres
async def test_between_versions_of_postgres(
    postgres_15: str, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """A newer PostgreSQL restores the file of an older one; the other direction is one clear line."""
    await execute(postgres_15, "create database between_versions")
    old = urlsplit(postgres_15)._replace(path="/between_versions").geturl()
    await migrate_up(old, FOLDER)
    await make_shows(old)
    await backup(old, tmp_path / "old", no_progress)
    assert await restore(database_url, redis_url, tmp_path / "old", no_progress) == []
    assert await rows_of(database_url) == await rows_of(old)
    await backup(database_url, tmp_path / "new", no_progress)
    with pytest.raises(SetupError, match=r"^pg_restore: error: unsupported version \(\S+\) in file header$"):
        await restore(old, redis_url, tmp_path / "new", no_progress)


async def test_a_file_of_an_older_release_is_migrated(
    database_url: str, empty_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """A backup that lacks the newest migration is restored and then migrated."""
    await make_shows(database_url)
    await migrate_down(database_url, FOLDER)
    file = tmp_path / "votes.backup"
    await backup(database_url, file, no_progress)
    assert await restore(empty_database_url, redis_url, file, no_progress) == []
    assert all(migration.is_applied for migration in await migrate_status(empty_database_url, FOLDER))
    assert await value(empty_database_url, "select count(*) from show_artists") == 1


async def test_a_file_from_before_the_first_release_is_carried_over(
    database_url: str, empty_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """The same tables under the old migrations' numbers."""
    await make_shows(database_url)
    versions = ",".join(VERSIONS_BEFORE)
    await execute(
        database_url,
        f"delete from schema_migrations; insert into schema_migrations select unnest('{{{versions}}}'::text[])",
    )
    file = tmp_path / "votes.backup"
    await backup(database_url, file, no_progress)
    assert await restore(empty_database_url, redis_url, file, no_progress) == []
    assert all(migration.is_applied for migration in await migrate_status(empty_database_url, FOLDER))


async def test_a_file_of_a_newer_release_is_refused(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """The error is one line, and nothing is changed."""
    file = tmp_path / "votes.backup"
    await execute(database_url, "insert into schema_migrations values ('29990101000000')")
    await backup(database_url, file, no_progress)
    await execute(database_url, "delete from schema_migrations where version = '29990101000000'")
    before = await rows_of(database_url)
    with pytest.raises(
        SetupError, match="was made by a newer mysetlist: .* migration 29990101000000; upgrade mysetlist$"
    ):
        await restore(database_url, redis_url, file, no_progress)
    assert await rows_of(database_url) == before


# ── files that cannot be restored


@pytest.mark.parametrize(
    ("damaged", "line"),
    [
        (lambda _: b"", "is empty; name a file made by mysetlist backup$"),
        (
            lambda _: b"not a backup\n" * 100,
            "^pg_restore: error: input file does not appear to be a valid (tar )?archive",
        ),
        (lambda data: data[:3], "^pg_restore: error: "),
        (lambda data: data[: len(data) // 20], "^pg_restore: error: "),
        (lambda data: data[: len(data) // 2], "^pg_restore: error: "),
        (lambda data: data[:-1000], "^pg_restore: error: "),
        (lambda data: data[: len(data) // 2] + bytes(5000) + data[len(data) // 2 + 5000 :], "^pg_restore: error: "),
    ],
    ids=["empty", "text", "head", "list", "half", "tail", "zeros"],
)
async def test_a_damaged_file_changes_nothing(
    database_url: str, redis_url: str, tmp_path: Path, damaged: Any, line: str
) -> None:
    """The error is one line, and the database is unchanged."""
    file = tmp_path / "votes.backup"
    await make_shows(database_url, count=3)
    await execute(database_url, "insert into audit_log (action, detail) select 'a.b', to_jsonb(md5(n::text))"
                                " from generate_series(1, 3000) n")  # fmt: skip
    await backup(database_url, file, no_progress)
    file.write_bytes(damaged(file.read_bytes()))
    await make_users(database_url, 1)
    before, positions = (
        await rows_of(database_url),
        await value(database_url, "select sum(position) from log_positions"),
    )
    with pytest.raises(SetupError, match=line) as caught:
        await restore(database_url, redis_url, file, no_progress)
    assert "\n" not in str(caught.value)
    assert await rows_of(database_url) == before
    assert await value(database_url, "select sum(position) from log_positions") == positions


async def test_a_file_that_is_no_backup_of_ours(
    database_url: str, redis_url: str, tmp_path: Path, empty_database_url: str
) -> None:
    """A missing file, a folder, and the dump of another program are each refused with one line."""
    with pytest.raises(SetupError, match="^cannot read .*: No such file or directory$"):
        await restore(database_url, redis_url, tmp_path / "missing", no_progress)
    with pytest.raises(SetupError, match="^cannot read .*: Is a directory$"):
        await restore(database_url, redis_url, tmp_path, no_progress)
    await execute(empty_database_url, "create table log_positions (shard int, position int)")
    await backup(empty_database_url, tmp_path / "other", no_progress)
    with pytest.raises(SetupError, match="is no backup of MySetlist: it has no schema_migrations or log_positions$"):
        await restore(database_url, redis_url, tmp_path / "other", no_progress)


async def test_foreign_tables_are_not_dropped(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """A restore refuses a database that also holds tables of another program."""
    file = tmp_path / "votes.backup"
    await backup(database_url, file, no_progress)
    await execute(database_url, "create table invoices ()")
    with pytest.raises(SetupError, match=r"tables that are not MySetlist's \(invoices\)"):
        await restore(database_url, redis_url, file, no_progress)


async def test_a_locked_table_ends_a_restore(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """With a reader on a table the restore fails after five seconds with one line, and changes nothing."""
    file = tmp_path / "votes.backup"
    await make_shows(database_url)
    await backup(database_url, file, no_progress)
    before = await rows_of(database_url)
    reader = await asyncpg.connect(database_url)
    try:
        async with reader.transaction():
            await reader.execute("lock table votes in access share mode")
            with pytest.raises(SetupError, match="^psql: ERROR:  canceling statement due to lock timeout$"):
                await restore(database_url, redis_url, file, no_progress)
    finally:
        await reader.close()
    assert await rows_of(database_url) == before


async def test_an_interrupted_restore_changes_nothing(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """Ctrl-C while the rows are restored leaves the database unchanged."""
    file = tmp_path / "votes.backup"
    await make_shows(database_url, count=3)
    await backup(database_url, file, no_progress)
    before = await rows_of(database_url)

    def interrupt(stage: str, done: int, total: int) -> None:
        if done > total // 2:
            restoring.cancel()

    restoring = asyncio.create_task(restore(database_url, redis_url, file, interrupt))
    with pytest.raises(asyncio.CancelledError):
        await restoring
    assert await rows_of(database_url) == before


async def test_a_running_node_prevents_a_restore(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """A node is found by its advisory lock; a node on another database does not count."""
    file = tmp_path / "votes.backup"
    await backup(database_url, file, no_progress)
    elsewhere = await asyncpg.connect(urlsplit(database_url)._replace(path="/postgres").geturl())
    node = await asyncpg.connect(database_url)
    try:
        await elsewhere.execute(f"select pg_advisory_lock_shared({NODE_CLASS}, 1)")
        assert await restore(database_url, redis_url, file, no_progress) == []
        await node.execute(f"select pg_advisory_lock_shared({NODE_CLASS}, 1)")
        with pytest.raises(SetupError, match=r"^nodes are running on this database \(1\); stop them first$"):
            await restore(database_url, redis_url, file, no_progress)
    finally:
        await node.close()
        await elsewhere.close()


async def test_a_restore_without_confirmation_is_refused(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """Without --yes and without a terminal the command fails."""
    code, _, errors = await run_command("restore", str(tmp_path / "x"), "--data-dir", str(tmp_path),
                                        DATABASE_URL=database_url, REDIS_URL=redis_url)  # fmt: skip
    line = f"{tmp_path / 'x'} replaces everything in the database; no terminal to ask for confirmation: add --yes"
    assert (code, errors) == (1, f"mysetlist: {line}\n")


# ── writing the file


async def test_an_existing_file_is_kept(database_url: str, tmp_path: Path) -> None:
    """Only --force replaces it, and only when the new file is complete."""
    file = tmp_path / "votes.backup"
    file.write_text("older")
    with pytest.raises(SetupError, match="exists; add --force to replace it$"):
        await backup(database_url, file, no_progress)
    assert file.read_text() == "older"
    assert await backup(database_url, file, no_progress, force=True) == file.stat().st_size > 1000
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(SetupError, match="is a folder; name a file$"):
        await backup(database_url, tmp_path, no_progress, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["votes.backup"]


async def test_a_full_disk_leaves_nothing_behind(database_url: str, tmp_path: Path) -> None:
    """With a limit on file sizes in place of a full disk, the error is one line and the older backup stays."""
    file = tmp_path / "b" / "votes.backup"
    file.parent.mkdir()
    file.write_text("older")
    code, _, errors = await run_command("backup", str(file), "--force", "--data-dir", str(tmp_path),
                                        shell="ulimit -f 16", DATABASE_URL=database_url)  # fmt: skip
    assert (code, errors) == (1, f"mysetlist: pg_dump: was ended by {signal.SIGXFSZ.name}\n")
    assert [path.name for path in file.parent.iterdir()] == ["votes.backup"]
    assert file.read_text() == "older"
    with pytest.raises(SetupError, match="^cannot write .*: No such file or directory$"):
        await backup(database_url, tmp_path / "missing" / "votes.backup", no_progress)


async def test_an_interrupted_backup_leaves_nothing_behind(database_url: str, tmp_path: Path) -> None:
    """Ctrl-C while a backup is written leaves no file; of two backups to one file at the same time one fails."""
    file = tmp_path / "votes.backup"

    def interrupt(stage: str, done: int, total: int) -> None:
        writing.cancel()

    writing = asyncio.create_task(backup(database_url, file, interrupt))
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert list(tmp_path.iterdir()) == []
    results = await asyncio.gather(*(backup(database_url, file, no_progress) for _ in range(2)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["SetupError", "int"]
    assert [path.name for path in tmp_path.iterdir()] == ["votes.backup"]


async def test_an_empty_database_is_not_backed_up(empty_database_url: str, tmp_path: Path) -> None:
    """A backup without our tables is an error at once, not at the restore."""
    with pytest.raises(SetupError, match="has no tables of MySetlist, so there is nothing to back up$"):
        await backup(empty_database_url, tmp_path / "votes.backup", no_progress)


async def test_programs_of_another_version_are_not_used(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the programs of the server's version the error is one line that names them."""
    monkeypatch.setattr("server.cli.backup_file.programs_folder", lambda: DEBIAN_POSTGRES)
    with pytest.raises(SetupError, match="^pg_dump, pg_restore and psql of PostgreSQL 18 are needed, the version of"):
        await backup(database_url, tmp_path / "votes.backup", no_progress)


@pytest.mark.parametrize(
    ("url", "address", "password"),
    [
        ("postgresql://postgres@/fans?host=/run/x", "postgresql://postgres@/fans?host=%2Frun%2Fx", None),
        ("postgres://me:p%40w@db:5433/fans?sslmode=require", "postgresql://me@db:5433/fans?sslmode=require", "p@w"),
        ("postgresql://[::1]:5433/fans?user=me&password=a%26b", "postgresql://[::1]:5433/fans?user=me", "a&b"),
    ],
)
def test_no_command_line_holds_the_password(url: str, address: str, password: str | None) -> None:
    """The password is in the environment, which other users cannot read."""
    found, environ = libpq_address(url)
    assert found == address
    assert environ.get("PGPASSWORD") == password
