"""The numbers that the channels of artists and shows publish: followers of an artist, attendances of a show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from server.people.queries import relation_counts as queries
from server.store.database import Database

# id -> (position, count)
RelationCounts = dict[int, tuple[int, int]]


async def fetch_follower_counts(db: Database, artist_ids: Iterable[int]) -> RelationCounts:
    """Fetches the follower counts of artists. An artist that does not exist is left out.

    Raises: StoreUnavailable
    """
    return await _fetch(db, queries.follower_counts, artist_ids)


async def fetch_attendance_counts(db: Database, show_ids: Iterable[int]) -> RelationCounts:
    """Fetches the attendance counts of shows. A show that does not exist is left out.

    Raises: StoreUnavailable
    """
    return await _fetch(db, queries.attendance_counts, show_ids)


async def _fetch(db: Database, select: Any, ids: Iterable[int]) -> RelationCounts:
    async with db.connection() as connection:
        return {row["id"]: (row["at"], row["count"]) async for row in select(connection, ids=list(ids))}
