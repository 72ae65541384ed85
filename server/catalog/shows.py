"""Reading shows: the list, one show, and what the live side pushes of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from server.catalog.parameters import (
    RADIUS_KM_DEFAULT,
    ShowQuery,
    parse_near,
    search_patterns,
)
from server.catalog.places import ShowPlace
from server.catalog.window import next_change_ms, voting_state
from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.cursors import decode_cursor, encode_cursor
from server.protocol.instants import from_us, iso, ms_of, us_of
from server.protocol.parameters import Reference, parse_reference
from server.protocol.positions import SEQ_BITS
from server.store.database import Database
from server.store.queries import load_queries

if TYPE_CHECKING:
    from server.store.database import Connection

queries = load_queries(Path(__file__).with_name("queries.sql"))

Json = dict[str, Any]
_NOWHERE = Reference(None, None)


class StatusRow(msgspec.Struct, frozen=True):
    """What a show's status follows from; `state` turns it into what clients see at an instant."""

    revision: int
    status: str
    opens_at: datetime
    closes_at: datetime
    is_locked: bool
    is_final: bool
    now_playing: int | None

    def state(self, now: datetime) -> tuple[int, Json]:
        """The state of `status:<show>` at `now`, and its position.

        Gives: (at, state). `at` only grows and is the same on every node: it is the revision, or the edge of the
               window that was passed last, on the scale of log positions
        """
        at = self.revision
        for edge in (self.opens_at, self.closes_at):
            if edge <= now:
                at = max(at, ms_of(edge) << SEQ_BITS)
        voting = voting_state(
            status=self.status,
            opens_at=self.opens_at,
            closes_at=self.closes_at,
            is_locked=self.is_locked,
            is_final=self.is_final,
            now=now,
        )
        return at, {
            "status": self.status,
            "voting": voting,
            "opens_at": iso(self.opens_at),
            "closes_at": iso(self.closes_at),
            "now_playing": self.now_playing,
        }

    def next_change_ms(self, now: datetime) -> int | None:
        """When `state` changes by time alone [ms since 1970]; None: never."""
        return next_change_ms(
            status=self.status, opens_at=self.opens_at, closes_at=self.closes_at, is_final=self.is_final, now=now
        )


async def list_shows(db: Database, query: ShowQuery, *, now: datetime) -> Json:
    """A page of shows: live ones, then upcoming, soonest first; then finished, then cancelled, latest first.

    Walking the cursors gives every show exactly once; only a show whose status changes meanwhile may be missed or
    come twice.

    Raises: Refused: bad_request, a filter or the cursor makes no sense
    """
    async with db.connection() as connection:
        return await _list_shows(
            connection,
            query,
            artist=parse_reference(query.artist) if query.artist else _NOWHERE,
            venue=parse_reference(query.venue) if query.venue else _NOWHERE,
            now=now,
        )


async def list_next_shows(
    connection: Connection, *, artist: Reference = _NOWHERE, venue: Reference = _NOWHERE, now: datetime
) -> list[Json]:
    """The shows of an artist or at a venue that are live or to come, soonest first; at most one page."""
    page = await _list_shows(connection, ShowQuery(), artist=artist, venue=venue, now=now, is_unfinished_only=True)
    items: list[Json] = page["items"]
    return items


async def _list_shows(
    connection: Connection,
    query: ShowQuery,
    *,
    artist: Reference,
    venue: Reference,
    now: datetime,
    is_unfinished_only: bool = False,
) -> Json:
    latitude, longitude = parse_near(query.near) if query.near else (None, None)
    after = decode_cursor(query.cursor, ShowPlace) if query.cursor else None
    rows = [
        row
        async for row in queries.list_shows(
            connection,
            status=query.status,
            artist_id=artist.id,
            artist_slug=artist.slug,
            venue_id=venue.id,
            venue_slug=venue.slug,
            first=query.first,
            last=query.last,
            patterns=search_patterns(query.q),
            latitude=latitude,
            longitude=longitude,
            radius_km=query.radius_km or RADIUS_KM_DEFAULT,
            is_unfinished_only=is_unfinished_only,
            after_group=after.group if after else None,
            after_starts_at=from_us(after.starts_us) if after else None,
            after_id=after.id if after else None,
            count=query.limit + 1,  # one more says whether there is a next page
        )
    ]
    page = rows[: query.limit]
    following = None
    if len(rows) > query.limit:
        last = page[-1]
        following = encode_cursor(ShowPlace(last["list_group"], us_of(last["starts_at"]), last["id"]))
    return {"items": [_show_item(row, now) for row in page], "next": following}


async def fetch_show(db: Database, reference: Reference, *, now: datetime) -> Json:
    """A show with its setlists, tallies and the position they stand at, all of one instant.

    Raises: Refused: not_found
    """
    async with db.snapshot() as connection:
        show = await find_show(connection, reference)
        rows = [row async for row in queries.songs_of_show(connection, show_id=show["id"])]
    return _show_item(show, now) | {
        "votes_per_user_max": show["votes_per_user_max"],
        "at": show["position"],
        "total": show["vote_count"],
        "now_playing": _now_playing(show["status"], rows),
        "setlists": _setlists(
            rows,
            lambda row: {
                "id": row["id"],
                "song_id": row["song_id"],
                "title": row["title"],
                "position": row["position"],
                "up": row["up_count"],
                "down": row["down_count"],
                "played_at": iso(row["played_at"]),
            },
        ),
    }


async def find_show(connection: Connection, wanted: Reference) -> Any:
    """The row of a show named by id or slug.

    Raises: Refused: not_found
    """
    row = await queries.show_by_reference(connection, id=wanted.id, slug=wanted.slug)
    if row is None:
        raise Refused(Code.NOT_FOUND, "No such show.")
    return row


async def fetch_setlist_state(db: Database, show_id: int) -> tuple[int, Json] | None:
    """The state of `setlist:<show>` and its position; None: no such show."""
    async with db.snapshot() as connection:
        revision = await queries.show_revision(connection, show_id=show_id)
        if revision is None:
            return None
        rows = [row async for row in queries.songs_of_show(connection, show_id=show_id)]
    setlists = _setlists(
        rows,
        lambda row: {
            "id": row["id"],
            "title": row["title"],
            "position": row["position"],
            "played_at": iso(row["played_at"]),
        },
    )
    return revision, {"setlists": setlists}


async def fetch_status_row(db: Database, show_id: int) -> StatusRow | None:
    """What the state of `status:<show>` follows from; None: no such show."""
    async with db.connection() as connection:
        row = await queries.status_of_show(connection, show_id=show_id)
    return None if row is None else StatusRow(**dict(row))


def _show_item(row: Any, now: datetime) -> Json:
    return {
        "id": row["id"],
        "slug": row["slug"],
        "name": row["name"],
        "status": row["status"],
        "voting": voting_state(
            status=row["status"],
            opens_at=row["opens_at"],
            closes_at=row["closes_at"],
            is_locked=row["is_locked"],
            is_final=row["is_final"],
            now=now,
        ),
        "local_date": row["local_date"].isoformat(),
        "starts_at": iso(row["starts_at"]),
        "time_zone": row["time_zone"],
        "opens_at": iso(row["opens_at"]),
        "closes_at": iso(row["closes_at"]),
        "vote_count": row["vote_count"],
        "artist": {"id": row["artist_id"], "slug": row["artist_slug"], "name": row["artist_name"]},
        "venue": {
            "id": row["venue_id"],
            "slug": row["venue_slug"],
            "name": row["venue_name"],
            "city": row["city"],
            "region": row["region"],
            "country": row["country"],
            "latitude": row["latitude"],
            "longitude": row["longitude"],
            "capacity": row["capacity"],
        },
    }


def _setlists(rows: Iterable[Any], song_of: Any) -> list[Json]:
    setlists: dict[int, Json] = {}
    for row in rows:
        setlist = setlists.setdefault(
            row["setlist_id"],
            {"id": row["setlist_id"], "type": row["type"], "name": row["setlist_name"], "songs": []},
        )
        if row["id"] is not None:
            setlist["songs"].append(song_of(row))
    return list(setlists.values())


def _now_playing(status: str, rows: Iterable[Any]) -> int | None:
    # The same order as in the query status_of_show.
    played = [(row["played_at"], row["position"], row["id"]) for row in rows if row["played_at"] is not None]
    return max(played)[2] if played and status == "live" else None
