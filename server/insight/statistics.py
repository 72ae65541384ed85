"""The statistics of votes: of the platform, an artist, a venue or a show, over any period (docs/statistics.md)."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from server.errors import Refused
from server.insight.documents import (
    CastVotes,
    Conversion,
    DayHourVotes,
    HourVotes,
    Rates,
    Retention,
    Scope,
    Series,
    SeriesDay,
    SeriesHour,
    ShowName,
    SongStats,
    SubjectName,
    TopArtist,
    TopShow,
    TopSong,
    TopVoter,
    VoteStats,
    WeekdayVotes,
)
from server.insight.queries import statistics as queries
from server.protocol.accuracy import read_accuracy
from server.protocol.codes import Code
from server.protocol.embargo import Audience, WhyHidden
from server.protocol.http.parameters import ReferenceText, parse_reference
from server.protocol.identity import Identity
from server.store.named_queries import columns
from server.store.reads import Readable

SERIES_DAYS_MAX = 92  # a longer period has a series by the day
PERIOD_DAYS_MAX = 3660
TOP_MAX = 20
_DAY = dt.timedelta(days=1)
_FIRST_DAY, _LAST_DAY = dt.date(1970, 1, 1), dt.date(9000, 1, 1)  # of all time

FirstDay = Annotated[dt.date, msgspec.Meta(description="The first day (UTC).")]
LastDay = Annotated[dt.date, msgspec.Meta(description="The last day (UTC).")]
Zone = Annotated[
    str,
    msgspec.Meta(
        max_length=64,
        pattern="^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$",
        description="The time zone (IANA) of the patterns; by default the zone of the show or venue, else UTC.",
        examples=["Europe/Paris"],
    ),
]


class VoteStatsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of `GET /api/analytics/vote-stats`: `from` and `to` are days (UTC), both included.

    Without show, artist and venue the statistics are those of the platform.
    """

    show: ReferenceText | None = None
    artist: ReferenceText | None = None
    venue: ReferenceText | None = None
    first: FirstDay | None = msgspec.field(name="from", default=None)
    last: LastDay | None = msgspec.field(name="to", default=None)
    zone: Zone | None = None
    format: Literal["json", "csv"] = "json"


class _Subject(msgspec.Struct, frozen=True):
    """The subject of the statistics. id: 0 for the platform; audience, accuracy: of a show."""

    scope: Scope
    id: int = 0
    name: ShowName | SubjectName | None = None
    zone: str = "UTC"
    audience: Audience = Audience.EVERYONE
    accuracy: str | None = None


async def fetch_vote_stats(
    db: Readable, query: VoteStatsQuery, identity: Identity | None, why_hidden: WhyHidden, *, now: dt.datetime
) -> VoteStats:
    """Reads statistics, all as of one instant.

    Takes:  identity, of the client; now (UTC)
    Raises: Refused: not_found; bad_request, there is more than one subject, the zone is unknown, or the days are reversed,
            too many or beyond the calendar; and the errors of WhyHidden
    """
    period = _period(query, now.date())
    async with db.snapshot() as connection:
        subject = await _find_subject(connection, query)
        zone = _known_zone(query.zone) or subject.zone
        found = await _read(connection, subject, period, zone, now)
    is_hidden = subject.scope == "show" and await why_hidden(subject.audience, subject.id, identity) is not None
    return _without_counts(found) if is_hidden else found


async def _read(
    connection: Any, subject: _Subject, period: tuple[dt.date, dt.date] | None, zone: str, now: dt.datetime
) -> VoteStats:
    first, last = period or (_FIRST_DAY, _LAST_DAY)
    of: dict[str, Any] = {"scope": subject.scope, "scope_id": subject.id}
    days: dict[str, Any] = of | {"first_day": first, "last_day": last}
    hour = now.replace(minute=0, second=0, microsecond=0)
    is_show = subject.scope == "show"

    standing = await queries.standing_votes(connection, **of, most=0 if is_show else TOP_MAX)
    step = None if period is None else "hour" if (last - first).days < SERIES_DAYS_MAX else "day"
    cast = await queries.cast_votes(
        connection, **of, first=_begin(first), following=_begin(last + _DAY), zone=zone, step=step
    )
    voters = await queries.voters(connection, **days)
    by_show = await queries.days_of_shows(connection, **days, most=TOP_MAX)
    visits = by_show["visits"]
    minutes = await queries.recent_minutes(connection, **of, minute=now.replace(second=0, microsecond=0))
    hours = [HourVotes(**columns(row)) async for row in queries.recent_hours(connection, **of, hour=hour)]
    songs = None
    if is_show:
        songs = [SongStats(**columns(row)) async for row in queries.songs_of_show(connection, show_id=subject.id)]
    return VoteStats(
        scope=subject.scope,
        show=subject.name if isinstance(subject.name, ShowName) else None,
        artist=subject.name if isinstance(subject.name, SubjectName) and subject.scope == "artist" else None,
        venue=subject.name if isinstance(subject.name, SubjectName) and subject.scope == "venue" else None,
        zone=zone,
        total=standing["total"],
        raw_total=standing["total"] + standing["set_aside"],
        up=standing["up"],
        down=standing["down"],
        cast=CastVotes(
            votes=cast["votes"],
            up=cast["up"],
            down=cast["down"],
            withdrawn=cast["withdrawn"],
            raw_votes=cast["raw_votes"],
        ),
        voter_count=voters["voters"],
        raw_voter_count=voters["raw_voters"],
        retention=Retention(newcomers=voters["newcomers"], came_back=voters["came_back"]),
        conversion=Conversion(visits=visits, rate=round(voters["voters"] / visits, 4) if visits else None),
        votes_per_minute=Rates(
            now=minutes["one"],
            minutes_5=round(minutes["five"] / 5, 3),
            hour_1=round(minutes["sixty"] / 60, 3),
            hours_24=round(sum(each.raw_votes for each in hours[:-1]) / 1440, 3),
        ),
        last_vote_at=await queries.last_vote_at(connection, show_id=subject.id) if is_show else None,
        songs=songs,
        top_songs=None if is_show else msgspec.json.decode(standing["songs"], type=list[TopSong]),
        top_shows=None if is_show else msgspec.json.decode(by_show["shows"], type=list[TopShow]),
        top_artists=None if is_show else msgspec.json.decode(by_show["artists"], type=list[TopArtist]),
        top_voters=[TopVoter(**columns(row)) async for row in queries.top_voters(connection, **of, most=TOP_MAX)],
        velocity=hours[1:],
        pattern=msgspec.json.decode(cast["pattern"], type=list[DayHourVotes]),
        weekdays=msgspec.json.decode(cast["weekdays"], type=list[WeekdayVotes]),
        series=None if period is None else _series(period, step, cast["steps"]),
        accuracy=read_accuracy(subject.accuracy),
    )


def _without_counts(found: VoteStats) -> VoteStats:
    """The statistics of a show for a client that may not see its counts: nothing that tells songs or directions apart."""
    return msgspec.structs.replace(
        found,
        up=None,
        down=None,
        cast=msgspec.structs.replace(found.cast, up=None, down=None),
        songs=None,
        series=None,
        top_voters=None,
        accuracy=None,
    )


async def _find_subject(connection: Any, query: VoteStatsQuery) -> _Subject:
    given = [name for name in ("show", "artist", "venue") if getattr(query, name) is not None]
    if not given:
        return _Subject("platform")
    if len(given) > 1:
        raise Refused(Code.BAD_REQUEST, f"`{given[0]}` and `{given[1]}` are both given. Give one of them.")
    (scope,) = given
    wanted = parse_reference(getattr(query, scope))
    row: Any
    if scope == "show":
        row = await queries.show_of_reference(connection, id=wanted.id, slug=wanted.slug)
    elif scope == "artist":
        row = await queries.artist_of_reference(connection, id=wanted.id, slug=wanted.slug)
    else:
        row = await queries.venue_of_reference(connection, id=wanted.id, slug=wanted.slug)
    if row is None:
        raise Refused(Code.NOT_FOUND, f"No such {scope}.")
    if scope == "show":
        name = ShowName(id=row["id"], slug=row["slug"], name=row["name"], time_zone=row["time_zone"])
        return _Subject("show", row["id"], name, row["time_zone"], Audience(row["audience"]), row["accuracy"])
    subject = SubjectName(id=row["id"], slug=row["slug"], name=row["name"])
    if scope == "venue":
        return _Subject("venue", row["id"], subject, row["time_zone"])
    return _Subject("artist", row["id"], subject)


def _known_zone(name: str | None) -> str | None:
    if name is None:
        return None
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; not a name of a zone; the name of a folder of zones
        raise Refused(
            Code.BAD_REQUEST, f"`zone` is {name}, which is no time zone. Give a name such as Europe/Berlin."
        ) from None
    return name


def _period(query: VoteStatsQuery, today: dt.date) -> tuple[dt.date, dt.date] | None:
    """The first and the last day of the period; None: all time.

    Without `to` the period ends today, or on the day `from` if that is later; without `from` it has SERIES_DAYS_MAX days.
    """
    if query.first is None and query.last is None:
        return None
    try:
        last = query.last or max(today, query.first or today)
        first = query.first or last - (SERIES_DAYS_MAX - 1) * _DAY
        _ = last + _DAY  # the queries need the day after the last one
    except OverflowError:
        raise Refused(
            Code.BAD_REQUEST, "`from` and `to` are beyond the calendar. Choose days nearer to today."
        ) from None
    if first > last:
        raise Refused(Code.BAD_REQUEST, "`from` is after `to`. Swap them.")
    if (last - first).days >= PERIOD_DAYS_MAX:
        raise Refused(
            Code.BAD_REQUEST,
            f"`from` and `to` cover {(last - first).days + 1} days. Ask for at most {PERIOD_DAYS_MAX}.",
        )
    return first, last


class _Step(msgspec.Struct):
    begins_at: dt.datetime
    votes: int
    up: int
    down: int
    withdrawn: int
    raw_votes: int


def _series(period: tuple[dt.date, dt.date], step: str | None, steps: str) -> Series:
    hours: list[SeriesHour] | None = None
    days: list[SeriesDay] | None = None
    found = msgspec.json.decode(steps, type=list[_Step])
    if step == "hour":
        hours = [
            SeriesHour(
                hour=s.begins_at, votes=s.votes, up=s.up, down=s.down, withdrawn=s.withdrawn, raw_votes=s.raw_votes
            )
            for s in found
        ]
    else:
        days = [
            SeriesDay(
                day=s.begins_at.date(),
                votes=s.votes,
                up=s.up,
                down=s.down,
                withdrawn=s.withdrawn,
                raw_votes=s.raw_votes,
            )
            for s in found
        ]
    return Series(first=period[0], last=period[1], hours=hours, days=days)


def _begin(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
