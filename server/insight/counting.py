"""What chores add up for the statistics of votes: the votes and voters that the writer has noted, and whole scopes."""

from __future__ import annotations

import time
from typing import Any

import structlog

from server.errors import StoreError
from server.insight.queries import statistics as queries
from server.store.chores import Chore
from server.store.database import translated_all

log = structlog.get_logger()

COUNT_EVERY_S = 1.0
BEST_VOTERS_EVERY_S = 600.0
SONG_HOURS_EVERY_S = 60.0
VOTERS_AT_ONCE_MAX = 20_000
SCOPES_AT_ONCE_MAX = 100
# A scope that cannot be counted again waits so long, so that the others have their turn.
RECOUNT_RETRY_S = 300.0


async def count_votes(connection: Any) -> None:
    """Counts the votes and voters that the writer has noted, until few are left."""
    while await queries.count_votes(connection, most=VOTERS_AT_ONCE_MAX) == VOTERS_AT_ONCE_MAX:
        pass


class Recounts:
    """Counts the voters of scopes again whose shows have changed. Each has a transaction of its own, so a failure stops no other."""

    def __init__(self) -> None:
        self._retry_s: dict[tuple[str, int], float] = {}  # scopes that failed -> when they are tried again

    async def run(self, connection: Any) -> None:
        """Counts the scopes that wait, the platform last.

        Raises: StoreUnavailable
        """
        failed = [scope for scope, retry_s in self._retry_s.items() if retry_s > time.monotonic()]
        waiting = queries.scopes_to_recount(
            connection, scopes=[scope for scope, _ in failed], scope_ids=[of for _, of in failed],
            count=SCOPES_AT_ONCE_MAX,
        )  # fmt: skip
        for row in [row async for row in waiting]:
            scope: tuple[str, int] = (row["scope"], row["scope_id"])
            self._retry_s.pop(scope, None)
            try:
                with translated_all():
                    await queries.recount_scope(connection, scope=scope[0], scope_id=scope[1])
            except StoreError as error:
                if connection.is_closed():
                    raise
                log.warning("statistics.not_recounted", scope=scope[0], id=scope[1], error=str(error))
                self._retry_s[scope] = time.monotonic() + RECOUNT_RETRY_S


COUNTING = Chore("votes_to_count", COUNT_EVERY_S, count_votes)
RECOUNTING = Chore("scopes_to_recount", COUNT_EVERY_S, Recounts().run)
BEST_VOTERS = Chore("best_voters", BEST_VOTERS_EVERY_S, queries.refresh_best_voters)
SONG_HOURS = Chore("song_hours", SONG_HOURS_EVERY_S, queries.note_song_hours)
CHORES = (COUNTING, RECOUNTING, BEST_VOTERS, SONG_HOURS)
