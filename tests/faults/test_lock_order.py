"""The lock order: what each kind of transaction locks, in which order, and that no two of them deadlock.

A gate is a third transaction that holds a row. A path that wants the row stops there, holding what it has locked before:
that is seen in PostgreSQL itself, and nothing depends on time.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.lock_paths import PATHS, TABLES, Transaction, build

PAGE = Path(__file__).parents[2] / "docs" / "data-model.md"

# Many paths meet many others, in real transactions.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Stage:
    """A database with the rows that all paths want, and connections: two for paths, one for gates, one that watches."""

    def __init__(self, first: Any, second: Any, gate: Any, watcher: Any) -> None:
        self.first, self.second = first, second
        self._gate, self._watcher = gate, watcher

    async def gates(self) -> dict[str, list[str]]:
        """By table, statements that hold one of its rows, in the order in which they lie."""
        found: dict[str, list[str]] = {}
        for table in TABLES:
            rows = await self._watcher.fetch(f"select ctid::text from {table} order by ctid")
            found[table] = [f"select from {table} where ctid = '{row[0]}' for update" for row in rows]
        return found

    @asynccontextmanager
    async def gate(self, query: str) -> AsyncIterator[None]:
        """Holds the rows of a query until the block ends."""
        transaction = self._gate.transaction()
        await transaction.start()
        try:
            await self._gate.execute(query)
            yield
        finally:
            await transaction.rollback()

    async def stopped(self, task: asyncio.Task[None], connection: Any) -> bool:
        """Waits until a path ends, or waits for a lock; gives whether it waits."""
        pid = connection.get_server_pid()
        while not task.done():
            if await self._watcher.fetchval("select cardinality(pg_blocking_pids($1)) > 0", pid):
                return True
            await asyncio.sleep(0)
        return False

    async def held(self, table: str) -> bool:
        """Whether a row of a table is locked against changes by anybody."""
        async with self._watcher.transaction():
            free: int = await self._watcher.fetchval(
                f"with free as (select 1 from {table} for no key update skip locked) select count(*) from free"
            )
            total: int = await self._watcher.fetchval(f"select count(*) from {table}")
        return free < total


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    """See Stage."""
    await build(database_url)
    # Deadlocks are found at once, and nobody gives up before.
    patience = {"deadlock_timeout": "5ms", "lock_timeout": "0"}
    # The first path scans tables as small as these, the second one goes by indexes: in the other order.
    ordered = {"enable_seqscan": "off", "enable_hashagg": "off", "enable_hashjoin": "off"}
    plans: list[dict[str, str]] = [{}, ordered, {}, {}]
    async with AsyncExitStack() as stack:
        connections = []
        for plan in plans:
            connection = await asyncpg.connect(database_url, server_settings=patience | plan)
            stack.push_async_callback(connection.close)
            connections.append(connection)
        yield Stage(*connections)


async def run(path: Transaction, connection: Any) -> None:
    """One transaction up to its commit, where deferred triggers take their locks; then undone, for the next one."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await path(connection)
        await connection.execute("set constraints all immediate")
    finally:
        await transaction.rollback()


async def stops(stage: Stage, name: str) -> dict[str, str]:
    """By table, a gate at which a path stops; the tables of which it locks nothing are left out."""
    found = {}
    for table, gates in (await stage.gates()).items():
        for gate in gates:
            async with AsyncExitStack() as closing:
                await closing.enter_async_context(stage.gate(gate))
                task = asyncio.create_task(run(PATHS[name], stage.first))
                if await stage.stopped(task, stage.first):
                    found[table] = gate
                await closing.aclose()
                await task
            if table in found:
                break
    return found


async def order(stage: Stage, name: str) -> list[str]:
    """The tables of which a path locks rows against changes, in the order of the first lock."""
    held: dict[str, int] = {}
    for table in TABLES:
        async with AsyncExitStack() as closing:
            await closing.enter_async_context(stage.gate(f"select from {table} for no key update"))
            task = asyncio.create_task(run(PATHS[name], stage.first))
            if await stage.stopped(task, stage.first):
                held[table] = sum([await stage.held(other) for other in TABLES if other != table])
            await closing.aclose()
            await task
    return sorted(held, key=lambda table: held[table])


def documented() -> dict[str, list[str]]:
    """By path, the tables in docs/data-model.md."""
    text = PAGE.read_text()
    section = text[text.index("## Lock order") :]
    rows = re.findall(r"^\| ([a-z_, ]+) \| .* \| ([a-z_, ]+) \|$", section[: section.index("\n## ")], re.MULTILINE)
    return {name: tables.split(", ") for names, tables in rows for name in names.split(", ") if name != "transaction"}


def test_every_path_is_documented() -> None:
    """The table of docs/data-model.md has these paths and no other."""
    assert documented().keys() == PATHS.keys()


@pytest.mark.parametrize("name", PATHS)
async def test_locks_are_taken_as_documented(stage: Stage, name: str) -> None:
    """docs/data-model.md names the tables that a path locks, in the order of the first lock."""
    assert await order(stage, name) == documented()[name]


@pytest.mark.parametrize("name", PATHS)
async def test_no_other_path_deadlocks_with(stage: Stage, name: str) -> None:
    """Stopped at any table on its way, a path meets every other path, and both come to their end."""
    found = []
    for table, gate in (await stops(stage, name)).items():
        for other in PATHS:
            async with AsyncExitStack() as closing:
                await closing.enter_async_context(stage.gate(gate))
                one = asyncio.create_task(run(PATHS[name], stage.first))
                assert await stage.stopped(one, stage.first)
                two = asyncio.create_task(run(PATHS[other], stage.second))
                await stage.stopped(two, stage.second)
                await closing.aclose()
                for outcome in await asyncio.gather(one, two, return_exceptions=True):
                    if isinstance(outcome, asyncpg.DeadlockDetectedError):
                        found.append(f"{name}, stopped at {table}, and {other}: {outcome.detail}")
                    elif outcome is not None:
                        raise outcome
    assert found == []
