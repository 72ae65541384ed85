"""Reading artists and venues: plain lists by slug, and each with its next shows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from server.catalog.parameters import ListQuery, search_patterns
from server.catalog.places import SlugPlace
from server.catalog.shows import Json, list_next_shows, queries
from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.cursors import decode_cursor, encode_cursor
from server.protocol.parameters import Reference
from server.store.database import Database


async def list_artists(db: Database, query: ListQuery) -> Json:
    """A page of artists, by slug.

    Raises: Refused: bad_request
    """
    return await _list(db, queries.list_artists, query)


async def list_venues(db: Database, query: ListQuery) -> Json:
    """A page of venues, by slug; searched by name, city and region.

    Raises: Refused: bad_request
    """
    return await _list(db, queries.list_venues, query)


async def fetch_artist(db: Database, wanted: Reference, *, now: datetime) -> Json:
    """An artist with the next shows.

    Raises: Refused: not_found
    """
    async with db.snapshot() as connection:
        row = await queries.artist_by_reference(connection, id=wanted.id, slug=wanted.slug)
        if row is None:
            raise Refused(Code.NOT_FOUND, "No such artist.")
        shows = await list_next_shows(connection, artist=Reference(row["id"], None), now=now)
    return dict(row) | {"shows": shows}


async def fetch_venue(db: Database, wanted: Reference, *, now: datetime) -> Json:
    """A venue with its next shows.

    Raises: Refused: not_found
    """
    async with db.snapshot() as connection:
        row = await queries.venue_by_reference(connection, id=wanted.id, slug=wanted.slug)
        if row is None:
            raise Refused(Code.NOT_FOUND, "No such venue.")
        shows = await list_next_shows(connection, venue=Reference(row["id"], None), now=now)
    return dict(row) | {"shows": shows}


async def _list(db: Database, select: Any, query: ListQuery) -> Json:
    after = decode_cursor(query.cursor, SlugPlace) if query.cursor else None
    patterns = search_patterns(query.q)
    async with db.connection() as connection:
        rows = [
            dict(row)
            async for row in select(
                connection, patterns=patterns, after_slug=after.slug if after else None, count=query.limit + 1
            )
        ]
    page = rows[: query.limit]
    following = encode_cursor(SlugPlace(page[-1]["slug"])) if len(rows) > query.limit else None
    return {"items": page, "next": following}
