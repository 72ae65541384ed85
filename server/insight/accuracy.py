"""How well the crowd and each voter foresaw a show: made anew whenever its sets change, by one node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from server.store.chores import Chore
from server.store.queries import load_queries

SCORE_EVERY_S = 1.0
REASONS_MAX = 100
# As the statement_timeout in accuracy.sql, and a little more, so that the server gives up first.
SCORE_TIMEOUT_S = 61.0

queries = load_queries(Path(__file__).with_name("accuracy.sql"))


async def score_shows(connection: Any) -> None:
    """Makes the scores of the shows anew that have waited longest, and tells all nodes of each."""
    waiting = [row async for row in queries.shows_to_score(connection, count=REASONS_MAX)]
    for show in waiting:
        async with connection.transaction():
            await queries.allow_a_minute(connection)
            await connection.execute(queries.score_show.sql, show["show_id"], timeout=SCORE_TIMEOUT_S)
            # Last: whoever counts votes of this show waits for it no longer than a commit takes.
            await queries.tell_of_score(connection, show_id=show["show_id"], up_to=show["up_to"])


SCORING = Chore("accuracy", SCORE_EVERY_S, score_shows)
