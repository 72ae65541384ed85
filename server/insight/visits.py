"""Writes how many connections began to watch each show: the visits that statistics compare with voters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from server.errors import StoreError
from server.insight.queries import statistics as queries
from server.store.database import Database
from server.store.finishing import to_its_end

log = structlog.get_logger()

WRITE_EVERY_S = 10.0


class Visits:
    """Takes: db, with the writer's rights; take, gives the visits of this node since its last call."""

    def __init__(self, db: Database, take: Callable[[], dict[int, int]]) -> None:
        self._db = db
        self._take = take
        self._unwritten: dict[int, int] = {}

    async def run(self, *, interval_s: float = WRITE_EVERY_S) -> None:
        """Writes until cancelled, and once more at the end."""
        try:
            while True:
                await asyncio.sleep(interval_s)
                await to_its_end(self.write())
        finally:
            await to_its_end(self.write())

    async def write(self) -> None:
        """Writes the visits since the last time. Without PostgreSQL they are kept: one number for each show."""
        for show_id, count in self._take().items():
            self._unwritten[show_id] = self._unwritten.get(show_id, 0) + count
        if not self._unwritten:
            return
        writing, self._unwritten = self._unwritten, {}
        try:
            async with self._db.connection() as connection:
                await queries.add_visits(connection, show_ids=list(writing), visits=list(writing.values()))
        except StoreError as error:
            self._unwritten = writing
            log.info("visits.not_written", error=str(error))
