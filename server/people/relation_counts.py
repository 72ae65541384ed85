"""How many follow an artist, how many go to a show: what their channels show."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from server.store.database import Database
from server.store.queries import load_queries

queries = load_queries(Path(__file__).with_name("relation_counts.sql"))

# By id: position, and how many.
RelationCounts = dict[int, tuple[int, int]]


async def fetch_followers(db: Database, artist_ids: Iterable[int]) -> RelationCounts:
    """Followers of artists; who is not there is left out.

    Raises: StoreUnavailable
    """
    return await _fetch(db, queries.fetch_followers, artist_ids)


async def fetch_going(db: Database, show_ids: Iterable[int]) -> RelationCounts:
    """How many go to shows; what is not there is left out.

    Raises: StoreUnavailable
    """
    return await _fetch(db, queries.fetch_going, show_ids)


async def _fetch(db: Database, select: Any, ids: Iterable[int]) -> RelationCounts:
    async with db.connection() as connection:
        return {row["id"]: (row["at"], row["count"]) async for row in select(connection, ids=list(ids))}
