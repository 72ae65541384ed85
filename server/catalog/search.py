"""Searches artists, songs, venues and shows at once."""

from __future__ import annotations

from datetime import datetime
from typing import get_args

from server.catalog.artists_venues_songs import artist_item, song_item, venue_item
from server.catalog.documents import EntryKind, SearchResults
from server.catalog.parameters import SearchQuery
from server.catalog.queries import search as queries
from server.catalog.search_filters import choose_filters
from server.catalog.shows import list_matching_shows
from server.store.reads import Readable


async def search(db: Readable, query: SearchQuery, *, now: datetime) -> SearchResults:
    """The entries that match the words, the best of each kind first; shows in the order of their list.

    Raises: Refused: bad_request
    """
    kinds: tuple[EntryKind, ...] = (query.kind,) if query.kind else get_args(EntryKind)
    found = SearchResults(artists=[], songs=[], venues=[], shows=[])
    async with db.connection() as connection:
        filters = await choose_filters(connection, query.q, kinds)
        if "artists" in filters:
            artists = queries.best_artists(connection, q=query.q, count=query.limit, **filters["artists"].parameters())
            found["artists"] = [artist_item(row) async for row in artists]
        if "songs" in filters:
            songs = queries.best_songs(connection, count=query.limit, **filters["songs"].parameters())
            found["songs"] = [song_item(row) async for row in songs]
        if "venues" in filters:
            venues = queries.best_venues(connection, q=query.q, count=query.limit, **filters["venues"].parameters())
            found["venues"] = [venue_item(row) async for row in venues]
        if "shows" in filters:
            found["shows"] = await list_matching_shows(connection, filters["shows"], count=query.limit, now=now)
    return found
