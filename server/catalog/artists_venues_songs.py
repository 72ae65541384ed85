"""Reads artists, venues and songs: pages of artists or venues, and one entry with its shows, songs or setlists."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

from server.catalog.cursors import DistanceCursor, SlugCursor
from server.catalog.documents import (
    Artist,
    ArtistItem,
    ArtistName,
    ArtistPage,
    Plays,
    Song,
    SongItem,
    Venue,
    VenueItem,
    VenuePage,
)
from server.catalog.parameters import RADIUS_KM_DEFAULT, ListQuery, NearQuery, parse_near
from server.catalog.queries import catalogue as queries
from server.catalog.queries import merging as merging_queries
from server.catalog.search_filters import choose_filters
from server.catalog.shows import list_next_shows, source_of
from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.http.cursors import cut_page, decode_cursor
from server.protocol.http.parameters import Reference
from server.store.reads import Readable

if TYPE_CHECKING:
    from server.store.database import Connection

RELATED_MAX = 20


async def list_artists(db: Readable, query: ListQuery) -> ArtistPage:
    """A page of artists, ordered by slug.

    Raises: Refused: bad_request
    """
    rows, following = await _list_by_slug(db, "artists", query)
    return {"items": [artist_item(row) for row in rows], "next": following}


async def list_venues(db: Readable, query: NearQuery) -> VenuePage:
    """A page of venues: ordered by slug, or with `near` the nearest first. A search compares name, city and region.

    Raises: Refused: bad_request
    """
    rows, following = await (_list_by_distance(db, query) if query.near else _list_by_slug(db, "venues", query))
    return {"items": [venue_item(row) for row in rows], "next": following}


async def fetch_artist(db: Readable, reference: Reference, *, now: datetime) -> Artist:
    """An artist with the next shows and the songs played most often.

    Raises: Refused: not_found
    """
    async with db.snapshot() as connection:
        row = await find_artist(connection, reference)
        songs = queries.songs_of_artist(connection, artist_id=row["id"], count=RELATED_MAX)
        return {
            **artist_item(row),
            "follower_count": row["follower_count"],
            "show_count": row["show_count"],
            "songs": [{"id": song["id"], "title": song["title"], **_plays(song)} async for song in songs],
            "shows": await list_next_shows(connection, artist_id=row["id"], now=now),
            "sources": [source_of(one) async for one in queries.sources_of_artist(connection, artist_id=row["id"])],
        }


async def fetch_venue(db: Readable, reference: Reference, *, now: datetime) -> Venue:
    """A venue with its next shows and its rating.

    Raises: Refused: not_found
    """
    async with db.snapshot() as connection:
        row = await queries.venue_by_reference(connection, id=reference.id, slug=reference.slug)
        if row is None and (now_id := await merged_into(connection, "venue", reference)) is not None:
            row = await queries.venue_by_reference(connection, id=now_id, slug=None)
        if row is None:
            raise Refused(Code.NOT_FOUND, "No such venue. Check its id or slug.")
        return {
            **venue_item(row),
            "review_count": row["review_count"],
            "rating": row["rating"],
            "shows": await list_next_shows(connection, venue_id=row["id"], now=now),
            "sources": [source_of(one) async for one in queries.sources_of_venue(connection, venue_id=row["id"])],
        }


async def fetch_song(db: Readable, song_id: int) -> Song:
    """A song with the artists who play it most often, and the latest setlists that have it.

    Raises: Refused: not_found
    """
    async with db.snapshot() as connection:
        row = await queries.song_by_id(connection, id=song_id)
        if row is None and (now_id := await merged_into(connection, "song", Reference(song_id, None))) is not None:
            song_id = now_id
            row = await queries.song_by_id(connection, id=song_id)
        if row is None:
            raise Refused(Code.NOT_FOUND, f"No song has the id {song_id}. Search for its title.")
        artists = queries.artists_of_song(connection, song_id=song_id, count=RELATED_MAX)
        setlists = queries.setlists_of_song(connection, song_id=song_id, count=RELATED_MAX)
        votes = await queries.votes_of_song(connection, song_id=song_id)
        return {
            **song_item(row),
            "up": votes["up"],
            "down": votes["down"],
            "artists": [{**_artist_name(artist), **_plays(artist)} async for artist in artists],
            "setlists": [
                {
                    "id": setlist["id"],
                    "type": setlist["type"],
                    "name": setlist["name"],
                    "position": setlist["position"],
                    "up": setlist["up"],
                    "down": setlist["down"],
                    "show": {
                        "id": setlist["show_id"],
                        "slug": setlist["show_slug"],
                        "name": setlist["show_name"],
                        "status": setlist["show_status"],
                        "local_date": setlist["local_date"].isoformat(),
                        "artist": {
                            "id": setlist["artist_id"],
                            "slug": setlist["artist_slug"],
                            "name": setlist["artist_name"],
                        },
                        "venue": {
                            "id": setlist["venue_id"],
                            "slug": setlist["venue_slug"],
                            "name": setlist["venue_name"],
                            "city": setlist["city"],
                        },
                    },
                }
                async for setlist in setlists
            ],
            "sources": [source_of(one) async for one in queries.sources_of_song(connection, song_id=song_id)],
        }


async def find_artist(connection: Connection, reference: Reference) -> Any:
    """The row of an artist named by id or slug, also by those of an entry that was merged into it.

    Raises: Refused: not_found
    """
    row = await queries.artist_by_reference(connection, id=reference.id, slug=reference.slug)
    if row is None and (now_id := await merged_into(connection, "artist", reference)) is not None:
        row = await queries.artist_by_reference(connection, id=now_id, slug=None)
    if row is None:
        raise Refused(Code.NOT_FOUND, "No such artist. Check its id or slug.")
    return row


async def merged_into(connection: Connection, kind: Literal["artist", "venue", "song"], old: Reference) -> int | None:
    """The id to which the old id or slug of a merged entry leads."""
    return await merging_queries.merged_into(connection, kind=kind, old_id=old.id, old_slug=old.slug)


def artist_item(row: Any) -> ArtistItem:
    """An artist as lists show it."""
    return {**_artist_name(row), "genre": row["genre"], "country": row["country"]}


def song_item(row: Any) -> SongItem:
    """A song as lists show it."""
    return {
        "id": row["id"],
        "title": row["title"],
        "artist": {"id": row["artist_id"], "slug": row["artist_slug"], "name": row["artist_name"]},
    }


def venue_item(row: Any) -> VenueItem:
    """A venue as lists show it, with its distance when the row has one."""
    item: VenueItem = {
        "id": row["id"],
        "slug": row["slug"],
        "name": row["name"],
        "city": row["city"],
        "region": row["region"],
        "country": row["country"],
        "latitude": row["latitude"],
        "longitude": row["longitude"],
        "capacity": row["capacity"],
        "time_zone": row["time_zone"],
    }
    distance_km = row.get("distance_km")
    if distance_km is not None:
        item["distance_km"] = round(distance_km, 3)
    return item


async def _list_by_slug(
    db: Readable, kind: Literal["artists", "venues"], query: ListQuery
) -> tuple[list[Any], str | None]:
    select = {"artists": queries.list_artists, "venues": queries.list_venues}[kind]
    after = decode_cursor(query.cursor, SlugCursor).slug if query.cursor else ""
    async with db.connection() as connection:
        search_filter = (await choose_filters(connection, query.q, [kind])).get(kind)
        if search_filter is None:
            return [], None
        rows = [
            row
            async for row in select(connection, after_slug=after, count=query.limit + 1, **search_filter.parameters())
        ]
    return cut_page(rows, query.limit, lambda last: SlugCursor(last["slug"]))


async def _list_by_distance(db: Readable, query: NearQuery) -> tuple[list[Any], str | None]:
    assert query.near is not None
    latitude, longitude = parse_near(query.near)
    after = decode_cursor(query.cursor, DistanceCursor) if query.cursor else None
    async with db.connection() as connection:
        search_filter = (await choose_filters(connection, query.q, ["venues"])).get("venues")
        if search_filter is None:
            return [], None
        rows = [
            row
            async for row in queries.list_venues_near(
                connection,
                latitude=latitude,
                longitude=longitude,
                radius_km=query.radius_km or RADIUS_KM_DEFAULT,
                after_km=after.km if after else -1.0,
                after_id=after.id if after else 0,
                count=query.limit + 1,
                **search_filter.parameters(),
            )
        ]
    return cut_page(rows, query.limit, lambda last: DistanceCursor(last["distance_km"], last["id"]))


def _artist_name(row: Any) -> ArtistName:
    return {"id": row["id"], "slug": row["slug"], "name": row["name"]}


def _plays(row: Any) -> Plays:
    played_on: date | None = row["last_played_on"]
    return {
        "predicted_count": row["predicted_count"],
        "played_count": row["played_count"],
        "last_played_on": None if played_on is None else played_on.isoformat(),
    }
