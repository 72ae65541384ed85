"""The lock order: what each kind of transaction locks, in which order, and that no two of them deadlock.

A gate is a third transaction that holds a row. A path that wants the row stops there and keeps the locks that it has. PostgreSQL
itself reports that a path waits (log_lock_waits).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.engines import OpenDatabase, shared_database
from tests.support.lock_paths import PATHS, TABLES, Transaction, build

PAGE = Path(__file__).parents[2] / "docs" / "data-model.md"

# Many paths meet many others, in real transactions.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Stepper:
    """Runs paths on a connection, one after the other, and notices when one waits for a lock."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._waits = asyncio.Event()
        connection.add_log_listener(self._on_log)

    def start(self, path: Transaction) -> asyncio.Task[None]:
        """Starts a path."""
        self._waits.clear()
        return asyncio.create_task(run(path, self._connection))

    async def is_stopped(self, task: asyncio.Task[None]) -> bool:
        """Waits until a path ends, or waits for a lock; gives whether it waits."""
        waiting = asyncio.create_task(self._waits.wait())
        await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        return not task.done()

    def _on_log(self, _connection: Any, message: asyncpg.PostgresLogMessage) -> None:
        if " still waiting for " in message.message:
            self._waits.set()


class Stage:
    """A database with the rows that all paths want, and connections: two for paths, one for gates, one that looks."""

    def __init__(self, first: Any, second: Any, gate: Any, watcher: Any) -> None:
        self.first, self.second = Stepper(first), Stepper(second)
        self._gate, self._watcher = gate, watcher

    async def gates(self, table: str) -> list[str]:
        """Statements that hold one row of a table each, in the order in which the rows lie."""
        rows = await self._watcher.fetch(f"select ctid::text from {table} order by ctid")
        return [f"select from {table} where ctid = '{row[0]}' for update" for row in rows]

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

    async def stops(self, name: str, gate: str) -> bool:
        """Whether a path stops at a gate."""
        async with self.gate(gate):
            task = self.first.start(PATHS[name])
            is_stopped = await self.first.is_stopped(task)
        await task
        return is_stopped

    async def held(self, table: str) -> bool:
        """Whether a row of a table is locked against changes by anybody."""
        async with self._watcher.transaction():
            free: int = await self._watcher.fetchval(
                f"with free as (select 1 from {table} for no key update skip locked) select count(*) from free"
            )
            total: int = await self._watcher.fetchval(f"select count(*) from {table}")
        return free < total


@pytest.fixture(scope="module")
def stage_url(new_database: OpenDatabase) -> Iterator[str]:
    """One database for all paths: each is undone."""
    with shared_database(new_database, build) as url:
        yield url


@pytest.fixture
async def stage(stage_url: str) -> AsyncIterator[Stage]:
    """See Stage."""
    # After this time PostgreSQL reports that a path waits, and finds a deadlock. No path gives up before.
    patience = {
        "deadlock_timeout": "1ms", "log_lock_waits": "on", "client_min_messages": "log", "lock_timeout": "0",
    }  # fmt: skip
    # The first path scans tables as small as these, the second one goes by indexes: in the other order.
    ordered = {"enable_seqscan": "off", "enable_hashagg": "off", "enable_hashjoin": "off"}
    plans: list[dict[str, str]] = [{}, ordered, {}, {}]
    async with AsyncExitStack() as stack:
        connections = []
        for plan in plans:
            connection = await asyncpg.connect(stage_url, server_settings=patience | plan)
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
    for table in TABLES:
        # A path that passes when all rows of a table are held locks none of them.
        if not await stage.stops(name, f"select from {table} for update"):
            continue
        for gate in await stage.gates(table):
            if await stage.stops(name, gate):
                found[table] = gate
                break
    return found


async def order(stage: Stage, name: str) -> list[str]:
    """The tables of which a path locks rows against changes, in the order of the first lock."""
    held: dict[str, int] = {}
    for table in TABLES:
        async with stage.gate(f"select from {table} for no key update"):
            task = stage.first.start(PATHS[name])
            if await stage.first.is_stopped(task):
                held[table] = sum([await stage.held(other) for other in TABLES if other != table])
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
        others = list(PATHS)
        while others:
            async with stage.gate(gate):
                one = stage.first.start(PATHS[name])
                assert await stage.first.is_stopped(one)
                # A path that ends meanwhile is undone and leaves no trace, so the stopped path can meet the next one.
                is_stopped = False
                while others and not is_stopped:
                    other = others.pop()
                    two = stage.second.start(PATHS[other])
                    is_stopped = await stage.second.is_stopped(two)
                    if not is_stopped:
                        await two
            for outcome in await asyncio.gather(one, two, return_exceptions=True):
                if isinstance(outcome, asyncpg.DeadlockDetectedError):
                    found.append(f"{name}, stopped at {table}, and {other}: {outcome.detail}")
                elif outcome is not None:
                    raise outcome
    assert found == []
