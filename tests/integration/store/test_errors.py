"""What PostgreSQL says when it lacks something is 'unavailable': whoever asks tries again, and no loop of a node dies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from server.errors import StoreUnavailable
from server.store.database import Database, connect, translated
from tests.support.node_process import until
from tests.support.proxy import TcpProxy


@asynccontextmanager
async def proxied(database_url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    """A proxy in front of PostgreSQL, and the address through it."""
    parts = urlsplit(database_url)
    async with TcpProxy.running(Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432") as proxy:
        yield proxy, f"postgresql://{parts.username or 'postgres'}@127.0.0.1:{proxy.port}{parts.path}"


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


async def test_a_connection_that_is_reset_between_two_statements_is_unavailable(database_url: str) -> None:
    """Of a pool, in a transaction, and one for LISTEN or leases: no write to a closed transport gets past the translation."""
    async with proxied(database_url) as (proxy, url):
        database = await Database.open(url, pool_size=1)

        async def ask_twice() -> None:
            async with database.transaction() as connection:
                await connection.execute("select 1")
                proxy.cut()
                await until(connection.is_closed, "the reset is seen")
                await connection.execute("select 1")

        try:
            with pytest.raises(StoreUnavailable):
                await ask_twice()
            async with database.transaction() as connection:
                assert await connection.fetchval("select 1") == 1
            listening = await connect(url)
            proxy.cut()
            await until(listening.is_closed, "the reset is seen")
            with pytest.raises(StoreUnavailable), translated():
                await listening.fetchval("select 1")
        finally:
            await database.close()
