"""Shows move with the calendar: upcoming, live, finished."""

from __future__ import annotations

from datetime import datetime

from server.catalog.shows import queries
from server.store.database import Database


async def advance(db: Database, now: datetime) -> int:
    """Moves every show whose time has come; the rest is not touched, so calling it often costs one read.

    Gives: how many shows moved; each notifies the nodes through its revision
    """
    async with db.connection() as connection:
        return len([row async for row in queries.advance_shows(connection, instant=now)])
