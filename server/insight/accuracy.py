"""Scores how well the crowd and each voter predicted a show. After each change of its sets the show is scored again.

One node at a time does it.
"""

from __future__ import annotations

from typing import Any

import structlog

from server.errors import StoreError
from server.insight.queries import accuracy as queries
from server.store.chores import Chore
from server.store.database import translated_all
from server.store.named_queries import sql_of

log = structlog.get_logger()

SCORE_EVERY_S = 1.0
REASONS_MAX = 100
# A little more than the statement_timeout in accuracy.sql, so that PostgreSQL ends the statement first.
SCORE_TIMEOUT_S = 61.0


async def score_shows(connection: Any) -> None:
    """Scores the shows that have waited longest, and notifies all nodes of each. A show whose scoring fails keeps waiting.

    Raises: StoreError: the connection is gone
    """
    waiting = [row async for row in queries.shows_to_score(connection, count=REASONS_MAX)]
    for show in waiting:
        try:
            with translated_all():
                await _score(connection, show["show_id"], show["up_to"])
        except StoreError as error:
            if connection.is_closed():
                raise
            log.warning("show.not_scored", show=show["show_id"], error=str(error))


async def _score(connection: Any, show_id: int, up_to: int) -> None:
    async with connection.transaction():
        await queries.allow_a_minute(connection)
        await connection.execute(sql_of(queries.score_show), show_id, timeout=SCORE_TIMEOUT_S)
        await queries.put_baseline(connection, show_id=show_id)
        # This comes last, because it locks the show's row: commits of votes then wait only for a moment.
        await queries.tell_of_score(connection, show_id=show_id, up_to=up_to)


SCORING = Chore("accuracy", SCORE_EVERY_S, score_shows)
