# "make queries" writes this file from the .sql files of this room.

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Any, Literal, TypedDict

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
    as_of: datetime | Any

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

class TrendingArtistsRow(TypedDict):
    rank: int | Any
    artist_id: int | Any
    slug: str | Any
    name: str | Any
    score: float | Any
    vote_count: int | Any
    follower_count: int | Any
    show_count: int | Any

class RankingPositionRow(TypedDict):
    at: int | Any
    as_of: datetime | Any

class _Insight:
    async def rank_artists(self, connection: Connection) -> int | Any: ...
    async def trending_formula(self, connection: Connection) -> TrendingFormulaRow: ...
    def trending_shows(
        self, connection: Connection, *, count: int | None, as_of: datetime | None
    ) -> AsyncIterator[TrendingShowsRow]: ...
    def trending_artists(
        self, connection: Connection, *, count: int | None, as_of: datetime | None
    ) -> AsyncIterator[TrendingArtistsRow]: ...
    async def ranking_position(self, connection: Connection) -> RankingPositionRow: ...

# insight/statistics.sql
class ShowOfReferenceRow(TypedDict):
    id: int
    slug: str
    name: str
    time_zone: str
    audience: int | Any
    accuracy: str | Any

class ArtistOfReferenceRow(TypedDict):
    id: int
    slug: str
    name: str

class VenueOfReferenceRow(TypedDict):
    id: int
    slug: str
    name: str
    time_zone: str

class SongsOfShowRow(TypedDict):
    id: int
    setlist: int
    title: str
    up: int
    down: int
    score: int | Any
    rank: int | Any

class HoursOfShowRow(TypedDict):
    hour: datetime
    votes: int | Any

class LeadingSongsRow(TypedDict):
    id: int
    title: str
    up: int
    down: int
    hours: str | Any

class StandingVotesRow(TypedDict):
    total: int | Any
    set_aside: int | Any
    up: int | Any
    down: int | Any
    songs: str | Any

class CastVotesRow(TypedDict):
    votes: int | Any
    up: int | Any
    down: int | Any
    withdrawn: int | Any
    raw_votes: int | Any
    pattern: str | Any
    weekdays: str | Any
    steps: str | Any

class RecentHoursRow(TypedDict):
    hour: datetime | Any
    votes: int | Any
    withdrawn: int | Any
    raw_votes: int | Any

class RecentMinutesRow(TypedDict):
    one: int | Any
    five: int | Any
    sixty: int | Any

class VotersRow(TypedDict):
    voters: int | Any
    raw_voters: int | Any
    newcomers: int | Any
    came_back: int | Any

class DaysOfShowsRow(TypedDict):
    visits: int | Any
    shows: str | Any
    artists: str | Any

class TopVotersRow(TypedDict):
    name: str | Any
    show_count: int | Any
    hits: int | Any
    accuracy: float | Any

class ScopesToRecountRow(TypedDict):
    scope: str | Any
    scope_id: int
    place: Literal["platform", "artist", "venue", "show"]

class _Statistics:
    async def show_of_reference(
        self, connection: Connection, *, id: int | None, slug: str | None
    ) -> ShowOfReferenceRow | None: ...
    async def artist_of_reference(
        self, connection: Connection, *, id: int | None, slug: str | None
    ) -> ArtistOfReferenceRow | None: ...
    async def venue_of_reference(
        self, connection: Connection, *, id: int | None, slug: str | None
    ) -> VenueOfReferenceRow | None: ...
    def songs_of_show(self, connection: Connection, *, show_id: int | None) -> AsyncIterator[SongsOfShowRow]: ...
    def hours_of_show(
        self, connection: Connection, *, show_id: int | None, count: int | None
    ) -> AsyncIterator[HoursOfShowRow]: ...
    async def note_song_hours(self, connection: Connection) -> str: ...
    def leading_songs(
        self, connection: Connection, *, hours: int | None, show_id: int | None, count: int | None
    ) -> AsyncIterator[LeadingSongsRow]: ...
    async def last_vote_at(self, connection: Connection, *, show_id: int | None) -> datetime | Any | None: ...
    async def standing_votes(
        self, connection: Connection, *, scope: str | None, scope_id: int | None, most: int | None
    ) -> StandingVotesRow: ...
    async def cast_votes(
        self,
        connection: Connection,
        *,
        scope: str | None,
        scope_id: int | None,
        first: datetime | None,
        following: datetime | None,
        zone: str | None,
        step: str | None,
    ) -> CastVotesRow: ...
    def recent_hours(
        self, connection: Connection, *, hour: datetime | None, scope: str | None, scope_id: int | None
    ) -> AsyncIterator[RecentHoursRow]: ...
    async def recent_minutes(
        self, connection: Connection, *, minute: datetime | None, scope: str | None, scope_id: int | None
    ) -> RecentMinutesRow: ...
    async def voters(
        self,
        connection: Connection,
        *,
        first_day: date | None,
        scope: str | None,
        scope_id: int | None,
        last_day: date | None,
    ) -> VotersRow: ...
    async def days_of_shows(
        self,
        connection: Connection,
        *,
        scope: str | None,
        first_day: date | None,
        last_day: date | None,
        scope_id: int | None,
        most: int | None,
    ) -> DaysOfShowsRow: ...
    async def add_visits(
        self, connection: Connection, *, show_ids: Sequence[int | None] | None, visits: Sequence[int | None] | None
    ) -> str: ...
    def top_voters(
        self, connection: Connection, *, scope: str | None, scope_id: int | None, most: int | None
    ) -> AsyncIterator[TopVotersRow]: ...
    async def refresh_best_voters(self, connection: Connection) -> str: ...
    def scopes_to_recount(
        self,
        connection: Connection,
        *,
        scopes: Sequence[str | None] | None,
        scope_ids: Sequence[int | None] | None,
        count: int | None,
    ) -> AsyncIterator[ScopesToRecountRow]: ...
    async def recount_scope(self, connection: Connection, *, scope: str | None, scope_id: int | None) -> str: ...
    async def count_votes(self, connection: Connection, *, most: int | None) -> int | Any: ...

accuracy: _Accuracy
activity: _Activity
insight: _Insight
statistics: _Statistics
