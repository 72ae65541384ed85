"""Calendars of shows, to which calendar programs subscribe (iCalendar, RFC 5545)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone, vDuration

# Shows of the last weeks stay, and cancelled ones too: a calendar program deletes a missing show, or keeps it for ever.
PAST = timedelta(days=30)
SHOWS_MAX = 200
# Nobody says when a show ends.
_DURATION = timedelta(hours=3)
_EVENTS_IN_A_ROW = 5  # about 3 ms
_READ_EVERY = timedelta(hours=1)
# SEQUENCE has 31 bits. A revision is milliseconds since 1970, shifted by 10 (next_revision in migrations/). SEQUENCE is seconds
# since 2026, which has room until 2094.
_SEQUENCE_EPOCH_S = 1_767_225_600
_STATUS = {"cancelled": "CANCELLED"}


class CalendarShow(NamedTuple):
    """A show in a calendar. is_certain, False: the calendar's reader has not said that they go to it."""

    id: int
    slug: str
    name: str
    artist: str
    venue: str
    status: str
    starts_at: datetime
    time_zone: str
    revision: int
    changed_at: datetime
    place: str
    latitude: float
    longitude: float
    is_certain: bool


def show_of_row(row: Mapping[str, Any]) -> CalendarShow:
    """The show of a row that has the columns of a show and of its venue."""
    return CalendarShow(
        id=row["id"],
        slug=row["slug"],
        name=row["name"],
        artist=row["artist_name"],
        venue=row["venue_name"],
        status=row["status"],
        starts_at=row["starts_at"],
        time_zone=row["time_zone"],
        revision=row["revision"],
        changed_at=row["updated_at"],
        place=", ".join(row[part] for part in ("venue_name", "city", "region", "country") if row[part]),
        latitude=row["latitude"],
        longitude=row["longitude"],
        is_certain=row["is_certain"],
    )


class CalendarWords(NamedTuple):
    """The texts of a calendar in its reader's language. summary_of: a show's title; invitation_to: the page with this address."""

    summary_of: Callable[[CalendarShow], str]
    invitation_to: Callable[[str], str]


async def as_ical(
    name: str, shows: Sequence[CalendarShow], words: CalendarWords, *, base: str, installation: str
) -> bytes:
    """The calendar as a file. Other work gets its turn meanwhile.

    Takes: base, the address of the service, for links; installation, the id of the database, which makes UIDs unique and the
           same under every address of the service
    """
    calendar = Calendar()
    calendar.add("prodid", "-//MySetlist//Shows//EN")
    calendar.add("version", "2.0")
    calendar.add("name", name)
    calendar.add("x-wr-calname", name)  # the same, for programs older than RFC 7986
    every = vDuration(_READ_EVERY)
    every.params["VALUE"] = "DURATION"
    calendar["REFRESH-INTERVAL"] = every
    if shows:
        # A zone of all years would be ten times as long as the shows.
        years = [show.starts_at.year for show in shows]
        first_date, last_date = date(min(years) - 1, 1, 1), date(max(years) + 2, 1, 1)
        for zone in sorted({show.time_zone for show in shows}):
            calendar.add_component(Timezone.from_tzid(zone, first_date=first_date, last_date=last_date))
    begin, end, rest = calendar.to_ical().rpartition(b"END:VCALENDAR")
    events = []
    for number, show in enumerate(shows, start=1):
        events.append(_event(show, words, base, installation).to_ical())
        if number % _EVENTS_IN_A_ROW == 0:
            await asyncio.sleep(0)
    return b"".join([begin, *events, end, rest])


def sequence_of(revision: int) -> int:
    """The number that grows with each change of a show."""
    return max(0, (revision >> 10) // 1000 - _SEQUENCE_EPOCH_S)


def _event(show: CalendarShow, words: CalendarWords, base: str, installation: str) -> Event:
    url = f"{base}/shows/{show.slug}"
    event = Event()
    event.add("uid", f"show-{show.id}@{installation}.mysetlist")
    # The stamp is the time of the last change, so the file stays the same until the next one.
    event.add("dtstamp", show.changed_at)
    event.add("last-modified", show.changed_at)
    event.add("sequence", sequence_of(show.revision))
    event.add("summary", words.summary_of(show))
    event.add("dtstart", show.starts_at.astimezone(ZoneInfo(show.time_zone)))
    event.add("duration", _DURATION)
    event.add("location", show.place)
    event.add("geo", (show.latitude, show.longitude))
    event.add("url", url)
    event.add("description", words.invitation_to(url))
    event.add("status", _STATUS.get(show.status, "CONFIRMED" if show.is_certain else "TENTATIVE"))
    event.add("transp", "OPAQUE" if show.is_certain and show.status != "cancelled" else "TRANSPARENT")
    return event
