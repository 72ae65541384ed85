"""The lock order: what each kind of transaction locks, in which order, and that no two of them deadlock.

A gate is a third transaction that holds a row. A path that wants the row stops there and keeps the locks that it has. PostgreSQL
itself reports that a path waits (log_lock_waits).
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from server.errors import StoreUnavailable
from tests.support.engines import OpenDatabase, shared_database
from tests.support.lock_paths import PATHS
from tests.support.lock_paths.world import TABLES, Transaction, build

PAGE = Path(__file__).parents[2] / "docs" / "data-model.md"

# As many paths meet a path in `make test`, itself among them; and these, whose orders on the page disagree: other locks keep them apart.
NEAR = 2
ALSO = {"score": {"forget", "erase"}}

# Many paths meet many others, in real transactions.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Stepper:
    """Runs paths on a connection, one after the other, and notices when one waits for a lock."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._waits = asyncio.Event()
        self.pid = connection.get_server_pid()
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


# What a transaction has locked so far: rows of tables, tables, and advisory locks. Reading alone locks nothing that others wait for.
LOCKS = """
select distinct case locktype when 'relation' then relation::regclass::text else concat_ws(' ', locktype, classid, objid) end
  from pg_locks
 where pid = $1 and granted and mode <> 'AccessShareLock' and locktype in ('relation', 'advisory')
   and (relation is null or relation in (select oid from pg_class where relkind in ('r', 'p')))
"""
# A path in the queue at a gate waits for a tuple, or for the gate's transaction.
WAITS_FOR = """
select exists (select from pg_locks where pid = $1 and not granted and locktype <> 'tuple') and $2 = any (pg_blocking_pids($1))
"""
# A transaction without an id has locked no row. Of advisory locks, those that the other path takes too are held against it.
HOLDS = """
select exists (
  select from pg_locks
   where pid = $1 and granted
     and (locktype = 'transactionid'
          or locktype = 'relation' and mode not in ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')
          or locktype = 'advisory' and concat_ws(' ', locktype, classid, objid) = any ($2::text[])))
"""


class Stage:
    """A database with the rows that all paths want, and connections: two for paths, one for gates, one that looks."""

    def __init__(
        self, first: Any, second: Any, gate: Any, watcher: Any, *, locks_of: dict[Transaction, set[str]]
    ) -> None:
        """Takes: locks_of, all that each path locks, as far as it is known."""
        self._locks_of = locks_of
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

    async def locked_at(self, path: Transaction, gate: str) -> set[str] | None:
        """What a path has locked when it stops at a gate; None: it does not stop there."""
        locked = None
        async with self.gate(gate):
            task = self.first.start(path)
            if await self.first.is_stopped(task):
                locked = await self.locks(self.first)
        await task
        return locked

    async def locks_of(self, path: Transaction) -> set[str]:
        """All that a path locks."""
        if path not in self._locks_of:
            locked: set[str] = set()

            async def to_the_end(connection: Any) -> None:
                await path(connection)
                await connection.execute("set constraints all immediate")
                locked.update(await self.locks(self.first))

            await self.first.start(to_the_end)
            self._locks_of[path] = locked
        return self._locks_of[path]

    async def locks(self, stepper: Stepper) -> set[str]:
        """What the path of a stepper has locked."""
        return {row[0] for row in await self._watcher.fetch(LOCKS, stepper.pid)}

    async def second_waits_for_first(self) -> bool:
        """Whether the second path waits for what the first one has locked, and not only at the gate."""
        is_waiting: bool = await self._watcher.fetchval(WAITS_FOR, self.second.pid, self.first.pid)
        return is_waiting

    async def second_holds(self, wanted: set[str]) -> bool:
        """Whether the second path has locked anything that a path may wait for. Takes: wanted, all that this one locks."""
        is_holding: bool = await self._watcher.fetchval(HOLDS, self.second.pid, list(wanted))
        return is_holding

    async def cancel_second(self, task: asyncio.Task[None]) -> None:
        """Ends the second path where it waits, and undoes it."""
        await self._watcher.execute("select pg_cancel_backend($1)", self.second.pid)
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(driver_error(outcome), asyncpg.QueryCanceledError), outcome

    async def held(self) -> set[str]:
        """The tables with a row that is locked against changes by anybody."""
        free = ", ".join(f"{table}_free as (select from {table} for no key update skip locked)" for table in TABLES)
        total = ", ".join(
            f"(select count(*) from {table}_free) < (select count(*) from {table}) as {table}" for table in TABLES
        )
        async with self._watcher.transaction():
            row = await self._watcher.fetchrow(f"with {free} select {total}")
        return {table for table, is_held in row.items() if is_held}


@pytest.fixture(scope="module")
def stage_url(new_database: OpenDatabase) -> Iterator[str]:
    """One database for all paths: each is undone."""
    with shared_database(new_database, build) as url:
        yield url


@pytest.fixture(scope="module")
def locks_of() -> dict[Transaction, set[str]]:
    """All that each path locks, noted by the tests."""
    return {}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(stage_url: str, locks_of: dict[Transaction, set[str]]) -> AsyncIterator[Stage]:
    """See Stage. Every test leaves it empty: a new connection would read the catalogue and plan the triggers once more."""
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
        yield Stage(*connections, locks_of=locks_of)


async def run(path: Transaction, connection: Any) -> None:
    """One transaction up to its commit, where deferred triggers take their locks; then undone, for the next one."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await path(connection)
        await connection.execute("set constraints all immediate")
    finally:
        await transaction.rollback()


def driver_error(outcome: BaseException | None) -> BaseException | None:
    """What the driver raised: a path with a savepoint gets its error translated."""
    return outcome.__cause__ if isinstance(outcome, StoreUnavailable) else outcome


@dataclass(frozen=True, slots=True)
class Stop:
    """A gate at which a path stops, and what the path has locked by then."""

    table: str
    gate: str
    locked: set[str]


async def stops(stage: Stage, path: Transaction, known: Sequence[str]) -> list[Stop]:
    """One stop for each table of which a path locks rows, in the order in which the path comes to them.

    Takes: known, tables of which it locks rows for sure
    """
    found = []
    locked = await stage.locks_of(path)
    for table in TABLES:
        if table not in locked:
            continue
        # A path that passes when all rows of a table are held locks none of them.
        if table not in known and await stage.locked_at(path, f"select from {table} for update") is None:
            continue
        for gate in await stage.gates(table):
            if (before := await stage.locked_at(path, gate)) is not None:
                found.append(Stop(table, gate, before))
                break
    return sorted(found, key=lambda stop: len(stop.locked))


async def order(stage: Stage, path: Transaction) -> list[str]:
    """The tables of which a path locks rows against changes, in the order of the first lock."""
    held: dict[str, int] = {}
    locked = await stage.locks_of(path)
    for table in TABLES:
        if table not in locked:
            continue
        async with stage.gate(f"select from {table} for no key update"):
            task = stage.first.start(path)
            if await stage.first.is_stopped(task):
                held[table] = len(await stage.held() - {table})
        await task
    return sorted(held, key=lambda table: held[table])


async def deadlocks(stage: Stage, name: str, others: Mapping[str, Transaction]) -> set[str]:
    """Lets a path meet others at each of its stops; gives the names of those with which it deadlocks.

    A path that locks nothing of what the stopped one has locked cannot wait for it. One that does wait for it need not meet it at
    a later stop: there it would wait at the same place or before, with no more locks, for a path with fewer locks to come.
    """
    path = PATHS[name]
    found = set()
    # By path that waited, how much the stopped one had locked by then: it comes later to a stop with more.
    waited: dict[str, int] = {}
    for stop in await stops(stage, path, documented()[name]):
        so_far = len(stop.locked)
        meeting = [
            other
            for other, meets in others.items()
            if waited.get(other, so_far) >= so_far and await stage.locks_of(meets) & (stop.locked | {stop.table})
        ]
        while meeting:
            async with stage.gate(stop.gate):
                one = stage.first.start(path)
                assert await stage.first.is_stopped(one)
                # A path that ends meanwhile is undone and leaves no trace, so the stopped path can meet the next one.
                is_stopped = False
                while meeting and not is_stopped:
                    other = meeting.pop()
                    two = stage.second.start(others[other])
                    is_stopped = await stage.second.is_stopped(two)
                    if not is_stopped:
                        await two
                    elif await stage.second_waits_for_first():
                        waited.setdefault(other, so_far)
                        if not await stage.second_holds(await stage.locks_of(path)):
                            await stage.cancel_second(two)
                            is_stopped = False
            meeting_now = (one, two) if is_stopped else (one,)
            for answer in await asyncio.gather(*meeting_now, return_exceptions=True):
                outcome = driver_error(answer)
                if isinstance(outcome, asyncpg.DeadlockDetectedError):
                    print(f"{other}, when stopped at {stop.table}: {outcome.detail}")
                    found.add(other)
                elif outcome is not None:
                    raise outcome
    return found


def documented() -> dict[str, list[str]]:
    """By path, the tables in docs/data-model.md."""
    text = PAGE.read_text()
    section = text[text.index("## Lock order") :]
    rows = re.findall(r"^\| ([a-z_, ]+) \| .* \| ([a-z_, ]+) \|$", section[: section.index("\n## ")], re.MULTILINE)
    return {
        name: [] if tables == "none" else tables.split(", ")
        for names, tables in rows
        for name in names.split(", ")
        if name != "transaction"
    }


def test_every_path_is_documented() -> None:
    """The table of docs/data-model.md has these paths and no other."""
    assert documented().keys() == PATHS.keys()


def test_no_two_documented_orders_disagree() -> None:
    """Two paths that lock two tables in opposite orders lock a third one before. Here each path meets each other one, on paper."""
    orders = documented().items()
    wrong = [
        f"{one} and {other}: {first} and {then}"
        for (one, tables), (other, others) in itertools.combinations(orders, 2)
        for first, then in itertools.combinations(tables, 2)
        if {first, then} <= set(others)
        and others.index(then) < others.index(first)
        and not set(tables[: tables.index(first)]) & set(others[: others.index(then)])
        and other not in ALSO.get(one, ())
        and one not in ALSO.get(other, ())
    ]
    assert wrong == []


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", PATHS)
async def test_locks_are_taken_as_documented(stage: Stage, name: str) -> None:
    """docs/data-model.md names the tables that a path locks, in the order of the first lock."""
    assert await order(stage, PATHS[name]) == documented()[name]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("is_near", [True, pytest.param(False, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", PATHS)
async def test_no_other_path_deadlocks_with(stage: Stage, name: str, is_near: bool) -> None:
    """Stopped at any table on its way, a path meets every other path, and both come to their end.

    In `make test` it meets itself and the next one, as in a circle; in `make nightly` all others too, whose orders agree on paper.
    A transaction with the opposite order is found: it locks the last table of the path before the first one.
    """
    tables = documented()[name]
    names = list(PATHS)
    circle = names[names.index(name) :] + names[: names.index(name)]
    near = [*circle[:NEAR], *ALSO.get(name, ())]
    others = near if is_near else [other for other in names if other not in near]

    async def opposite(connection: Any) -> None:
        for table in (*tables[1:][-1:], *tables[:1]):
            await connection.execute(f"select from {table} for no key update")

    meeting = {other: PATHS[other] for other in others} | {"opposite": opposite}
    assert await deadlocks(stage, name, meeting) == ({"opposite"} if tables[1:] else set())
