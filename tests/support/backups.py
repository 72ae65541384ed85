"""Shared by the tests of backup and restore: the rows of a database."""

from __future__ import annotations

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
