"""`mysetlist migrate down`: it asks, and it refuses while nodes run."""

from __future__ import annotations

import os
from pathlib import Path

from server.settings import data_folder
from server.store.migrations import migrate_status
from server.voting.leases import live_nodes
from tests.support.commands import run_command
from tests.support.running_node import running_node, until


async def migrate_down(data_dir: Path, database_url: str, *flags: str) -> tuple[int, str]:
    """Runs the command without a terminal; gives its exit code and errors."""
    environ = {"PATH": os.environ["PATH"], "DATABASE_URL": database_url, "MYSETLIST_SECRET": "s" * 32}
    code, _, errors = await run_command("migrate", "down", "--data-dir", str(data_dir), *flags, environ=environ)
    return code, errors


async def applied_count(database_url: str) -> int:
    return sum(migration.is_applied for migration in await migrate_status(database_url, data_folder("migrations")))


async def test_without_a_terminal_it_needs_a_flag(tmp_path: Path, database_url: str) -> None:
    """It removes data, so a script has to say that it means it."""
    before = await applied_count(database_url)
    code, errors = await migrate_down(tmp_path, database_url)
    assert (code, errors.count("\n")) == (1, 1)
    assert "add --yes" in errors
    assert await applied_count(database_url) == before
    assert (await migrate_down(tmp_path, database_url, "--yes"))[0] == 0
    assert await applied_count(database_url) == before - 1


async def test_it_refuses_under_a_running_node(tmp_path: Path, database_url: str, redis_url: str) -> None:
    """The node would go on with tables that are gone."""
    before = await applied_count(database_url)
    async with running_node(database_url, redis_url):
        await until(lambda: live_nodes(database_url))
        code, errors = await migrate_down(tmp_path, database_url, "--yes")
    assert (code, errors.count("\n")) == (1, 1)
    assert "1 running node uses this database; stop it, then" in errors
    assert await applied_count(database_url) == before
