"""The age of the newest backup: noted by `mysetlist backup`, shown on the console and in the metrics."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING

import msgspec
import structlog

from server.admin.queries import backups as queries
from server.errors import StoreError
from server.protocol.vitals import Fact
from server.store.database import Database, translated_all
from server.store.named_queries import columns
from server.telemetry import BACKUP_AGE_MAX_SECONDS, BACKUP_AGE_SECONDS

if TYPE_CHECKING:
    from server.store.database import Connection

log = structlog.get_logger()

READ_EVERY_S = 60.0
NAME_CHARS_MAX = 255
COUNT_TIMEOUT_S = 600.0


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup: when it was complete and on which host, the name of its file without its folder."""

    made_at: dt.datetime
    age_s: float
    file_name: str
    size_bytes: int
    host: str


class BackupState(msgspec.Struct, frozen=True, kw_only=True):
    """The newest backup that `mysetlist backup` noted; null: none. `is_overdue`: it is older than `age_max_s`."""

    newest: Backup | None
    age_max_s: int
    is_overdue: bool


class TableCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How much a database has of what people would miss. `newest_cast`: when it was committed; null: there is none."""

    accounts: int
    artists: int
    shows: int
    songs_of_sets: int
    votes: int
    casts: int
    newest_cast: dt.datetime | None


class Backups:
    """Knows the newest backup. Takes: database, of the owner; age_max_s, from which on it is overdue."""

    def __init__(self, database: Database, age_max_s: int) -> None:
        self._database = database
        self._age_max_s = age_max_s

    async def run(self) -> None:
        """Sets the metrics until cancelled. While PostgreSQL is away, they stay as they are."""
        BACKUP_AGE_MAX_SECONDS.set(self._age_max_s)
        while True:
            try:
                async with self._database.connection() as connection:
                    newest = (await self.fetch(connection)).newest
                BACKUP_AGE_SECONDS.set(newest.age_s if newest else 0)
            except StoreError as error:
                log.info("backups.not_read", reason=str(error))
            await asyncio.sleep(READ_EVERY_S)

    async def fetch(self, connection: Connection) -> BackupState:
        """The newest backup. Raises: StoreUnavailable."""
        row = await queries.newest_backup(connection)
        newest = None if row is None else Backup(**columns(row))
        is_overdue = newest is not None and newest.age_s > self._age_max_s
        return BackupState(newest=newest, age_max_s=self._age_max_s, is_overdue=is_overdue)


def fact_of(state: BackupState) -> Fact:
    """By how many hours the newest backup is overdue. Without any, backups may be made in another way."""
    newest = state.newest
    if newest is None or not state.is_overdue:
        return Fact("backup_overdue_h", 0.0)
    detail = f"it is {newest.age_s / 3600:.0f} hours old, and may be {state.age_max_s / 3600:.0f}. Host {newest.host} wrote {newest.file_name}"
    return Fact("backup_overdue_h", (newest.age_s - state.age_max_s) / 3600, detail=detail)


async def table_counts(database_url: str) -> TableCounts:
    """Counts a database. Raises: StoreError."""
    database = await Database.open(database_url, pool_size=1, timeout_s=COUNT_TIMEOUT_S)
    try:
        with translated_all():
            async with database.connection() as connection:
                row = await queries.table_counts(connection)
    finally:
        await database.close()
    assert row is not None
    return TableCounts(**columns(row))


async def note_backup(database_url: str, *, file_name: str, size_bytes: int, host: str) -> None:
    """Notes a backup whose file is complete. Raises: StoreError."""
    database = await Database.open(database_url, pool_size=1)
    try:
        with translated_all():
            async with database.connection() as connection:
                await queries.insert_backup(
                    connection, file_name=file_name[:NAME_CHARS_MAX], size_bytes=size_bytes, host=host[:NAME_CHARS_MAX]
                )
    finally:
        await database.close()
