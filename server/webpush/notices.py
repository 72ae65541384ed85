"""Makes notices: finds the fans to tell of a show, each once for a kind and show, or for a song, and queues a delivery for each of their devices.

Any number of nodes may run this; one at a time makes notices. Nothing is remembered between two runs, so what no node saw is made
by the next run, as long as it is still worth telling.
"""

from __future__ import annotations

import structlog

from server.clock import Clock, utc_now
from server.store.database import Database
from server.telemetry import WEBPUSH_NOTICES
from server.webpush.queries import notices as queries
from server.webpush.texts import Kind

log = structlog.get_logger()

SONGS_EVERY_S = 5.0
SHOWS_EVERY_S = 60.0
BATCH_FANS_MAX = 5_000
CLOSES_BEFORE_S = 30 * 60.0
BEGINS_WITHIN_S = 15 * 60.0
SONG_WITHIN_S = 120.0
# Shorter than a song. When many are marked at once, a fan is told of few.
SONG_PAUSE_S = 120.0


class Notices:
    """Runs inside the sender of every node. Takes: database, of the owner; batch_max, fans in one statement."""

    def __init__(self, database: Database, clock: Clock, *, batch_max: int = BATCH_FANS_MAX) -> None:
        self._database = database
        self._clock = clock
        self._batch_max = batch_max
        self._songs_due_s = self._shows_due_s = float("-inf")

    async def make_due(self) -> None:
        """Makes the notices whose turn it is.

        Raises: StoreError
        """
        now_s = self._clock.monotonic_s()
        kinds: list[Kind] = []
        if now_s >= self._shows_due_s:
            self._shows_due_s = now_s + SHOWS_EVERY_S
            kinds += ["voting_closes", "show_begins"]
        if now_s >= self._songs_due_s:
            self._songs_due_s = now_s + SONGS_EVERY_S
            kinds += ["song_on"]
        for kind in kinds:
            count = await self._make(kind)
            if count:
                WEBPUSH_NOTICES.labels(kind).inc(count)
                log.info("webpush.noticed", kind=kind, count=count)

    async def _make(self, kind: Kind) -> int:
        total = 0
        while True:
            async with self._database.transaction() as connection:
                # Without devices nothing is looked for. Another node that has the lock makes them.
                if not await queries.has_devices(connection) or not await queries.try_lock_notices(connection):
                    return total
                count: int = await queries.make_notices(
                    connection,
                    kind=kind,
                    instant=utc_now(self._clock),
                    closes_before_s=CLOSES_BEFORE_S,
                    begins_within_s=BEGINS_WITHIN_S,
                    song_within_s=SONG_WITHIN_S,
                    song_pause_s=SONG_PAUSE_S,
                    count=self._batch_max,
                )
            total += count
            if count < self._batch_max:
                return total
