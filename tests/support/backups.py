"""Shared by the tests of backup and restore: the rows of a database, and `mysetlist` as a process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import asyncpg


def no_progress(stage: str, done: int, total: int) -> None:
    assert stage
    assert 0 <= done <= total


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
