"""How often a use of a connection asks the server."""

from __future__ import annotations

import asyncpg
import pytest

from server.store.database import REQUEST_ROLE, WRITER_ROLE, Database


@pytest.mark.parametrize("role", [REQUEST_ROLE, WRITER_ROLE])
async def test_a_connection_is_not_cleaned_after_each_use(database_url: str, role: str) -> None:
    """A statement is one round trip: nothing is left in the session that somebody would have to clean."""
    database = await Database.open(database_url, role=role, pool_size=1)
    observer = await asyncpg.connect(database_url)
    try:
        async with database.connection() as connection:
            pid = await connection.fetchval("select pg_backend_pid()")
        last = await observer.fetchval("select query from pg_stat_activity where pid = $1", pid)
        assert last == "select pg_backend_pid()"
    finally:
        await observer.close()
        await database.close()


async def test_a_use_that_ended_early_leaves_no_transaction_open(database_url: str) -> None:
    """A statement that was prepared and not run, here for a value of a wrong type, holds nothing, and the next use sees nothing of it."""
    database = await Database.open(database_url, role=REQUEST_ROLE, pool_size=1)
    observer = await asyncpg.connect(database_url)
    pid = 0
    try:

        async def use() -> None:
            nonlocal pid
            async with database.connection() as connection:
                pid = await connection.fetchval("select pg_backend_pid()")
                await connection.fetchval("select $1::integer", "no number")

        with pytest.raises(asyncpg.DataError):
            await use()
        assert await observer.fetchval("select state from pg_stat_activity where pid = $1", pid) == "idle"
        async with database.snapshot() as connection:
            assert await connection.fetchval("select pg_backend_pid()") == pid
    finally:
        await observer.close()
        await database.close()
