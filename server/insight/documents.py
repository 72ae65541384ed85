"""The statistics of votes, as clients get them: docs/statistics.md."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from server.protocol.accuracy import Accuracy

Scope = Literal["platform", "artist", "venue", "show"]


class SongStats(msgspec.Struct, frozen=True, kw_only=True):
    """A song's tally; songs with equal scores share a rank within their setlist."""

    id: int
    setlist: int
    title: str
    up: int
    down: int
    score: int
    rank: int


class TopSong(msgspec.Struct, frozen=True, kw_only=True):
    """A song over several shows: the votes that stand."""

    id: int
    title: str
    artist: str
    up: int
    down: int
    score: int


class TopShow(msgspec.Struct, frozen=True, kw_only=True):
    """A show, with the votes cast in the period."""

    id: int
    slug: str
    name: str
    artist: str
    local_date: dt.date
    votes: int


class TopArtist(msgspec.Struct, frozen=True, kw_only=True):
    """An artist, with the votes cast in the period."""

    id: int
    slug: str
    name: str
    votes: int


class TopVoter(msgspec.Struct, frozen=True, kw_only=True):
    """A fan who predicted well. name: null unless their profile is public; accuracy: 0 to 1, lower for few songs."""

    name: str | None
    show_count: int
    hits: int
    accuracy: float


class HourVotes(msgspec.Struct, frozen=True, kw_only=True):
    """Votes cast in one hour; a changed vote counts again. raw_votes: with ballots that are set aside."""

    hour: dt.datetime
    votes: int
    withdrawn: int
    raw_votes: int


class DayHourVotes(msgspec.Struct, frozen=True, kw_only=True):
    """Votes cast at an hour of the day, 0 to 23, in the zone asked for."""

    hour: int
    votes: int


class WeekdayVotes(msgspec.Struct, frozen=True, kw_only=True):
    """Votes cast on a day of the week, 1 (Monday) to 7, in the zone asked for."""

    weekday: int
    votes: int


class SeriesHour(msgspec.Struct, frozen=True, kw_only=True):
    """Votes cast in one hour; raw_votes: with ballots that are set aside."""

    hour: dt.datetime
    votes: int
    up: int
    down: int
    withdrawn: int
    raw_votes: int


class SeriesDay(msgspec.Struct, frozen=True, kw_only=True):
    """Votes cast on one day (UTC); raw_votes: with ballots that are set aside."""

    day: dt.date
    votes: int
    up: int
    down: int
    withdrawn: int
    raw_votes: int


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """The hours or, of a long period, the days with votes; the other list is null."""

    first: dt.date = msgspec.field(name="from")
    last: dt.date = msgspec.field(name="to")
    hours: list[SeriesHour] | None
    days: list[SeriesDay] | None


class CastVotes(msgspec.Struct, frozen=True, kw_only=True):
    """Votes cast in the period; a changed vote counts again. up, down: null when they may not be seen. raw_votes: with ballots that
    are set aside.
    """

    votes: int
    up: int | None
    down: int | None
    withdrawn: int
    raw_votes: int


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Votes a minute, with ballots that are set aside: in the last whole minute, 5 and 60 whole minutes, and 24 whole hours."""

    now: int
    minutes_5: float
    hour_1: float
    hours_24: float


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """The voters of the period who had never voted before, and those who had voted on an earlier day."""

    newcomers: int
    came_back: int


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """Visits are connections that began to watch a show in the period; rate is voters / visits, null without visits."""

    visits: int
    rate: float | None


class ShowName(msgspec.Struct, frozen=True, kw_only=True):
    """The show of these statistics."""

    id: int
    slug: str
    name: str
    time_zone: str


class SubjectName(msgspec.Struct, frozen=True, kw_only=True):
    """The artist or venue of these statistics."""

    id: int
    slug: str
    name: str


class VoteStats(msgspec.Struct, frozen=True, kw_only=True):
    """The statistics of votes.

    total, up, down, songs, top_songs: the votes that stand now, whatever the period. cast, voter_count, retention, conversion,
    top_shows, top_artists, pattern, weekdays: of the period, or of all time. up, down, songs, series, top_voters, accuracy of a
    show: null for clients that may not see its counts. up, down, top_songs of several shows: only shows whose counts everybody may
    see. velocity: the last 24 hours, oldest first, with the hours without votes. series: null without `from` and `to`. songs,
    last_vote_at, accuracy: only of a show; top_songs, top_shows, top_artists: only of several. Ballots that are set aside are in no
    number but votes_per_minute, last_vote_at and those named raw.
    """

    scope: Scope
    show: ShowName | None
    artist: SubjectName | None
    venue: SubjectName | None
    zone: str
    total: int
    raw_total: int
    up: int | None
    down: int | None
    cast: CastVotes
    voter_count: int
    raw_voter_count: int
    retention: Retention
    conversion: Conversion
    votes_per_minute: Rates
    last_vote_at: dt.datetime | None
    songs: list[SongStats] | None
    top_songs: list[TopSong] | None
    top_shows: list[TopShow] | None
    top_artists: list[TopArtist] | None
    top_voters: list[TopVoter] | None
    velocity: list[HourVotes]
    pattern: list[DayHourVotes]
    weekdays: list[WeekdayVotes]
    series: Series | None
    accuracy: Accuracy | None
