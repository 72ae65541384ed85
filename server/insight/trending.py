"""Trending: scores that halve every half-life. The writer moves them with each vote (migrations, move_heat())."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec

from server.insight.queries import insight as queries
from server.protocol.http.parameters import PAGE_DEFAULT, PAGE_MAX
from server.store.chores import Chore
from server.store.database import Database
from server.store.named_queries import columns
from server.store.reads import Readable

RANK_ARTISTS_EVERY_S = 1.0
TRENDING_MAX = PAGE_MAX
RANKING_MAX = 20  # shows, and artists, of the channel `trending`

# Readers add up the shows of the artists that still wait, so the ranking is exact between two runs too.
RANKING = Chore("artists_to_rank", RANK_ARTISTS_EVERY_S, queries.rank_artists)


class TrendingQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of `GET /api/trending`."""

    kind: Literal["shows", "artists"] = "shows"
    limit: Annotated[int, msgspec.Meta(ge=1, le=TRENDING_MAX, description="How many.")] = PAGE_DEFAULT


class Weights(msgspec.Struct, frozen=True):
    """How much one vote adds at the moment of its cast. A changed vote counts once, from its last cast."""

    up: float = 1.0
    down: float = 1.0
    withdrawn: float = 0.0


class Formula(msgspec.Struct, frozen=True, kw_only=True):
    """The formula of the scores of upcoming and live shows, from the votes that stand."""

    half_life_s: int
    listed_from: float = 2**-10
    weights: Weights = Weights()
    score: str = "sum over the votes that stand of weight * 2 ^ (-age / half-life); an artist's is the sum of its upcoming and live shows'; a lower score than listed_from is not listed"


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
    votes_24h: int
    votes_this_hour: int
    attendance_count: int


class TrendingArtist(msgspec.Struct, frozen=True, kw_only=True):
    """An artist, with its score and the counts behind it."""

    rank: int
    id: int
    slug: str
    name: str
    score: float
    vote_count: int
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

    The position of the state is the time of the database. Scores are told for the start of the minute: time alone then changes
    the state, and pushes it to everybody, only once a minute.

    Raises: StoreUnavailable
    """
    async with db.snapshot() as connection:
        now = await queries.ranking_position(connection)
        asked: dict[str, Any] = {"count": RANKING_MAX, "as_of": now["as_of"]}
        shows = [row async for row in queries.trending_shows(connection, **asked)]
        artists = [row async for row in queries.trending_artists(connection, **asked)]
    return now["at"], {
        "shows": [{"id": row["show_id"], "score": round(row["score"], 3), "rank": row["rank"]} for row in shows],
        "artists": [{"id": row["artist_id"], "score": round(row["score"], 3), "rank": row["rank"]} for row in artists],
    }


async def fetch_trending(db: Readable, query: TrendingQuery) -> TrendingShows | TrendingArtists:
    """Reads the first shows or artists by score, exact now.

    Raises: StoreUnavailable
    """
    select = queries.trending_shows if query.kind == "shows" else queries.trending_artists
    async with db.snapshot() as connection:
        now = await queries.trending_formula(connection)
        rows = [columns(row) async for row in select(connection, count=query.limit, as_of=now["as_of"])]
    formula = Formula(half_life_s=now["half_life_s"])
    refreshed_at = now["as_of"] if rows else None
    if query.kind == "shows":
        shows = [TrendingShow(id=row.pop("show_id"), **row) for row in rows]
        return TrendingShows(formula=formula, refreshed_at=refreshed_at, items=shows)
    artists = [TrendingArtist(id=row.pop("artist_id"), **row) for row in rows]
    return TrendingArtists(formula=formula, refreshed_at=refreshed_at, items=artists)
