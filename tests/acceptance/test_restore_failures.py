"""`mysetlist restore` that fails: the error is one line, and the database is unchanged."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from server.cli.backup_file import backup, restore
from server.errors import SetupError
from server.voting.leases import NODE_CLASS
from tests.support.backups import no_progress, rows_of, value
from tests.support.commands import plain_environ, run_command
from tests.support.engines import execute
from tests.support.open_shows import make_shows, make_users

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize(
    ("damaged", "line"),
    [
        (lambda _: b"", "is empty; name a file made by mysetlist backup$"),
        (
            lambda _: b"not a backup\n" * 100,
            "votes.backup is no backup, or is damaged: pg_restore: error: input file does not appear to be a valid (tar )?archive",
        ),
        (lambda data: data[:3], "pg_restore: error: "),
        (lambda data: data[: len(data) // 20], "pg_restore: error: "),
        (lambda data: data[: len(data) // 2], "pg_restore: error: "),
        (lambda data: data[:-1000], "pg_restore: error: "),
        (lambda data: data[: len(data) // 2] + bytes(5000) + data[len(data) // 2 + 5000 :], "pg_restore: error: "),
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
    environ = plain_environ() | {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    code, _, errors = await run_command("restore", str(tmp_path / "x"), "--data-dir", str(tmp_path), environ=environ)
    line = f"{tmp_path / 'x'} replaces everything in the database; no terminal to ask for confirmation: add --yes"
    assert (code, errors) == (1, f"mysetlist: {line}\n")
