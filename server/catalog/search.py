"""Searching in everything at once."""

from __future__ import annotations

from datetime import datetime
from typing import get_args

from server.catalog.artists_venues_songs import artist_item, song_item, venue_item
from server.catalog.documents import EntryKind, SearchResults
from server.catalog.parameters import SearchQuery
from server.catalog.search_filters import choose_filters, queries
from server.catalog.shows import list_matching_shows
from server.store.database import Database


async def search(db: Database, query: SearchQuery, *, now: datetime) -> SearchResults:
    """What is called like that, best first of each kind; shows in the order of their list.

    Raises: Refused: bad_request
    """
    kinds: tuple[EntryKind, ...] = (query.kind,) if query.kind else get_args(EntryKind)
    found = SearchResults(artists=[], songs=[], venues=[], shows=[])
    async with db.connection() as connection:
        wanted = await choose_filters(connection, query.q, kinds)
        if "artists" in wanted:
            rows = queries.best_artists(connection, q=query.q, count=query.limit, **wanted["artists"].parameters())
            found["artists"] = [artist_item(row) async for row in rows]
        if "songs" in wanted:
            rows = queries.best_songs(connection, count=query.limit, **wanted["songs"].parameters())
            found["songs"] = [song_item(row) async for row in rows]
        if "venues" in wanted:
            rows = queries.best_venues(connection, q=query.q, count=query.limit, **wanted["venues"].parameters())
            found["venues"] = [venue_item(row) async for row in rows]
        if "shows" in wanted:
            found["shows"] = await list_matching_shows(connection, wanted["shows"], count=query.limit, now=now)
    return found
