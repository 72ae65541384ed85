"""Trending: scores that halve every half-life; one node refreshes them every REFRESH_EVERY_S."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec

from server.insight.queries import insight as queries
from server.protocol.http.parameters import PAGE_DEFAULT, PAGE_MAX
from server.store.chores import Chore
from server.store.database import Database
from server.store.named_queries import columns

REFRESH_EVERY_S = 60.0
TRENDING_MAX = PAGE_MAX
RANKING_MAX = 20  # shows, and artists, of the channel `trending`

REFRESH = Chore("trending", REFRESH_EVERY_S, queries.update_trending_scores)


class TrendingQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of `GET /api/trending`."""

    kind: Literal["shows", "artists"] = "shows"
    limit: Annotated[int, msgspec.Meta(ge=1, le=TRENDING_MAX, description="How many.")] = PAGE_DEFAULT


class Weights(msgspec.Struct, frozen=True):
    """How much one vote adds at the moment of its cast."""

    up: float = 1.0
    down: float = 1.0
    withdrawn: float = 0.0


class Formula(msgspec.Struct, frozen=True, kw_only=True):
    """The formula of the scores of upcoming and live shows, from their hourly roll-ups."""

    half_life_s: int
    horizon_s: int
    hour_s: int = 3600
    weights: Weights = Weights()
    score: str = "sum over the hours within the horizon of (weighted votes of the hour) * 2 ^ (-age of its beginning / half-life); an artist's is the sum of its shows'"


class TrendingShow(msgspec.Struct, frozen=True, kw_only=True):
    """A show, with its score and the counts behind it."""

    rank: int
    id: int
    slug: str
    name: str
    status: Literal["upcoming", "live"]
    starts_at: datetime
    local_date: date  # in the venue's time zone
    artist_id: int
    artist_name: str
    venue_id: int
    venue_name: str
    score: float
    vote_count: int
    votes_24h: int  # as of the last refresh
    votes_this_hour: int
    attendance_count: int


class TrendingArtist(msgspec.Struct, frozen=True, kw_only=True):
    """An artist, with its score and the counts behind it."""

    rank: int
    id: int
    slug: str
    name: str
    score: float
    vote_count: int  # as of the last refresh
    follower_count: int
    show_count: int


class TrendingShows(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="shows"):
    """`GET /api/trending?kind=shows`; refreshed_at: null while nothing has a score."""

    formula: Formula
    refreshed_at: datetime | None
    items: list[TrendingShow]


class TrendingArtists(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="artists"):
    """`GET /api/trending?kind=artists`; refreshed_at: null while nothing has a score."""

    formula: Formula
    refreshed_at: datetime | None
    items: list[TrendingArtist]


async def fetch_ranking(db: Database) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """Reads the state of the channel `trending`: the first RANKING_MAX shows and artists.

    The position of the state is the time of the database.

    Raises: StoreUnavailable
    """
    async with db.snapshot() as connection:
        at: int = await queries.ranking_position(connection)
        shows = [row async for row in queries.trending_shows(connection, count=RANKING_MAX)]
        artists = [row async for row in queries.trending_artists(connection, count=RANKING_MAX)]
    return at, {
        "shows": [{"id": row["show_id"], "score": round(row["score"], 3), "rank": row["rank"]} for row in shows],
        "artists": [{"id": row["artist_id"], "score": round(row["score"], 3), "rank": row["rank"]} for row in artists],
    }


async def fetch_trending(db: Database, query: TrendingQuery) -> TrendingShows | TrendingArtists:
    """Reads the first shows or artists by score, as of the last refresh.

    Raises: StoreUnavailable
    """
    select = queries.trending_shows if query.kind == "shows" else queries.trending_artists
    async with db.snapshot() as connection:
        row = await queries.trending_formula(connection)
        rows = [columns(row) async for row in select(connection, count=query.limit)]
    formula = Formula(half_life_s=row["half_life_s"], horizon_s=row["horizon_s"])
    refreshed_at = max((row.pop("refreshed_at") for row in rows), default=None)
    if query.kind == "shows":
        shows = [TrendingShow(id=row.pop("show_id"), **row) for row in rows]
        return TrendingShows(formula=formula, refreshed_at=refreshed_at, items=shows)
    artists = [TrendingArtist(id=row.pop("artist_id"), **row) for row in rows]
    return TrendingArtists(formula=formula, refreshed_at=refreshed_at, items=artists)
