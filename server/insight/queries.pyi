# "make queries" writes this file from the .sql files of this room.

from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Any, TypedDict

from server.store.database import Connection

# insight/accuracy.sql
class ShowsToScoreRow(TypedDict):
    show_id: int
    up_to: int | Any

class _Accuracy:
    def shows_to_score(self, connection: Connection, *, count: int | None) -> AsyncIterator[ShowsToScoreRow]: ...
    async def score_show(self, connection: Connection, *, show_id: int | None) -> str: ...
    async def put_baseline(self, connection: Connection, *, show_id: int | None) -> str: ...
    async def tell_of_score(self, connection: Connection, *, show_id: int | None, up_to: int | None) -> str: ...
    async def allow_a_minute(self, connection: Connection) -> str: ...

# insight/activity.sql
class FetchActivityRow(TypedDict):
    at: int | Any
    position: int | Any
    event: str | Any

class _Activity:
    def fetch_activity(self, connection: Connection, *, count: int | None) -> AsyncIterator[FetchActivityRow]: ...
    async def activity_position(self, connection: Connection) -> int: ...

# insight/insight.sql
class TrendingFormulaRow(TypedDict):
    half_life_s: int | Any
    horizon_s: int | Any

class TrendingShowsRow(TypedDict):
    rank: int | Any
    show_id: int | Any
    slug: str | Any
    name: str | Any
    status: str | Any
    starts_at: datetime | Any
    local_date: date
    artist_id: int | Any
    artist_name: str | Any
    venue_id: int | Any
    venue_name: str | Any
    score: float | Any
    vote_count: int | Any
    votes_24h: int | Any
    votes_this_hour: int | Any
    attendance_count: int | Any
    refreshed_at: datetime | Any

class TrendingArtistsRow(TypedDict):
    rank: int | Any
    artist_id: int | Any
    slug: str | Any
    name: str | Any
    score: float | Any
    vote_count: int | Any
    follower_count: int | Any
    show_count: int | Any
    refreshed_at: datetime | Any

class ShowOfReferenceRow(TypedDict):
    id: int
    slug: str
    name: str
    time_zone: str
    audience: int | Any
    accuracy: str | Any

class VoteStatsRow(TypedDict):
    vote_count: int | Any
    up_count: int | Any
    down_count: int | Any
    voter_count: int | Any
    last_vote_at: datetime | Any
    songs: str | Any
    velocity: str | Any
    pattern: str | Any

class VoteSeriesRow(TypedDict):
    hour: datetime
    up: int
    down: int
    withdrawn: int

class _Insight:
    async def update_trending_scores(self, connection: Connection) -> int | Any: ...
    async def trending_formula(self, connection: Connection) -> TrendingFormulaRow: ...
    def trending_shows(self, connection: Connection, *, count: int | None) -> AsyncIterator[TrendingShowsRow]: ...
    def trending_artists(self, connection: Connection, *, count: int | None) -> AsyncIterator[TrendingArtistsRow]: ...
    async def ranking_position(self, connection: Connection) -> int | Any: ...
    async def show_of_reference(
        self, connection: Connection, *, id: int | None, slug: str | None
    ) -> ShowOfReferenceRow | None: ...
    async def vote_stats(self, connection: Connection, *, show_id: int | None) -> VoteStatsRow | None: ...
    def vote_series(
        self, connection: Connection, *, show_id: int | None, first: datetime | None, following: datetime | None
    ) -> AsyncIterator[VoteSeriesRow]: ...

accuracy: _Accuracy
activity: _Activity
insight: _Insight
