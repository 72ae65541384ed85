"""Trending and vote statistics over HTTP."""

from __future__ import annotations

from server.clock import Clock, utc_now
from server.insight.documents import VoteStats
from server.insight.history import HOURS_MAX, SONG_HOURS_MAX, SONGS_MAX, VoteHistory, fetch_history
from server.insight.statistics import VoteStatsQuery, fetch_vote_stats
from server.insight.statistics_csv import as_csv
from server.insight.trending import TrendingArtists, TrendingQuery, TrendingShows, fetch_trending
from server.protocol.codes import Code
from server.protocol.embargo import WhyHidden
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.store.reads import Readable


class InsightRoutes:
    """Trending and statistics over HTTP. Takes: why_hidden, decides whether a client may see a show's counts."""

    def __init__(self, db: Readable, clock: Clock, why_hidden: WhyHidden) -> None:
        self._db = db
        self._clock = clock
        self._why_hidden = why_hidden

    def endpoints(self) -> list[Endpoint]:
        """The endpoints of this room."""
        return [
            Endpoint(
                method="GET", path="/api/trending", handler=self.get_trending, query=TrendingQuery,
                answer=TrendingShows | TrendingArtists, is_revalidated=True,
                summary="Shows or artists that are voted on most right now, with the formula.",
            ),
            Endpoint(
                method="GET", path="/api/analytics/vote-stats", handler=self.get_vote_stats, query=VoteStatsQuery,
                answer=VoteStats, other_media_type="text/csv", is_revalidated=True,
                codes=(Code.NOT_FOUND,), read="statistics",
                summary="The votes of a show, an artist, a venue or the platform over any period: totals, voters, speed, the best songs, shows, artists and predictions, patterns, and a series.",
            ),
            Endpoint(
                method="GET", path="/api/shows/{show}/history", handler=self.get_history, answer=VoteHistory,
                codes=(Code.NOT_FOUND,), slugs=("show",), is_revalidated=True,
                summary="The votes cast in a show, hour by hour, and how the counts of its leading songs have moved.",
                description=(
                    f"At most the newest {HOURS_MAX:,} hours with votes; they tell no song and no direction, so they are for everyone. "
                    f"`songs` are the {SONGS_MAX} predicted songs with the best score, each with the newest {SONG_HOURS_MAX} hours in which its "
                    "counts had changed; null for who may not see the counts of the show. They are noted once a minute."
                ),
            ),
        ]  # fmt: skip

    async def get_trending(self, call: Call) -> Answer:
        """`GET /api/trending`."""
        return Answer(document=await fetch_trending(self._db, call.query))

    async def get_history(self, call: Call) -> Answer:
        """`GET /api/shows/{show}/history`."""
        reference = call.reference("show")
        return Answer(document=await fetch_history(self._db, reference, call.identity, self._why_hidden))

    async def get_vote_stats(self, call: Call) -> Answer:
        """`GET /api/analytics/vote-stats`."""
        query: VoteStatsQuery = call.query
        stats = await fetch_vote_stats(self._db, query, call.identity, self._why_hidden, now=utc_now(self._clock))
        if query.format == "json":
            return Answer(document=stats)
        subject = stats.show or stats.artist or stats.venue
        headers = {"Content-Disposition": f'attachment; filename="votes-{subject.slug if subject else "all"}.csv"'}
        return Answer(document=as_csv(stats).encode(), media_type="text/csv", headers=headers)
