"""Reads recent activity: shows announced, live, cancelled or final, songs played, round numbers of votes and followers."""

from __future__ import annotations

from server.insight.queries import activity as queries
from server.store.database import Database


async def fetch_activity(db: Database, count: int) -> tuple[int, list[tuple[int, bytes]]]:
    """The newest position, and the last events, oldest first: the position and the JSON of each.

    Raises: StoreUnavailable
    """
    async with db.connection() as connection:
        # At least one row: without events it has only the newest position.
        rows = [row async for row in queries.fetch_activity(connection, count=count)]
    events = [(row["position"], row["event"].encode()) for row in reversed(rows) if row["position"] is not None]
    return rows[0]["at"], events


async def fetch_activity_position(db: Database) -> int:
    """The newest position.

    Raises: StoreUnavailable
    """
    async with db.connection() as connection:
        position: int = await queries.activity_position(connection)
    return position
