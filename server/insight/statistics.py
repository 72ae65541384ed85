"""The statistics of a show's votes."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import msgspec

from server.errors import Refused
from server.insight.queries import insight as queries
from server.protocol.accuracy import Accuracy, read_accuracy
from server.protocol.codes import Code
from server.protocol.embargo import Audience, WhyHidden
from server.protocol.http.parameters import ReferenceText, parse_reference
from server.protocol.identity import Identity
from server.store.database import Database

SERIES_DAYS_MAX = 92
_DAY = dt.timedelta(days=1)

FirstDay = Annotated[dt.date, msgspec.Meta(description="The first day (UTC).")]
LastDay = Annotated[dt.date, msgspec.Meta(description="The last day (UTC).")]


class VoteStatsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of `GET /api/analytics/vote-stats`: `from` and `to` are days (UTC), both included."""

    show: ReferenceText
    first: FirstDay | None = msgspec.field(name="from", default=None)
    last: LastDay | None = msgspec.field(name="to", default=None)


class SongStats(msgspec.Struct, frozen=True, kw_only=True):
    """A song's tally; songs with equal scores share a rank within their setlist."""

    id: int
    setlist: int
    title: str
    up: int
    down: int
    score: int
    rank: int


class HourVotes(msgspec.Struct, frozen=True, kw_only=True):
    """Votes cast in one hour; a changed vote counts again."""

    hour: dt.datetime
    votes: int
    withdrawn: int


class DayHourVotes(msgspec.Struct, frozen=True, kw_only=True):
    """Votes cast at an hour of the day, 0 to 23, in the show's time zone, over all days."""

    hour: int
    votes: int


class SeriesHour(msgspec.Struct, frozen=True, kw_only=True):
    """Votes cast in one hour."""

    hour: dt.datetime
    up: int
    down: int
    withdrawn: int


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """The hours with votes from a first to a last day (UTC), both included."""

    first: dt.date = msgspec.field(name="from")
    last: dt.date = msgspec.field(name="to")
    hours: list[SeriesHour]


class ShowName(msgspec.Struct, frozen=True, kw_only=True):
    """The show of these statistics."""

    id: int
    slug: str
    name: str
    time_zone: str


class VoteStats(msgspec.Struct, frozen=True, kw_only=True):
    """The statistics of a show's votes.

    up, down, songs, series, accuracy: null for clients that may not see the counts; velocity: the last 24 hours, oldest
    first, with the hours without votes; series: null without `from` and `to`; accuracy: null until the played setlist is known
    """

    show: ShowName
    total: int
    up: int | None
    down: int | None
    voter_count: int
    last_vote_at: dt.datetime | None
    songs: list[SongStats] | None
    velocity: list[HourVotes]
    pattern: list[DayHourVotes]
    series: Series | None
    accuracy: Accuracy | None


async def fetch_vote_stats(
    db: Database, query: VoteStatsQuery, identity: Identity | None, why_hidden: WhyHidden, *, today: dt.date
) -> VoteStats:
    """Reads the statistics of one show, all as of one instant.

    Takes:  identity, of the client; today, the last day (UTC) of a series when only `from` is given
    Raises: Refused: not_found; bad_request, the days are reversed, too many or beyond the calendar;
            and the errors of WhyHidden
    """
    days = _days(query, today)
    wanted = parse_reference(query.show)
    async with db.snapshot() as connection:
        show = await queries.show_of_reference(connection, id=wanted.id, slug=wanted.slug)
        if show is None:
            raise Refused(Code.NOT_FOUND, "No such show.")
        row = await queries.vote_stats(connection, show_id=show["id"])
        assert row is not None
        series = None if days is None else await _series(connection, show["id"], *days)
    audience = Audience(show["audience"])
    is_hidden = await why_hidden(audience, show["id"], identity) is not None
    return VoteStats(
        show=ShowName(id=show["id"], slug=show["slug"], name=show["name"], time_zone=show["time_zone"]),
        total=row["vote_count"],
        up=None if is_hidden else row["up_count"],
        down=None if is_hidden else row["down_count"],
        voter_count=row["voter_count"],
        last_vote_at=row["last_vote_at"],
        songs=None if is_hidden else msgspec.json.decode(row["songs"], type=list[SongStats]),
        velocity=msgspec.json.decode(row["velocity"], type=list[HourVotes]),
        pattern=msgspec.json.decode(row["pattern"], type=list[DayHourVotes]),
        series=None if is_hidden else series,
        accuracy=None if is_hidden else read_accuracy(show["accuracy"]),
    )


def _days(query: VoteStatsQuery, today: dt.date) -> tuple[dt.date, dt.date] | None:
    """The first and the last day of the series; None: no series is wanted.

    Without `to` the series ends today; without `from` it is as long as allowed.
    """
    if query.first is None and query.last is None:
        return None
    try:
        last = query.last or max(today, query.first or today)
        first = query.first or last - (SERIES_DAYS_MAX - 1) * _DAY
        _ = last + _DAY  # the query needs the day after the last one
    except OverflowError:
        raise Refused(
            Code.BAD_REQUEST, "`from` and `to` are beyond the calendar. Choose days nearer to today."
        ) from None
    if first > last:
        raise Refused(Code.BAD_REQUEST, "`from` is after `to`. Swap them.")
    if (last - first).days >= SERIES_DAYS_MAX:
        raise Refused(
            Code.BAD_REQUEST,
            f"`from` and `to` cover {(last - first).days + 1} days. Ask for at most {SERIES_DAYS_MAX}.",
        )
    return first, last


async def _series(connection: Any, show_id: int, first: dt.date, last: dt.date) -> Series:
    rows = queries.vote_series(connection, show_id=show_id, first=_begin(first), following=_begin(last + _DAY))
    return Series(first=first, last=last, hours=[SeriesHour(**row) async for row in rows])


def _begin(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
