"""Reads of what anyone may see, from a replica or from the primary (docs/adr/0041-reads-from-a-replica.md).

A read goes to the replica only when the replica has replayed everything that the primary had when the read began. So it shows
whatever its reader may have seen before, on any node and in any channel.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

import asyncpg
import structlog

from server.errors import ReplicaLost, StoreError, StoreUnavailable
from server.store.database import READS_POOL_SIZE, REQUEST_ROLE, Database, translated_all
from server.store.engine import reason
from server.telemetry import REPLICA_BEHIND_SECONDS, REPLICA_LEFT_OUT, REPLICA_READS

if TYPE_CHECKING:
    from server.store.database import Connection

log = structlog.get_logger()

LOOK_EVERY_S = 1.0
LOOK_S_MAX = 5.0
# A look measures up to this delay.
MEASURED_S_MAX = 2.0
# A read waits so long for a connection to the replica, and so long for the replica to replay; then it goes to the primary.
RESERVE_S_MAX = 1.0
BEHIND_S_MAX = 0.25
POLL_S = 0.002
UNASKED = "it was not asked yet"
NO_REPLICA = "it is no replica, because it takes writes"

# The first eight digits of a file's name are the timeline, which a promotion raises.
_POSITION = """
select pg_current_wal_flush_lsn() as lsn, ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::int as timeline,
       (select system_identifier from pg_control_system()) as system, current_database() as database
"""
# A replica learns of a new timeline in three places; the first one needs the role pg_read_all_stats.
_STANDING = """
select pg_is_in_recovery() as is_replica, pg_last_wal_replay_lsn() as lsn,
       greatest((select received_tli from pg_stat_wal_receiver), (select timeline_id from pg_control_checkpoint()),
                (select min_recovery_end_timeline from pg_control_recovery())) as timeline,
       (select system_identifier from pg_control_system()) as system, current_database() as database
"""


class Readable(Protocol):
    """What a function that only reads takes: a Database, or Reads, which may ask a replica."""

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """One connection for a few statements."""

    def snapshot(self) -> AbstractAsyncContextManager[Connection]:
        """One connection whose statements all see the same instant."""


class Position(NamedTuple):
    """How far the primary has written, and which primary it is."""

    lsn: int
    timeline: int
    system: int
    database: str


class Positions:
    """Asks the primary for its position: one statement for all reads that wait for one."""

    def __init__(self, primary: Database) -> None:
        self._primary = primary
        self._running: asyncio.Task[Position | str] | None = None
        self._next: asyncio.Task[Position | str] | None = None

    async def now(self) -> Position:
        """A position that the primary had after this call.

        Raises: StoreUnavailable
        """
        if self._next is None:
            self._next = asyncio.create_task(self._fetch(self._running))
        found = await asyncio.shield(self._next)
        if isinstance(found, str):
            raise StoreUnavailable(found)
        return found

    async def _fetch(self, before: asyncio.Task[Position | str] | None) -> Position | str:
        """The position, or why there is none."""
        if before is not None:
            await asyncio.wait([before])
        # A read that comes from now on could have seen something newer.
        self._running, self._next = self._next, None
        try:
            async with self._primary.connection() as connection:
                with translated_all():
                    row = await connection.fetchrow(_POSITION)
        except StoreError as error:
            return str(error)
        assert row is not None
        return Position(row["lsn"], row["timeline"], row["system"], row["database"])


class Replica:
    """A replica of the primary. `why_left_out` says why no read goes to it now; empty: reads go to it."""

    def __init__(self, database: Database, primary: Database) -> None:
        self.why_left_out = UNASKED
        self._database = database
        self._positions = Positions(primary)
        self.behind_s = 0.0

    @classmethod
    async def open(cls, url: str, primary: Database) -> Replica:
        """Connects later: a node starts without its replica."""
        # One more than for the reads of clients: an export.
        pool_size = READS_POOL_SIZE + 1
        database = await Database.open(url, role=REQUEST_ROLE, pool_size=pool_size, name="replica", is_replica=True)
        return cls(database, primary)

    async def run(self) -> None:
        """Looks once a second whether the replica can be read, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    @asynccontextmanager
    async def reserved(self) -> AsyncIterator[Connection | None]:
        """A connection to the replica, which has all that the primary had at this moment; None: read the primary.

        Raises: ReplicaLost: the replica went away within the block
        """
        connection = None
        try:
            async with AsyncExitStack() as stack:
                connection = None if self.why_left_out else await self._reserve(stack)
                REPLICA_READS.labels("primary" if connection is None else "replica").inc()
                yield connection
        except StoreUnavailable as error:
            # A statement that takes too long would take as long at the primary.
            if connection is None or isinstance(error.__cause__, asyncpg.QueryCanceledError):
                raise
            self._leave_out(f"it failed: {error}")
            raise ReplicaLost(str(error)) from error

    async def close(self) -> None:
        """Closes every connection."""
        await self._database.close()

    async def _reserve(self, stack: AsyncExitStack) -> Connection | None:
        position = await self._positions.now()
        try:
            async with AsyncExitStack() as trial:
                async with asyncio.timeout(RESERVE_S_MAX):
                    connection = await trial.enter_async_context(self._database.connection())
                    why = await _why_unfit(connection, position, BEHIND_S_MAX)
                if not why:
                    stack.push_async_exit(trial.pop_all())
                    return connection
        except (TimeoutError, StoreError) as error:
            why = _why_silent(error)
        self._leave_out(why)
        return None

    async def look(self) -> None:
        """Finds out whether reads may go to it now."""
        try:
            async with asyncio.timeout(LOOK_S_MAX):
                position = await self._positions.now()
                async with self._database.connection() as connection:
                    started_s = time.monotonic()
                    why = await _why_unfit(connection, position, MEASURED_S_MAX)
                    self.behind_s = time.monotonic() - started_s
        except (TimeoutError, StoreError) as error:
            why = _why_silent(error)
        if not why and self.behind_s > BEHIND_S_MAX:
            why = f"it is {self.behind_s:.1f} s behind the primary"
        REPLICA_BEHIND_SECONDS.set(self.behind_s)
        if why:
            self._leave_out(why)
            # The next look connects anew: the primary and the replica may have changed places.
            await self._database.renew()
        elif self.why_left_out:
            log.info("replica.in_use")
            self.why_left_out = ""
            REPLICA_LEFT_OUT.set(0)

    def _leave_out(self, why: str) -> None:
        """Sends all reads to the primary, until the next look finds the replica well."""
        if self.why_left_out in ("", UNASKED):
            log.warning("replica.left_out", reason=why)
        self.why_left_out = why
        REPLICA_LEFT_OUT.set(1)


class Reads:
    """Where clients' reads of public rows go: to the replica, or to the primary while there is none or it is not up to date."""

    def __init__(self, primary: Database, replica: Replica | None = None) -> None:
        self._primary = primary
        self.replica = replica

    @property
    def why_replica_left_out(self) -> str:
        """Why no read goes to the replica now; empty: there is none, or reads go to it."""
        return "" if self.replica is None else self.replica.why_left_out

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One connection for a few statements, which read only."""
        if self.replica is None:
            async with self._primary.connection() as connection:
                yield connection
            return
        async with self.replica.reserved() as reserved, AsyncExitStack() as stack:
            yield await stack.enter_async_context(self._primary.connection()) if reserved is None else reserved

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """One connection whose statements all see the same instant; read-only."""
        if self.replica is None:
            async with self._primary.snapshot() as connection:
                yield connection
            return
        async with self.replica.reserved() as reserved, AsyncExitStack() as stack:
            if reserved is None:
                yield await stack.enter_async_context(self._primary.snapshot())
            else:
                await stack.enter_async_context(reserved.transaction(isolation="repeatable_read", readonly=True))
                yield reserved

    async def close(self) -> None:
        """Closes every connection."""
        if self.replica is not None:
            await self.replica.close()
        await self._primary.close()


def _why_silent(error: Exception) -> str:
    if isinstance(error.__cause__, asyncpg.TargetServerAttributeNotMatched):
        return NO_REPLICA
    return f"it does not answer: {reason(error)}"


async def _why_unfit(connection: Connection, position: Position, patience_s: float) -> str:
    """Waits until this server has replayed a position of the primary; the reason when it does not; empty: it has.

    Raises: StoreError
    """
    deadline_s = time.monotonic() + patience_s
    pause_s = POLL_S
    with translated_all():
        while True:
            row = await connection.fetchrow(_STANDING)
            assert row is not None
            if (row["system"], row["database"]) != (position.system, position.database):
                return "it is another database than DATABASE_URL"
            if not row["is_replica"]:
                return NO_REPLICA
            if row["timeline"] == position.timeline and (row["lsn"] or 0) >= position.lsn:
                return ""
            if time.monotonic() >= deadline_s:
                break
            await asyncio.sleep(pause_s)
            pause_s *= 2
    if row["timeline"] != position.timeline:
        return "it has not followed the new primary yet"
    return f"it is behind the primary by {position.lsn - (row['lsn'] or 0)} bytes"
