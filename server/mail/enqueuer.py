"""Enqueues emails: looks once a minute for shows that are new, start soon, are final, cancelled or moved, and adds rows to the email queue.

Any number of nodes may run this. One node at a time enqueues, and no combination of user, kind and show is enqueued
twice. No progress is stored: an event counts as new for 24 hours. If no node with SMTP_URL runs for longer than that, the
events in between are not announced.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import structlog

from server.clock import Clock, utc_now
from server.errors import StoreError
from server.mail.queries import enqueuer as queries
from server.store.database import Database
from server.telemetry import LETTERS_DUE, LETTERS_QUEUED

log = structlog.get_logger()

ENQUEUE_INTERVAL_S = 60.0
BATCH_ROWS_MAX = 5_000
# An email about a cancelled or moved show waits this long, so that a mistake can be undone.
UNDO_S = 600.0


class EmailEnqueuer:
    """Runs on every node that can send emails.

    Takes:  database, of the owner; batch_max, rows in one statement
    Cancel: at any time; a cancelled transaction is rolled back
    """

    def __init__(self, database: Database, clock: Clock, *, batch_max: int = BATCH_ROWS_MAX) -> None:
        self._database = database
        self._clock = clock
        self._batch_max = batch_max
        self._statements: dict[str, Any] = {
            "show_announced": queries.enqueue_announcements,
            "show_reminder": queries.enqueue_reminders,
            "show_result": queries.enqueue_results,
            "show_news": partial(queries.enqueue_news, undo_s=UNDO_S),
        }

    async def run(self) -> None:
        """Enqueues until cancelled. While PostgreSQL is down, it waits."""
        while True:
            await self.enqueue_all()
            await asyncio.sleep(ENQUEUE_INTERVAL_S)

    async def enqueue_all(self) -> None:
        """Enqueues all emails that are due to be written now."""
        for kind, statement in self._statements.items():
            try:
                count = await self._enqueue(statement)
            except StoreError as error:
                # A statement that takes too long does not stop the other kinds.
                log.warning("mail.not_queued", kind=kind, error=str(error))
                continue
            if count:
                LETTERS_QUEUED.labels(kind).inc(count)
                log.info("mail.queued", kind=kind, count=count)
        try:
            async with self._database.connection() as connection:
                LETTERS_DUE.set(await queries.count_due(connection, instant=utc_now(self._clock)))
        except StoreError as error:
            log.warning("mail.not_counted", error=str(error))

    async def _enqueue(self, statement: Any) -> int:
        total = 0
        while True:
            async with self._database.transaction() as connection:
                # Another node has the lock, and enqueues.
                if not await queries.try_lock_enqueuing(connection):
                    return total
                count: int = await statement(connection, instant=utc_now(self._clock), count=self._batch_max)
            total += count
            if count < self._batch_max:
                return total
