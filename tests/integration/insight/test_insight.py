"""Trending and vote statistics over HTTP, on a whole node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server.node.node import Node
from tests.support.api_client import ApiClient
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node, until
from tests.support.socket_client import SocketClient

STATS = "/api/analytics/vote-stats"


@pytest.fixture
async def visitor(node: Node) -> AsyncIterator[ApiClient]:
    """A client without a session."""
    async with ApiClient.open(node.url, user_id=0, role=None) as api:
        yield api


async def _vote(factory: RowFactory, node: Node, show_id: int, *choices: tuple[int, str]) -> None:
    async with SocketClient.connect(node.url) as talker:
        await talker.hello(await factory.token())
        await talker.cast(show_id, *choices)


async def test_votes_trend(visitor: ApiClient, factory: RowFactory, node: Node) -> None:
    """The show with more votes comes first, its artist has the sum, and the answer has the formula."""
    quiet, loud = await factory.show(7), await factory.show(8)
    await _vote(factory, node, quiet.id, (quiet.first, "up"))
    for _ in range(2):
        await _vote(factory, node, loud.id, (loud.songs[0], "up"), (loud.songs[1], "down"))
    await factory.sql.execute("select update_trending_scores()")

    status, trending = await visitor.get("/api/trending")
    assert status == 200
    assert trending["kind"] == "shows"
    assert trending["formula"]["half_life_s"] == 86_400
    assert trending["formula"]["horizon_s"] == 14 * 86_400
    assert trending["formula"]["weights"] == {"up": 1, "down": 1, "withdrawn": 0}
    assert [(item["rank"], item["id"], item["vote_count"]) for item in trending["items"]] == [(1, 8, 4), (2, 7, 1)]
    assert [item["votes_24h"] for item in trending["items"]] == [4, 1]
    assert trending["refreshed_at"] is not None
    assert len((await visitor.get("/api/trending?kind=shows&limit=1"))[1]["items"]) == 1

    status, artists = await visitor.get("/api/trending?kind=artists")
    assert status == 200
    (artist,) = artists["items"]
    assert (artist["slug"], artist["rank"], artist["vote_count"], artist["show_count"]) == ("band", 1, 5, 2)
    assert artist["score"] == pytest.approx(sum(item["score"] for item in trending["items"]))


async def test_a_node_refreshes_by_itself(factory: RowFactory, database_url: str, redis_url: str) -> None:
    """Roll-ups from before a node's start have a score soon after."""
    show = await factory.show(7)
    await factory.sql.execute(
        "insert into vote_rollups (show_id, hour, up_count) values ($1, date_trunc('hour', now(), 'UTC'), 3)", show.id
    )
    async with running_node(database_url, redis_url):
        assert await until(lambda: factory.sql.fetchval("select show_id from show_trending")) == show.id


async def test_nothing_trends_in_an_empty_catalogue(visitor: ApiClient) -> None:
    """The lists are empty, and the formula is there."""
    for kind in ("shows", "artists"):
        status, trending = await visitor.get(f"/api/trending?kind={kind}")
        assert status == 200
        assert (trending["kind"], trending["items"], trending["refreshed_at"]) == (kind, [], None)


async def test_statistics_of_a_show(visitor: ApiClient, factory: RowFactory, node: Node) -> None:
    """Totals, ranks, velocity and pattern, by id and by slug; a changed vote is one vote and two casts."""
    show = await factory.show(7)
    await _vote(factory, node, 7, (show.songs[0], "down"), (show.songs[1], "up"))
    async with SocketClient.connect(node.url) as talker:
        await talker.hello(await factory.token())
        await talker.cast(7, (show.songs[1], "down"))
        await talker.cast(7, (show.songs[1], "up"))
        await talker.cast(7, (show.songs[2], "up"))
        await talker.cast(7, (show.songs[2], "none"))
    status, stats = await visitor.get(f"{STATS}?show=7")
    assert status == 200, stats
    assert (stats["total"], stats["up"], stats["down"], stats["voter_count"]) == (3, 2, 1, 2)
    assert stats["show"] == {"id": 7, "slug": "show-7", "name": "Show", "time_zone": "America/New_York"}
    assert [(song["id"], song["rank"]) for song in stats["songs"]] == [
        (show.songs[1], 1), (show.songs[2], 2), (show.songs[0], 3),
    ]  # fmt: skip
    assert len(stats["velocity"]) == len(stats["pattern"]) == 24
    assert sum(hour["votes"] for hour in stats["velocity"]) == sum(hour["votes"] for hour in stats["pattern"]) == 5
    assert sum(hour["withdrawn"] for hour in stats["velocity"]) == 1
    assert stats["last_vote_at"] is not None
    assert stats["series"] is None
    assert (await visitor.get(f"{STATS}?show=show-7"))[1] == stats


async def test_a_series_has_the_hours_of_its_days(visitor: ApiClient, factory: RowFactory) -> None:
    """Both days are included, in UTC; hours without votes are left out; one end alone is enough."""
    show = await factory.show(7)
    midnight = datetime(2026, 11, 20, tzinfo=UTC)
    for hours in (-1, 0, 5, 23, 24, 47, 48):
        await factory.sql.execute(
            "insert into vote_rollups (show_id, hour, up_count, withdrawn_count) values ($1, $2, 1, 2)",
            show.id,
            midnight + timedelta(hours=hours),
        )

    async def hours_of(query: str) -> list[str]:
        status, stats = await visitor.get(f"{STATS}?show=7&{query}")
        assert status == 200, stats
        assert all((hour["up"], hour["down"], hour["withdrawn"]) == (1, 0, 2) for hour in stats["series"]["hours"])
        return [hour["hour"] for hour in stats["series"]["hours"]]

    assert await hours_of("from=2026-11-20&to=2026-11-20") == [
        "2026-11-20T00:00:00Z", "2026-11-20T05:00:00Z", "2026-11-20T23:00:00Z",
    ]  # fmt: skip
    assert len(await hours_of("from=2026-11-20&to=2026-11-21")) == 5
    assert len(await hours_of("to=2026-11-19")) == 1
    assert len(await hours_of("from=2026-11-21&to=2027-02-20")) == 3
    assert await hours_of("from=9000-01-01") == []


BAD_REQUESTS = [
    "/api/trending?kind=songs",
    "/api/trending?kind=shows&kind=shows",
    "/api/trending?kind=%00",
    "/api/trending?kind=shows'--",
    "/api/trending?limit=0",
    "/api/trending?limit=-1",
    "/api/trending?limit=101",
    "/api/trending?limit=1000000000",
    "/api/trending?limit=1.5",
    "/api/trending?limit=null",
    f"{STATS}",
    f"{STATS}?show=",
    f"{STATS}?show={'x' * 301}",
    f"{STATS}?show=%00",
    f"{STATS}?show=7&from=2026-11-21&to=2026-11-20",
    f"{STATS}?show=7&from=2026-01-01&to=2026-04-03",
    f"{STATS}?show=7&from=2026-13-01",
    f"{STATS}?show=7&from=2026-02-30",
    f"{STATS}?show=7&to=yesterday",
    f"{STATS}?show=7&to=9999-12-31",
    f"{STATS}?show=7&to=0001-01-01",
    f"{STATS}?show=7&from=null",
    f"{STATS}?show=7&from=-1",
    f"{STATS}?show=7&from=1&from=2",
]


async def test_bad_requests_are_refused(visitor: ApiClient, factory: RowFactory) -> None:
    """Each gets `bad_request`."""
    await factory.show(7)
    for query in BAD_REQUESTS:
        status, problem = await visitor.get(query)
        assert (status, problem["code"]) == (400, "bad_request"), (query, problem)


UNKNOWN_SHOWS = ["8", "0", "-1", "9" * 40, "no-such-show", "%F0%9F%8E%B8", "%D8%B9%D8%B1", "1'%20or%201=1--"]


async def test_unknown_shows_are_not_found(visitor: ApiClient) -> None:
    """An id or slug of no show gets `not_found`."""
    for show in UNKNOWN_SHOWS:
        status, problem = await visitor.get(f"{STATS}?show={show}&from=2026-11-20")
        assert (status, problem["code"]) == (404, "not_found"), show


async def test_the_longest_series_is_allowed(visitor: ApiClient, factory: RowFactory) -> None:
    """92 days, both ends included, are allowed."""
    await factory.show(7)
    answer: dict[str, Any]
    status, answer = await visitor.get(f"{STATS}?show=7&from=2026-01-01&to=2026-04-02")
    assert status == 200
    assert answer["series"]["hours"] == []
