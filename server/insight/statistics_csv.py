"""The statistics of votes as a table for spreadsheets: one line for each figure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from server.insight.documents import VoteStats
from server.protocol.http import spreadsheets

HEADER = ("figure", "key", "name", "votes", "up", "down", "withdrawn")


def as_csv(stats: VoteStats) -> str:
    """A header, then one line for each figure. A cell is empty if it has no meaning or the client may not see it."""
    rows = (dict(zip(HEADER, line, strict=False)) for line in _lines(stats))
    return spreadsheets.as_csv(HEADER, rows)


def _lines(stats: VoteStats) -> Iterator[tuple[Any, ...]]:
    subject = stats.show or stats.artist or stats.venue
    named = (subject.id, subject.name) if subject else ("", "")
    cast = stats.cast
    yield ("total", *named, stats.total, stats.up, stats.down)
    yield ("raw_total", *named, stats.raw_total)
    yield ("cast", *named, cast.votes, cast.up, cast.down, cast.withdrawn)
    yield ("raw_cast", *named, cast.raw_votes)
    yield ("voters", "all", "", stats.voter_count)
    yield ("voters", "raw", "", stats.raw_voter_count)
    yield ("voters", "newcomers", "", stats.retention.newcomers)
    yield ("voters", "came_back", "", stats.retention.came_back)
    yield ("visits", "", "", stats.conversion.visits)
    rates = stats.votes_per_minute
    for key, rate in (
        ("now", rates.now),
        ("5_minutes", rates.minutes_5),
        ("1_hour", rates.hour_1),
        ("24_hours", rates.hours_24),
    ):
        yield ("votes_per_minute", key, "", rate)
    for song in stats.songs or stats.top_songs or ():
        yield ("song", song.id, song.title, song.up + song.down, song.up, song.down)
    for show in stats.top_shows or ():
        yield ("show", show.id, show.name, show.votes)
    for artist in stats.top_artists or ():
        yield ("artist", artist.id, artist.name, artist.votes)
    for hour in stats.pattern:
        yield ("hour_of_day", hour.hour, stats.zone, hour.votes)
    for day in stats.weekdays:
        yield ("weekday", day.weekday, stats.zone, day.votes)
    for number, voter in enumerate(stats.top_voters or (), start=1):
        yield ("voter", number, voter.name, voter.hits)
    if stats.series is not None:
        for step in stats.series.hours or ():
            yield ("hour", step.hour.isoformat(), "UTC", step.votes, step.up, step.down, step.withdrawn)
        for date in stats.series.days or ():
            yield ("day", date.day.isoformat(), "UTC", date.votes, date.up, date.down, date.withdrawn)
