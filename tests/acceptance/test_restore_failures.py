"""`mysetlist restore` that fails: the error is one line, and the database is unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
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
from tests.support.engines import OpenDatabase, execute, shared_database
from tests.support.open_shows import make_shows, make_users

pytestmark = pytest.mark.timeout(60)

Contents = tuple[dict[str, list[str]], int]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A database whose restores fail. file: its backup, which lacks its newest user; contents: of the database, before and after."""

    url: str
    file: Path
    contents: Contents


@pytest.fixture(scope="module")
def unchanged(new_database: OpenDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unchanged]:
    """One for all tests of this file."""
    file = tmp_path_factory.mktemp("whole") / "votes.backup"

    async def fill(url: str) -> None:
        await make_shows(url, count=3)
        await execute(url, "insert into audit_log (action, detail) select 'a.b', to_jsonb(md5(n::text))"
                           " from generate_series(1, 3000) n")  # fmt: skip
        await backup(url, file, no_progress)
        await make_users(url, 1)

    with shared_database(new_database, fill) as url:
        yield Unchanged(url, file, asyncio.run(contents_of(url)))


async def contents_of(url: str) -> Contents:
    """Every row of a database, and the sum of its positions, which rows_of leaves out."""
    return await rows_of(url), await value(url, "select sum(position) from log_positions")


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
    unchanged: Unchanged, redis_url: str, tmp_path: Path, damaged: Any, line: str
) -> None:
    """The error is one line, and the database is unchanged."""
    file = tmp_path / "votes.backup"
    file.write_bytes(damaged(unchanged.file.read_bytes()))
    with pytest.raises(SetupError, match=line) as caught:
        await restore(unchanged.url, redis_url, file, no_progress)
    assert "\n" not in str(caught.value)
    assert await contents_of(unchanged.url) == unchanged.contents


async def test_a_file_that_is_no_backup_of_ours(
    unchanged: Unchanged, redis_url: str, tmp_path: Path, empty_database_url: str
) -> None:
    """A missing file, a folder, and the dump of another program are each refused with one line."""
    with pytest.raises(SetupError, match="^cannot read .*: No such file or directory$"):
        await restore(unchanged.url, redis_url, tmp_path / "missing", no_progress)
    with pytest.raises(SetupError, match="^cannot read .*: Is a directory$"):
        await restore(unchanged.url, redis_url, tmp_path, no_progress)
    await execute(empty_database_url, "create table log_positions (shard int, position int)")
    await backup(empty_database_url, tmp_path / "other", no_progress)
    with pytest.raises(SetupError, match="is no backup of MySetlist: it has no schema_migrations or log_positions$"):
        await restore(unchanged.url, redis_url, tmp_path / "other", no_progress)


async def test_foreign_tables_are_not_dropped(unchanged: Unchanged, redis_url: str) -> None:
    """A restore refuses a database that also holds tables of another program."""
    await execute(unchanged.url, "create table invoices ()")
    with pytest.raises(SetupError, match=r"tables that are not MySetlist's \(invoices\)"):
        await restore(unchanged.url, redis_url, unchanged.file, no_progress)
    await execute(unchanged.url, "drop table invoices")


async def test_a_locked_table_ends_a_restore(unchanged: Unchanged, redis_url: str) -> None:
    """With a reader on a table the restore fails after five seconds with one line, and changes nothing."""
    reader = await asyncpg.connect(unchanged.url)
    try:
        async with reader.transaction():
            await reader.execute("lock table votes in access share mode")
            with pytest.raises(SetupError, match="^psql: ERROR:  canceling statement due to lock timeout$"):
                await restore(unchanged.url, redis_url, unchanged.file, no_progress)
    finally:
        await reader.close()
    assert await contents_of(unchanged.url) == unchanged.contents


async def test_an_interrupted_restore_changes_nothing(unchanged: Unchanged, redis_url: str) -> None:
    """Ctrl-C while the rows are restored leaves the database unchanged."""

    def interrupt(stage: str, done: int, total: int) -> None:
        if done > total // 2:
            restoring.cancel()

    restoring = asyncio.create_task(restore(unchanged.url, redis_url, unchanged.file, interrupt))
    with pytest.raises(asyncio.CancelledError):
        await restoring
    assert await contents_of(unchanged.url) == unchanged.contents


async def test_a_running_node_prevents_a_restore(database_url: str, redis_url: str, unchanged: Unchanged) -> None:
    """A node is found by its advisory lock; a node on another database does not count."""
    elsewhere = await asyncpg.connect(urlsplit(database_url)._replace(path="/postgres").geturl())
    node = await asyncpg.connect(database_url)
    try:
        await elsewhere.execute(f"select pg_advisory_lock_shared({NODE_CLASS}, 1)")
        assert await restore(database_url, redis_url, unchanged.file, no_progress) == []
        await node.execute(f"select pg_advisory_lock_shared({NODE_CLASS}, 1)")
        with pytest.raises(SetupError, match=r"^nodes are running on this database \(1\); stop them first$"):
            await restore(database_url, redis_url, unchanged.file, no_progress)
    finally:
        await node.close()
        await elsewhere.close()


async def test_a_restore_without_confirmation_is_refused(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """Without --yes and without a terminal the command fails."""
    environ = plain_environ() | {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    (tmp_path / "x").write_bytes(b"a backup")
    code, _, errors = await run_command("restore", str(tmp_path / "x"), "--data-dir", str(tmp_path), environ=environ)
    line = f"{tmp_path / 'x'} replaces everything in the database; no terminal to ask for confirmation: add --yes"
    assert (code, errors) == (1, f"mysetlist: {line}\n")
