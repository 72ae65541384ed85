"""What PostgreSQL says when it lacks something is 'unavailable': whoever asks tries again, and no loop of a node dies."""

from __future__ import annotations

import pytest

from server.errors import StoreUnavailable
from server.store.database import Database


@pytest.mark.parametrize("code", ["53000", "53100", "53200", "54000", "58000", "58030", "XX000"])
async def test_a_lack_of_resources_is_unavailable(database_url: str, code: str) -> None:
    """Memory, disk, files, the queue of notifications, and errors inside PostgreSQL."""
    database = await Database.open(database_url, pool_size=1)
    try:
        with pytest.raises(StoreUnavailable):
            async with database.connection() as connection:
                await connection.execute(f"do $$ begin raise exception 'no' using errcode = '{code}'; end $$")
    finally:
        await database.close()


async def test_a_plan_that_a_migration_outdates_is_unavailable(database_url: str) -> None:
    """In a transaction the driver cannot prepare the statement again. Whoever tries again gets the new answer."""
    database = await Database.open(database_url, pool_size=1)
    other = await Database.open(database_url, pool_size=1)
    try:
        async with other.connection() as connection:
            await connection.execute("create table plans (first integer); insert into plans values (1)")
        async with database.transaction() as connection:
            assert tuple(await connection.fetchrow("select * from plans") or ()) == (1,)
        async with other.connection() as connection:
            await connection.execute("alter table plans add column second integer default 2")
        with pytest.raises(StoreUnavailable):
            async with database.transaction() as connection:
                await connection.fetchrow("select * from plans")
        async with database.transaction() as connection:
            assert tuple(await connection.fetchrow("select * from plans") or ()) == (1, 2)
    finally:
        await other.close()
        await database.close()
