"""Reads shows: the list, one show, and the states of its channels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import msgspec

from server.catalog.cursors import STATUS_GROUPS, ShowCursor
from server.catalog.documents import Show, ShowItem, ShowPage, ShowSource, Source
from server.catalog.parameters import RADIUS_KM_DEFAULT, ShowQuery, parse_near
from server.catalog.queries import catalogue as queries
from server.catalog.search_filters import SearchFilter, choose_filters
from server.catalog.voting_window import next_change_ms, voting_state
from server.errors import Refused
from server.protocol.accuracy import Accuracy, read_accuracy
from server.protocol.codes import Code
from server.protocol.embargo import Audience, Results, WhyHidden
from server.protocol.http.cursors import cut_page, decode_cursor
from server.protocol.http.parameters import PAGE_DEFAULT, Reference, parse_reference
from server.protocol.identity import Identity
from server.protocol.ids import parse_id
from server.protocol.instants import iso, ms_of, us_of
from server.protocol.positions import SEQ_BITS
from server.store.database import Database
from server.store.named_queries import columns
from server.store.reads import Readable

if TYPE_CHECKING:
    from server.store.database import Connection

Json = dict[str, Any]
_ALL_GROUPS = (0, len(STATUS_GROUPS) - 1)
_UNFINISHED = (STATUS_GROUPS.index("live"), STATUS_GROUPS.index("upcoming"))


class StatusRow(msgspec.Struct, frozen=True):
    """The columns that decide a show's status; `state` gives the status that clients see at an instant."""

    revision: int
    status: str
    opens_at: datetime
    closes_at: datetime
    is_locked: bool
    is_final: bool
    results: Results
    now_playing: int | None
    accuracy: Accuracy | None

    def state(self, now: datetime) -> tuple[int, Json]:
        """The state of `status:<show>` at `now`, and its position.

        Gives: (at, state). `at` only grows and is the same on every node: it is the revision, or the last edge of the
               window that has passed, on the scale of log positions; the greater of them
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
            "results": self.results,
            "accuracy": self.accuracy,
            "revision": self.revision,
        }

    def next_change_ms(self, now: datetime) -> int | None:
        """The next instant at which `state` changes by time alone [ms since 1970]; None when it never does."""
        return next_change_ms(
            status=self.status, opens_at=self.opens_at, closes_at=self.closes_at, is_final=self.is_final, now=now
        )


async def list_shows(db: Readable, query: ShowQuery, *, now: datetime) -> ShowPage:
    """A page of shows: live ones, then upcoming, soonest first; then finished, then cancelled, latest first.

    All pages together give every show exactly once; only a show whose status changes meanwhile may be missed or repeated.

    Raises: Refused: bad_request, a filter or the cursor is invalid
    """
    near = parse_near(query.near) if query.near else None
    after = decode_cursor(query.cursor, ShowCursor) if query.cursor else None
    async with db.connection() as connection:
        artist_id = await _id_of(connection, query.artist, queries.artist_id_of_slug)
        venue_id = await _id_of(connection, query.venue, queries.venue_id_of_slug)
        distances = await _distances(connection, near, query.radius_km or RADIUS_KM_DEFAULT)
        search_filter = (await choose_filters(connection, query.q, ["shows"])).get("shows")
        if search_filter is None:
            return {"items": [], "next": None}
        rows = await _select_shows(
            connection,
            search_filter,
            groups=(STATUS_GROUPS.index(query.status),) * 2 if query.status else _ALL_GROUPS,
            after=after,
            count=query.limit + 1,  # one more than a page shows whether a next page exists
            artist_id=artist_id,
            venue_ids=_venues(venue_id, distances),
            first=query.first,
            last=query.last,
        )
    page, following = cut_page(
        rows, query.limit, lambda last: ShowCursor(last["list_group"], us_of(last["starts_at"]), last["id"])
    )
    return {"items": [_show_item(row, now, distances) for row in page], "next": following}


async def list_next_shows(
    connection: Connection, *, artist_id: int | None = None, venue_id: int | None = None, now: datetime
) -> list[ShowItem]:
    """The shows of an artist or at a venue that are live or to come, soonest first; at most one page."""
    venue_ids = None if venue_id is None else [venue_id]
    rows = await _select_shows(
        connection, SearchFilter(), groups=_UNFINISHED, count=PAGE_DEFAULT, artist_id=artist_id, venue_ids=venue_ids
    )
    return [_show_item(row, now) for row in rows]


async def list_matching_shows(
    connection: Connection, search_filter: SearchFilter, *, count: int, now: datetime
) -> list[ShowItem]:
    """The first shows of the list that match a search."""
    return [
        _show_item(row, now) for row in await _select_shows(connection, search_filter, groups=_ALL_GROUPS, count=count)
    ]


async def _select_shows(
    connection: Connection,
    search_filter: SearchFilter,
    *,
    groups: tuple[int, int],
    count: int,
    after: ShowCursor | None = None,
    artist_id: int | None = None,
    venue_ids: list[int] | None = None,
    first: date | None = None,
    last: date | None = None,
) -> list[Any]:
    select = queries.list_shows(
        connection,
        after_group=after.group if after else -1,
        after_place=after.place_in_group if after else timedelta(),
        after_id=after.id if after else 0,
        first_group=groups[0],
        last_group=groups[1],
        artist_id=artist_id,
        venue_ids=venue_ids,
        first=first,
        last=last,
        count=count,
        **search_filter.parameters(),
    )
    return [row async for row in select]


async def _id_of(connection: Connection, given: str | None, id_of_slug: Any) -> int | None:
    """The id of an id or slug, 0 for an unknown slug; None when the filter is not used."""
    if given is None:
        return None
    reference = parse_reference(given)
    return await id_of_slug(connection, slug=reference.slug) or 0 if reference.id is None else reference.id


async def _distances(
    connection: Connection, near: tuple[float, float] | None, radius_km: float
) -> dict[int, float] | None:
    """The venues within the radius with their distances [km]; None when the filter is not used."""
    if near is None:
        return None
    within = queries.venues_within(connection, latitude=near[0], longitude=near[1], radius_km=radius_km)
    return {row["id"]: row["distance_km"] async for row in within}


def _venues(venue_id: int | None, distances: Mapping[int, float] | None) -> list[int] | None:
    """The venues to filter by; None means all."""
    if distances is None:
        return None if venue_id is None else [venue_id]
    return [near_id for near_id in distances if venue_id in (None, near_id)]


async def fetch_show(
    db: Readable, reference: Reference, identity: Identity | None, why_hidden: WhyHidden, *, now: datetime
) -> Show:
    """A show with its setlists, its tallies and their position, all of one instant.

    Takes:  identity, of the reader; tallies that the reader may not see are null
    Raises: Refused: not_found; as WhyHidden
    """
    async with db.snapshot() as connection:
        show = await find_show(connection, reference)
        bill = [row async for row in queries.bill_of_show(connection, show_id=show["id"])]
        rows = [row async for row in queries.songs_of_show(connection, show_id=show["id"])]
        sources = await _sources(connection, show["id"])
    is_hidden = await why_hidden(Audience(show["audience"]), show["id"], identity) is not None
    return {
        **_show_item(show, now),
        "votes_per_user_max": show["votes_per_user_max"],
        "requires_ticket": show["requires_ticket"],
        "ticket_source": show["ticket_source"],
        "results": show["results"],
        "accuracy": None if is_hidden else read_accuracy(show["accuracy"]),
        "attendance_count": show["attendance_count"],
        "at": show["position"],
        "total": show["vote_count"],
        "now_playing": _now_playing(show["status"], rows),
        "revision": show["revision"],
        "bill": [
            {"id": row["id"], "slug": row["slug"], "name": row["name"], "billing": row["billing"]} for row in bill
        ],
        "setlists": _setlists(
            rows,
            lambda row: {
                "up": None if is_hidden else row["up_count"],
                "down": None if is_hidden else row["down_count"],
            },
        ),
        "sources": sources,
    }


async def find_show(connection: Connection, reference: Reference) -> Any:
    """The row of a show named by id or slug.

    Raises: Refused: not_found
    """
    row = await queries.show_by_reference(connection, id=reference.id, slug=reference.slug)
    if row is None:
        raise Refused(Code.NOT_FOUND, "No such show. Check its id or slug.")
    return row


async def find_show_id(db: Database, text: str) -> int:
    """The id of a show named by id or slug. An id is not checked, so that voting by id needs no database.

    Raises: Refused: not_found; StoreUnavailable
    """
    number = parse_id(text)
    if number is not None:
        return number
    async with db.snapshot() as connection:
        return int((await find_show(connection, parse_reference(text)))["id"])


async def fetch_setlist_state(db: Database, show_id: int) -> tuple[int, Json] | None:
    """The state of `setlist:<show>` and its position; None when there is no such show."""
    async with db.snapshot() as connection:
        show = await queries.setlists_of_show(connection, show_id=show_id)
        if show is None:
            return None
        rows = [row async for row in queries.songs_of_show(connection, show_id=show_id)]
        sources = await _sources(connection, show_id)
    state = {"setlists": _setlists(rows, lambda _: {}), "accuracy": read_accuracy(show["accuracy"]), "sources": sources}
    return show["revision"], state


async def fetch_status_row(db: Database, show_id: int) -> StatusRow | None:
    """The columns that decide the state of `status:<show>`; None when there is no such show."""
    async with db.connection() as connection:
        row = await queries.status_of_show(connection, show_id=show_id)
    return None if row is None else StatusRow(**{**columns(row), "accuracy": read_accuracy(row["accuracy"])})


async def _sources(connection: Connection, show_id: int) -> list[ShowSource]:
    rows = queries.sources_of_show(connection, show_id=show_id)
    return [cast("ShowSource", columns(row)) async for row in rows]


def source_of(row: Any) -> Source:
    """A link to a page at another service."""
    return {"service": row["service"], "url": row["url"]}


def _show_item(row: Any, now: datetime, distances: Mapping[int, float] | None = None) -> ShowItem:
    item: ShowItem = {
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
    if distances is not None:
        item["distance_km"] = round(distances[row["venue_id"]], 3)
    return item


def _setlists(rows: Sequence[Any], more_of: Callable[[Any], Json]) -> list[Any]:
    """The sets with their songs; `more_of` gives the fields of a song beyond those of the setlist channel."""
    played = [row for row in rows if row["type"] == "actual" and row["id"] is not None and not row["is_tape"]]
    songs_played = {row["song_id"] for row in played}
    artists_played = {row["artist_id"] for row in played}
    setlists: dict[int, Json] = {}
    for row in rows:
        setlist = setlists.setdefault(
            row["setlist_id"],
            {
                "id": row["setlist_id"],
                "type": row["type"],
                "kind": row["kind"],
                "name": row["setlist_name"],
                "artist": {"id": row["artist_id"], "slug": row["artist_slug"], "name": row["artist_name"]},
                "songs": [],
            },
        )
        if row["id"] is None:
            continue
        is_cover = row["cover_id"] is not None
        song = {
            "id": row["id"],
            "song_id": row["song_id"],
            "title": row["title"],
            "position": row["position"],
            "played_at": iso(row["played_at"]),
            # Fans do not predict tapes.
            "was_played": row["song_id"] in songs_played
            if row["artist_id"] in artists_played and not row["is_tape"]
            else None,
            "is_tape": row["is_tape"],
            "medley": row["medley"],
            "note": row["note"],
            "cover_of": {"id": row["cover_id"], "name": row["cover_name"]} if is_cover else None,
        }
        setlist["songs"].append(song | more_of(row))
    return list(setlists.values())


def _now_playing(status: str, rows: Iterable[Any]) -> int | None:
    # The query status_of_show uses the same order.
    played = [(row["played_at"], row["position"], row["id"]) for row in rows if row["played_at"] is not None]
    return max(played)[2] if played and status == "live" else None
