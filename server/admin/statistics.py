"""Statistics of PostgreSQL and of our tables, and the platform's numbers by day."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec
import structlog

from server.admin.queries import statistics as queries
from server.errors import StoreError, StoreUnavailable
from server.store.chores import Chore
from server.store.database import Database, translated_all

if TYPE_CHECKING:
    from server.store.database import Connection

log = structlog.get_logger()

DAYS_SHOWN = 30
LOCKS_SHOWN_MAX = 50
STATEMENTS_SHOWN = 20
# Reading sizes waits for a session that holds an exclusive lock. The list of locks is more urgent then, so the wait is short.
SIZES_LOCK_TIMEOUT = "300ms"
STATS_EVERY_S = 600.0
PARTITIONS_EVERY_S = 86_400.0
PARTITION_MONTHS_AHEAD = 3


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """The PostgreSQL server and this database. Counts start at `counted_since`; null: when the database was created."""

    version: str
    database: str
    started_at: dt.datetime
    connections_max: int
    size_bytes: int
    commits: int
    rollbacks: int
    deadlocks: int
    temp_bytes: int
    counted_since: dt.datetime | None
    cache_hit_rate: float | None


class TableStats(msgspec.Struct, frozen=True, kw_only=True):
    """One table or partition. The sizes are null while a table is locked exclusively."""

    name: str
    rows_estimate: int
    dead_rows_estimate: int
    table_bytes: int | None
    index_bytes: int | None
    sequential_scans: int
    index_scans: int
    last_vacuum_at: dt.datetime | None
    last_autovacuum_at: dt.datetime | None
    last_analyze_at: dt.datetime | None
    last_autoanalyze_at: dt.datetime | None


class IndexStats(msgspec.Struct, frozen=True, kw_only=True):
    """One index. It is unused when it was never scanned and no constraint needs it. `bytes` is null when tables have no sizes."""

    name: str
    table: str
    bytes: int | None
    scans: int
    is_unused: bool
    is_valid: bool


class ConnectionCount(msgspec.Struct, frozen=True, kw_only=True):
    """Connections to this database. `state` is null for connections of another user, because we may not see it."""

    state: str | None
    application: str | None
    count: int


class Standby(msgspec.Struct, frozen=True, kw_only=True):
    """A server that replicates this one."""

    name: str | None
    state: str | None
    sync_state: str | None
    lag_bytes: int | None
    lag_s: float | None


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A replication slot, and the size of the write-ahead log that is kept for it."""

    name: str
    type: str
    is_active: bool
    kept_bytes: int | None


class Replication(msgspec.Struct, frozen=True, kw_only=True):
    """The servers that replicate this one, and the replication slots."""

    standbys: list[Standby]
    slots: list[Slot]


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """A running transaction."""

    pid: int
    application: str | None
    state: str | None
    age_s: float
    query: str | None


class WaitingLock(msgspec.Struct, frozen=True, kw_only=True):
    """A session that waits for a lock, and the sessions that hold it."""

    pid: int
    type: str
    mode: str
    relation: str | None
    waiting_s: float | None
    blocked_by: list[int]
    query: str | None


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A statement without its parameters, and its total time."""

    query: str | None
    calls: int
    total_ms: float
    mean_ms: float
    max_ms: float
    rows: int
    cache_hit_rate: float | None


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of a day (UTC). The comments on the table platform_stats explain them."""

    day: dt.date
    user_count: int
    new_user_count: int
    vote_count: int
    withdrawn_count: int
    voted_show_count: int
    new_follow_count: int
    new_going_count: int
    new_review_count: int
    show_count: int
    refreshed_at: dt.datetime


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of the database. `slowest_statements` is null when this server does not count statements."""

    server: Server
    tables: list[TableStats]
    indexes: list[IndexStats]
    connections: list[ConnectionCount]
    replication: Replication
    longest_transaction: Transaction | None
    locks_waiting: list[WaitingLock]
    slowest_statements: list[Statement] | None
    migrations: list[str]


async def fetch_statistics(db: Database) -> Statistics:
    """Reads all statistics, one query after the other, so they are not of one instant.

    Takes:  db, the database of the owner
    Raises: StoreUnavailable
    """
    sizes = await _sizes(db)
    async with db.connection() as connection:
        longest = await queries.longest_transaction(connection)
        server = await queries.server(connection)
        return Statistics(
            server=Server(**server),
            tables=[
                TableStats(
                    **row,
                    table_bytes=sizes.get(row["name"], (None, None))[0],
                    index_bytes=sizes.get(row["name"], (None, None))[1],
                )
                async for row in queries.tables(connection)
            ],
            indexes=[
                IndexStats(**row, bytes=sizes.get(row["name"], (None, None))[0])
                async for row in queries.indexes(connection)
            ],
            connections=[ConnectionCount(**row) async for row in queries.connections(connection)],
            replication=Replication(
                standbys=[Standby(**row) async for row in queries.standbys(connection)],
                slots=[Slot(**row) async for row in queries.slots(connection)],
            ),
            longest_transaction=None if longest is None else Transaction(**longest),
            locks_waiting=[
                WaitingLock(**row) async for row in queries.waiting_locks(connection, count=LOCKS_SHOWN_MAX)
            ],
            slowest_statements=await _slowest_statements(connection),
            migrations=[row["version"] async for row in queries.applied_migrations(connection)],
        )


async def fetch_days(db: Database) -> list[Day]:
    """Reads the last DAYS_SHOWN days, the newest first.

    Raises: StoreUnavailable
    """
    async with db.connection() as connection:
        return [Day(**row) async for row in queries.platform_days(connection, count=DAYS_SHOWN)]


async def _sizes(db: Database) -> dict[str, tuple[int | None, int | None]]:
    """Reads name -> (bytes, bytes of a table's indexes) of tables and indexes; empty: one of them is locked exclusively."""
    try:
        async with db.transaction() as connection:
            async for _ in queries.set_lock_timeout(connection, lock_timeout=SIZES_LOCK_TIMEOUT):
                pass
            return {row["name"]: (row["bytes"], row["index_bytes"]) async for row in queries.sizes(connection)}
    except StoreUnavailable as error:
        log.info("statistics.no_sizes", reason=str(error))
        return {}


async def _slowest_statements(connection: Connection) -> list[Statement] | None:
    try:
        with translated_all():
            rows = queries.slowest_statements(connection, count=STATEMENTS_SHOWN)
            return [Statement(**row) async for row in rows]
    except StoreError as error:
        # The extension does not exist in this database, or the server was started without it.
        log.debug("statements.not_counted", reason=str(error))
        return None


async def _refresh_days(connection: Connection) -> None:
    async for _ in queries.refresh_platform_stats(connection):
        pass


async def ensure_partitions(connection: Connection) -> int:
    """Creates the coming months' partitions of the vote history; gives the number of new ones."""
    created: int = await queries.ensure_partitions(connection, months=PARTITION_MONTHS_AHEAD)
    return created


CHORES = (
    Chore("platform_stats", STATS_EVERY_S, _refresh_days),
    Chore("partitions", PARTITIONS_EVERY_S, ensure_partitions),
)
