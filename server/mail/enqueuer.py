"""What is to be said: looks once a minute for shows that are new, near or decided, and queues letters about them.

Any number of nodes may look: one at a time does, and nothing is ever queued twice for the same user, kind and show. No
mark is kept of how far anybody has looked: what is new is new for 24 hours. What happened while no node with SMTP_URL
ran for longer than that is not told.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from server.clock import Clock
from server.errors import StoreError
from server.protocol.instants import from_ms
from server.store.database import Database
from server.store.queries import load_queries
from server.telemetry import LETTERS_DUE, LETTERS_QUEUED

log = structlog.get_logger()

LOOK_INTERVAL_S = 60.0
QUEUED_AT_ONCE_MAX = 5_000

queries = load_queries(Path(__file__).parent / "queries.sql")


class Queueing:
    """Runs on every node that can send.

    Takes:  database, the owner's
    Cancel: between or inside transactions
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._looks: dict[str, Any] = {
            "show_announced": queries.queue_announcements,
            "show_reminder": queries.queue_reminders,
            "show_result": queries.queue_results,
        }

    async def run(self) -> None:
        """Looks until cancelled; a database that is away is waited for."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_INTERVAL_S)

    async def look(self) -> None:
        """Queues everything there is to say now."""
        for kind, queue in self._looks.items():
            try:
                queued = await self._queue_all(queue)
            except StoreError as error:
                # One that takes too long does not keep the others back.
                log.warning("mail.not_queued", kind=kind, error=str(error))
                continue
            if queued:
                LETTERS_QUEUED.labels(kind).inc(queued)
                log.info("mail.queued", kind=kind, count=queued)
        try:
            async with self._database.connection() as connection:
                LETTERS_DUE.set(await queries.count_waiting(connection, instant=self._now()))
        except StoreError as error:
            log.warning("mail.not_counted", error=str(error))

    async def _queue_all(self, queue: Any) -> int:
        total = 0
        while True:
            async with self._database.transaction() as connection:
                if not await queries.try_queueing(connection):
                    return total
                queued: int = await queue(connection, instant=self._now(), count=QUEUED_AT_ONCE_MAX)
            total += queued
            if queued < QUEUED_AT_ONCE_MAX:
                return total

    def _now(self) -> datetime:
        return from_ms(self._clock.now_ms())
