"""Trending and vote statistics over HTTP, on a whole node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from server.node.node import Node
from tests.support import one_node
from tests.support.api_client import ApiClient
from tests.support.engines import OpenDatabase
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node, until
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory = one_node.node, one_node.emptied

STATS = "/api/analytics/vote-stats"


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(node: Node, factory: RowFactory) -> AsyncIterator[ApiClient]:
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

    status, trending = await visitor.get("/api/trending")
    assert status == 200
    assert trending["kind"] == "shows"
    assert trending["formula"]["half_life_s"] == 86_400
    assert trending["formula"]["listed_from"] == 2**-10
    assert trending["formula"]["weights"] == {"up": 1, "down": 1, "withdrawn": 0}
    assert [(item["rank"], item["id"], item["vote_count"]) for item in trending["items"]] == [(1, 8, 4), (2, 7, 1)]
    assert [item["votes_24h"] for item in trending["items"]] == [4, 1]
    assert trending["refreshed_at"] is not None
    assert len((await visitor.get("/api/trending?kind=shows&limit=1"))[1]["items"]) == 1

    status, artists = await visitor.get("/api/trending?kind=artists")
    assert status == 200
    (artist,) = artists["items"]
    assert (artist["slug"], artist["rank"], artist["vote_count"], artist["show_count"]) == ("band", 1, 5, 2)
    # Scores fall by a thousandth in two minutes, and this answer came later.
    assert artist["score"] == pytest.approx(sum(item["score"] for item in trending["items"]), rel=1e-3)


async def test_artists_do_not_wait_long(new_database: OpenDatabase, new_redis: Callable[[], str]) -> None:
    """A node adds up the shows of artists that wait, also those from before its start; the ranking stays the same."""
    async with new_database() as database_url, RowFactory.open(database_url) as factory:
        show = await factory.show(7)
        (fan,) = await factory.users(1)
        await factory.sql.execute("insert into votes values ($1, $2, 7, 'up', now())", show.first, fan)
        ranking = "select artist_id, score from get_trending_artists(20, $1)"
        now = await factory.sql.fetchval("select now()")
        before = await factory.sql.fetch(ranking, now)
        assert len(before) == 1
        async with running_node(database_url, new_redis(), has_chores=True):
            await until(lambda: factory.sql.fetchval("select not exists (select from artists_to_rank)"))
            assert await factory.sql.fetchval("select heat from artist_stats where artist_id = 1") is not None
            assert await factory.sql.fetch(ranking, now) == before


async def test_nothing_trends_in_an_empty_catalogue(visitor: ApiClient) -> None:
    """The lists are empty, and the formula is there."""
    for kind in ("shows", "artists"):
        status, trending = await visitor.get(f"/api/trending?kind={kind}")
        assert status == 200
        assert (trending["kind"], trending["items"], trending["refreshed_at"]) == (kind, [], None)


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
    f"{STATS}?show={'x' * 301}",
    f"{STATS}?artist=%00",
    f"{STATS}?venue={'x' * 301}",
    f"{STATS}?show=7&artist=1",
    f"{STATS}?artist=1&venue=1",
    f"{STATS}?format=xml",
    f"{STATS}?zone=Europe/Atlantis",
    f"{STATS}?zone=Europe",
    f"{STATS}?zone=../etc/passwd",
    f"{STATS}?zone=UTC%3Bselect",
    f"{STATS}?zone={'A' * 65}",
    f"{STATS}?show=%00",
    f"{STATS}?show=7&from=2026-11-21&to=2026-11-20",
    f"{STATS}?show=7&from=2016-01-01&to=2026-04-03",
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


UNKNOWN = ["8", "0", "-1", "9" * 40, "no-such-name", "%F0%9F%8E%B8", "%D8%B9%D8%B1", "1'%20or%201=1--"]


async def test_unknown_subjects_are_not_found(visitor: ApiClient) -> None:
    """An id or slug of no show, artist or venue gets `not_found`."""
    for name in UNKNOWN:
        for subject in ("show", "artist", "venue"):
            status, problem = await visitor.get(f"{STATS}?{subject}={name}&from=2026-11-20")
            assert (status, problem["code"]) == (404, "not_found"), (subject, name)
