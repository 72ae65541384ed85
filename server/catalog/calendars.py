"""The shows of an artist, for a calendar that subscribes to them."""

from __future__ import annotations

from datetime import datetime

from server.catalog.artists_venues_songs import merged_into
from server.catalog.queries import calendars as queries
from server.catalog.queries import catalogue as catalogue_queries
from server.errors import Refused
from server.protocol.calendars import PAST, SHOWS_MAX, CalendarShow, show_of_row
from server.protocol.codes import Code
from server.protocol.http.parameters import Reference
from server.store.reads import Readable


async def fetch_calendar_of_artist(
    db: Readable, reference: Reference, *, now: datetime
) -> tuple[str, list[CalendarShow]]:
    """The name of an artist, and the shows of the artist's calendar.

    Raises: Refused: not_found
    """
    async with db.snapshot() as connection:
        row = await catalogue_queries.artist_by_reference(connection, id=reference.id, slug=reference.slug)
        if row is None and (now_id := await merged_into(connection, "artist", reference)) is not None:
            row = await catalogue_queries.artist_by_reference(connection, id=now_id, slug=None)
        if row is None:
            raise Refused(Code.NOT_FOUND, "No such artist. Check its id or slug.")
        shows = queries.shows_of_artist(connection, artist_id=row["id"], since=now - PAST, count=SHOWS_MAX)
        return row["name"], [show_of_row(show) async for show in shows]
