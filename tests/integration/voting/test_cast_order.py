"""What a fan did last stands, also when an older cast of theirs is decided later, by another node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import aiohttp
import pytest_asyncio
import redis.asyncio

from server.clock import SystemClock
from server.node.node import Node
from server.voting.intake import Intake
from tests.support import one_node
from tests.support.proxy import TcpProxy
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import until
from tests.support.vote_path import SHARD_COUNT, Outcome, VotePath

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, vote_path = one_node.node_of_test, one_node.emptied_database, one_node.vote_path


class LateIntake:
    """The intake of a node that decides nothing until it is told to."""

    def __init__(self, redis_url: str, vote_path: VotePath) -> None:
        self.intake = Intake(
            redis_url, vote_path.database, SystemClock(), shard_count=SHARD_COUNT, votes_per_day_max=1_000
        )
        self._running: asyncio.Task[None] | None = None

    def submit(self, show: int, user: int, song: int, choice: str, order: int | None = None) -> Outcome:
        """Hands a cast in, which waits."""
        outcome = Outcome()
        self.intake.submit(show, user, [(song, choice)], outcome, order)
        return outcome

    async def decide(self) -> None:
        """Lets it work until nothing waits."""
        self._running = asyncio.create_task(self.intake.run())
        await self.intake.drained()

    async def stop(self) -> None:
        """Ends it."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running


@pytest_asyncio.fixture(loop_scope="module")
async def late(redis_url: str, vote_path: VotePath) -> AsyncIterator[LateIntake]:
    """A second node, which is late."""
    other = LateIntake(redis_url, vote_path)
    yield other
    await other.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def show(factory: RowFactory) -> Show:
    """An open show."""
    return await factory.show(7)


@pytest_asyncio.fixture(loop_scope="module")
async def fan(factory: RowFactory) -> int:
    """A fan."""
    (user,) = await factory.users(1)
    return user


async def ballot(vote_path: VotePath, show: Show, fan: int) -> tuple[dict[int, str], int]:
    """The fan's ballot, and its order."""
    read = await vote_path.cast(show.id, fan)
    assert read.taken is not None
    return read.taken[2], read.order


async def stored(factory: RowFactory) -> list[tuple[int, str]]:
    """The votes in the database."""
    return [tuple(row) for row in await factory.sql.fetch("select setlist_song_id, choice::text from votes order by 1")]


async def test_an_older_cast_that_comes_later_loses(
    factory: RowFactory, vote_path: VotePath, late: LateIntake, show: Show, fan: int
) -> None:
    """The cast waits in one node while the fan casts the opposite on another: it is refused, and nothing changes."""
    old = late.submit(show.id, fan, show.first, "up", 5)
    async with vote_path.writer():
        assert (await vote_path.cast(show.id, fan, (show.first, "down"), order=6)).taken is not None
        await late.decide()
        assert (await old.known()).code == "conflict"
        await until(vote_path.is_drained)
    assert await ballot(vote_path, show, fan) == ({show.first: "down"}, 6)
    assert await stored(factory) == [(show.first, "down")]


async def test_a_cast_without_an_order_is_dropped_with_its_connection(
    factory: RowFactory, vote_path: VotePath, late: LateIntake, show: Show, fan: int
) -> None:
    """Nobody was told that it counts. With an order it still counts, because the order says where it belongs."""
    old = late.submit(show.id, fan, show.first, "up")
    ordered = late.submit(show.id, fan, show.songs[1], "up", 5)
    mark = Outcome()
    late.intake.submit_mark("show", show.id, fan, mark, wanted=True)
    old.is_gone = ordered.is_gone = mark.is_gone = True
    async with vote_path.writer():
        await late.decide()
        await until(vote_path.is_drained)
    assert old.code == mark.code == "unavailable"
    assert await stored(factory) == [(show.songs[1], "up")]
    assert await factory.sql.fetchval("select count(*) from user_show_attendance") == 0


async def test_the_order_outlives_a_reset(factory: RowFactory, redis_url: str, vote_path: VotePath, show: Show) -> None:
    """Valkey loses everything: a cast that came before the committed one still loses, also before a withdrawal."""
    one, two, three = await factory.users(3)
    async with vote_path.writer():
        assert (await vote_path.cast(show.id, one, (show.first, "up"), order=6)).taken is not None
        for order, choice in enumerate(("up", "none"), 6):
            assert (await vote_path.cast(show.id, two, (show.first, choice), order=order)).taken is not None
        # The last cast changes nothing, and still has the greatest order.
        for order in (6, 8):
            assert (await vote_path.cast(show.id, three, (show.first, "down"), order=order)).taken is not None
        await until(vote_path.is_drained)
    async with redis.asyncio.Redis.from_url(redis_url) as valkey:
        await valkey.flushall()
    assert (await vote_path.cast(show.id, one, (show.first, "down"), order=5)).code in ("conflict", "unavailable")
    assert await ballot(vote_path, show, one) == ({show.first: "up"}, 6)
    assert (await vote_path.cast(show.id, one, (show.first, "down"), order=5)).code == "conflict"
    assert (await vote_path.cast(show.id, two, (show.first, "up"), order=6)).code == "conflict"
    assert (await vote_path.cast(show.id, three, (show.first, "up"), order=7)).code == "conflict"
    assert (await vote_path.cast(show.id, three, (show.first, "up"), order=9)).taken is not None


async def test_a_repeated_cast_is_taken(vote_path: VotePath, show: Show, fan: int) -> None:
    """A repetition changes nothing, so it is taken with any order; a change with the same order is not."""
    for order in (6, 6, 3):
        assert (await vote_path.cast(show.id, fan, (show.first, "up"), order=order)).taken is not None
    assert (await vote_path.cast(show.id, fan, (show.first, "down"), order=6)).code == "conflict"
    assert (await vote_path.cast(show.id, fan, (show.first, "up"), (show.songs[1], "up"), order=6)).code == "conflict"
    assert await ballot(vote_path, show, fan) == ({show.first: "up"}, 6)


async def test_casts_without_an_order_go_by_arrival(vote_path: VotePath, show: Show, fan: int) -> None:
    """They change the ballot and leave its order. An empty ballot has an order too."""
    assert (await vote_path.cast(show.id, fan, (show.first, "up"), order=6)).taken is not None
    assert (await vote_path.cast(show.id, fan, (show.first, "down"))).taken is not None
    assert await ballot(vote_path, show, fan) == ({show.first: "down"}, 6)
    assert (await vote_path.cast(show.id, fan, (show.first, "none"))).taken is not None
    assert await ballot(vote_path, show, fan) == ({}, 6)


async def test_the_order_over_http(node: Node, factory: RowFactory, show: Show) -> None:
    """POST takes an order and refuses a smaller one with 409; GET of the ballot gives the order."""
    headers = {"Authorization": f"Bearer {await factory.token()}"}
    async with aiohttp.ClientSession(node.url, headers=headers) as http:

        async def cast(choice: str, order: int) -> int:
            body = {"votes": [[show.first, choice]], "order": order}
            async with http.post(f"/api/shows/{show.id}/votes", json=body) as response:
                return response.status

        assert [await cast("up", 6), await cast("down", 5), await cast("down", 0)] == [200, 409, 400]
        async with http.get(f"/api/shows/{show.id}/ballot") as response:
            assert await response.json() == {"ballot": {str(show.first): "up"}, "remaining": None, "order": 6}


async def test_a_refusal_after_a_lost_answer_says_that_nobody_knows(
    database_url: str, redis_url: str, vote_path: VotePath, show: Show, fan: int
) -> None:
    """Valkey takes two casts, and its answer is lost. Asked again it refuses the first one, part of which counts: its fan must not
    hear that it does not count.
    """
    address = urlsplit(redis_url)
    number = parse_qs(address.query)["db"][0]
    async with (
        TcpProxy.running(Path(unquote(address.path))) as proxy,
        VotePath.open(database_url, f"redis://127.0.0.1:{proxy.port}/{number}") as path,
    ):
        await path.cast(show.id, fan, (show.first, "none"), order=1)
        proxy.down.stall()
        first = path.submit(show.id, fan, (show.first, "up"), (show.songs[1], "up"), order=2)
        second = path.submit(show.id, fan, (show.first, "down"), order=3)

        async def is_taken() -> bool:
            return (await ballot(vote_path, show, fan))[1] == 3

        await until(is_taken)
        proxy.cut()
        proxy.down.resume()
        await path._until_decided([first, second])
        assert (first.code, second.code) == ("unavailable", "ok")
        assert await ballot(vote_path, show, fan) == ({show.first: "down", show.songs[1]: "up"}, 3)
