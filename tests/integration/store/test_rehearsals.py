"""Transactions that are taken back: the previews of acts of staff."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from server.store.database import Database

INSERT = "insert into artists (slug, name) values ('kiln', 'Kiln')"
COUNT = "select count(*) from artists"


async def test_a_rehearsal_is_taken_back(database_url: str) -> None:
    """Its block sees what it has written; afterwards nothing of it is there."""
    database = await Database.open(database_url, pool_size=1)
    try:
        async with database.rehearsal() as connection:
            await connection.execute(INSERT)
            assert await connection.fetchval(COUNT) == 1
        async with database.connection() as connection:
            assert await connection.fetchval(COUNT) == 0
    finally:
        await database.close()


async def test_a_client_may_go_at_any_moment_of_a_preview(database_url: str) -> None:
    """Its connection goes back to the pool without an open transaction; another fixture fails when asyncpg reports one."""
    database = await Database.open(database_url, pool_size=1)

    async def preview() -> None:
        async with database.rehearsal() as connection:
            await connection.execute(INSERT)

    try:
        for turns in range(60):
            asked = asyncio.create_task(preview())
            for _ in range(turns):
                await asyncio.sleep(0)
            asked.cancel()
            with suppress(asyncio.CancelledError):
                await asked
        async with database.connection() as connection:
            assert await connection.fetchval(COUNT) == 0
    finally:
        await database.close()
