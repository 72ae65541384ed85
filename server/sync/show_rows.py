"""Decides which show a record means, and makes its row. Two shows of an artist in one venue on one day stay two."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from server.protocol.instants import instant_of, usual
from server.protocol.show_names import default_name
from server.sync.queries import records as queries
from server.sync.records import ShowRecord
from server.sync.references import RecordRefused
from server.sync.slugs import choose_slugs

if TYPE_CHECKING:
    from server.store.database import Connection

# The defaults of a show: how long before its start voting opens, and its local start time.
VOTING = dt.timedelta(days=30)
STARTS_AT = dt.time(20)
# Two shows of one day are one unless their starts are further apart: doors and start are told for one another.
SAME_SHOW_MAX = dt.timedelta(hours=2)
_NAMES_CHARS_MAX = 260


async def make_show_rows(
    connection: Connection,
    records: Sequence[ShowRecord],
    artists: Mapping[str, Any],
    venues: Mapping[str, Any],
    *,
    is_file: bool,
) -> list[dict[str, Any]]:
    """The rows of shows, in the order of their records; records of one show have one slug.

    Takes:  artists, venues: rows by the names that records give
    Raises: RecordRefused
    """
    rows_of_slugs = queries.find_shows(connection, slugs=[show.slug for show in records if show.slug])
    by_slug: dict[str, dict[str, Any]] = {found["slug"]: dict(found) async for found in rows_of_slugs}
    days: dict[tuple[int, int, dt.date], list[dict[str, Any]]] = {}
    rows_of_days = queries.shows_of_days(
        connection, artist_ids=[artists[show.artist]["id"] for show in records], dates=[show.date for show in records]
    )
    async for found in rows_of_days:
        days.setdefault((found["artist_id"], found["venue_id"], found["local_date"]), []).append(dict(found))
    made, fresh = [], []
    for show in records:
        artist, venue = artists[show.artist], venues[show.venue]
        day = days.setdefault((artist["id"], venue["id"], show.date), [])
        starts_at = _starts_at(show, venue["time_zone"], is_file=is_file)
        ours = by_slug.get(show.slug) if show.slug else _same_show(show, starts_at, day)
        row = _row(show, artist, venue, starts_at, ours)
        if ours is None:
            window = {
                "opens_at": row["opens_at"] or row["default_opens_at"],
                "closes_at": row["closes_at"] or row["starts_at"],
            }
            ours = {**row, **window, "slug": show.slug}
            if show.slug is not None:
                by_slug[show.slug] = ours
            else:
                names = f"{artist['slug']}-{venue['slug']}"[:_NAMES_CHARS_MAX].strip("-")
                at = f"-{row['starts_at'].astimezone(ZoneInfo(venue['time_zone'])):%H%M}" if day else ""
                fresh.append((ours, f"{names}-{show.date}{at}"))
            day.append(ours)
        made.append((row, ours))
    reserved = [show.slug for show in records if show.slug]
    slugs = await choose_slugs(connection, "shows", [wanted for _, wanted in fresh], reserved=reserved)
    for (ours, _), slug in zip(fresh, slugs, strict=True):
        ours["slug"] = slug
    return [{**row, "slug": ours["slug"]} for row, ours in made]


def _same_show(show: ShowRecord, starts_at: dt.datetime | None, day: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The show of that day that a record without a slug means; None: a new one."""
    if starts_at is None:
        if len(day) > 1:
            slugs = ", ".join(str(ours["slug"]) for ours in day)
            raise RecordRefused(
                f"{len(day)} shows are on {show.date} in this venue: give the `time` or the `slug` of one ({slugs})"
            )
        return day[0] if day else None
    near = [ours for ours in day if abs(ours["starts_at"] - starts_at) < SAME_SHOW_MAX]
    return min(near, key=lambda ours: abs(ours["starts_at"] - starts_at), default=None)


def _starts_at(show: ShowRecord, time_zone: str, *, is_file: bool) -> dt.datetime | None:
    """When a show starts; None: the record does not say it."""
    if show.time is None:
        return None
    given = dt.datetime.fromisoformat(f"{show.date}T{show.time}")
    starts_at = _instant(given, time_zone, is_file=is_file)
    local = starts_at.astimezone(ZoneInfo(time_zone))
    if given.tzinfo is not None and local.replace(tzinfo=None) != given.replace(tzinfo=None):
        raise RecordRefused(
            f"`time` {show.time} is {local.isoformat()} in {time_zone}: give the offset that holds there"
        )
    return starts_at


def _instant(given: dt.datetime, time_zone: str, *, is_file: bool) -> dt.datetime:
    """The instant of a time; a provider cannot be asked which of two it means, so its first one counts.

    Raises: RecordRefused: the clocks skip this time or show it twice, or it is out of range
    """
    try:
        if given.tzinfo is None and not is_file:
            return usual(given.replace(tzinfo=ZoneInfo(time_zone)).astimezone(dt.UTC))
        return instant_of(given, time_zone)
    except OverflowError:
        raise RecordRefused(f"{given.isoformat()} is not of the years 1900 to 2199: give another date") from None
    except ValueError as error:
        raise RecordRefused(str(error)) from None


def _row(
    show: ShowRecord, artist: Any, venue: Any, starts_at: dt.datetime | None, ours: dict[str, Any] | None
) -> dict[str, Any]:
    zone = venue["time_zone"]
    if starts_at is None:
        time = ours["starts_at"].astimezone(ZoneInfo(zone)).time() if ours else STARTS_AT
        starts_at = _instant(dt.datetime.combine(show.date, time), zone, is_file=False)
    opens_at = None if show.opens_at is None else _instant(show.opens_at, zone, is_file=True)
    closes_at = None if show.closes_at is None else _instant(show.closes_at, zone, is_file=True)
    try:
        default_opens_at = starts_at - VOTING
        # The statement moves what a record leaves out with the show; the sum here is for the message only.
        moved = starts_at - ours["starts_at"] if ours else dt.timedelta()
        opens = opens_at or (ours["opens_at"] + moved if ours else default_opens_at)
        closes = closes_at or (ours["closes_at"] + moved if ours else starts_at)
    except OverflowError:
        raise RecordRefused(f"`date` {show.date} is outside of the calendar") from None
    if opens >= closes:
        raise RecordRefused(
            f"voting would close ({closes.isoformat()}) before it opens ({opens.isoformat()}): change `opens_at` or `closes_at`"
        )
    return {
        "artist_id": artist["id"],
        "venue_id": venue["id"],
        "name": show.name,
        "default_name": default_name(artist["name"], venue["name"]),
        "local_date": show.date,
        "time_zone": zone,
        "starts_at": starts_at,
        "opens_at": opens_at,
        "closes_at": closes_at,
        "default_opens_at": default_opens_at,
        "votes_per_user_max": show.votes_per_user_max,
        "status": show.status,
    }
