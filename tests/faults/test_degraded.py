"""With one engine down the rest works on, reports it, and catches up."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
import redis.asyncio

from tests.faults.conftest import Place
from tests.support.audit import differences, until_drained
from tests.support.node_process import NodeProcess, until, until_async
from tests.support.stepped_client import SteppedClient

# One node for all tests: a new one for each would cost more than the fault. Each test has shows and fans of its own.
pytestmark = [pytest.mark.timeout(60), pytest.mark.asyncio(loop_scope="module")]

FANS = 5


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(shared_place: Place) -> NodeProcess:
    """The node that stays. It does not limit a client that subscribes as fast as it can."""
    return await shared_place.start_node(MYSETLIST_REQUESTS_PER_S="10000", MYSETLIST_REQUESTS_PER_S_OF_USER="10000")


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    """Numbers the tests."""
    return itertools.count()


@pytest.fixture
async def place(shared_place: Place, node: NodeProcess, numbers: Iterator[int]) -> Place:
    """A show and fans of the test's own, at a node that is ready, whatever the test before has left."""
    for engine in ("postgres", "valkey"):
        shared_place.engines.revive(engine)

    async def is_ready() -> bool:
        async with aiohttp.ClientSession() as http, http.get(f"{node.url}/readyz") as response:
            return response.status == 200

    await until_async(is_ready, "the node is ready again")
    number = next(numbers)
    return dataclasses.replace(
        shared_place,
        shows=shared_place.shows[number : number + 1],
        users=shared_place.users[number * FANS : (number + 1) * FANS],
    )


async def until_rows(place: Place, song: int, held: tuple[int, int]) -> None:
    """Waits for a song's committed counts."""
    connection = await asyncpg.connect(place.database_url)

    async def is_so() -> bool:
        row = await connection.fetchrow("select up_count, down_count from setlist_songs where id = $1", song)
        return row is not None and tuple(row) == held

    try:
        await until_async(is_so, f"song {song} has {held}")
    finally:
        await connection.close()


async def test_postgres_is_down_for_seconds(place: Place, node: NodeProcess) -> None:
    """Warm fans get `accepted` after about a second, watchers see the counts change, and `committed` follows."""
    show, (song, *_) = place.shows[0].id, place.shows[0].songs
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(SteppedClient.connected(node.url, user)) for user in place.users[:3]]
        watcher = await stack.enter_async_context(SteppedClient.connected(node.url))
        for client in clients:
            assert (await client.cast(show, {song: "down"}))["durability"] == "committed"
        await watcher.watch(f"votes:{show}")
        place.engines.kill("postgres")
        accepted = []
        for number, client in enumerate(clients, 1):
            began_s = time.monotonic()
            ok = await client.cast(show, {song: "up"})
            assert ok["durability"] == "accepted"
            assert ok["ballot"] == {str(song): "up"}
            # Answers come in rounds of a tenth of a second; a busy machine takes the rest.
            assert 0.9 < time.monotonic() - began_s < 2.0
            accepted.append(ok["at"])
            counts = [song, number, 3 - number]

            def is_pushed(counts: list[int] = counts) -> bool:
                return any(counts in push.get("tally", ()) for push in watcher.pushes)

            await until(is_pushed, f"the watcher sees {counts} while PostgreSQL is down", timeout_s=4)
        assert not any(client.durable for client in clients)
        place.engines.revive("postgres")
        for client, at in zip(clients, accepted, strict=True):
            await client.until_durable(show, at)
        positions = [push["at"] for push in watcher.pushes]
        assert positions == sorted(positions)
    await until_drained(place.database_url, place.redis_url)
    assert await differences(place.database_url, place.redis_url) == []


async def test_cold_fans_have_to_wait_for_postgres(place: Place, node: NodeProcess) -> None:
    """A fan without a ballot in Valkey is refused as unavailable while PostgreSQL is down."""
    show, (song, *_) = place.shows[0].id, place.shows[0].songs
    async with (
        SteppedClient.connected(node.url, place.users[0]) as client,
        SteppedClient.connected(node.url, place.users[1]) as other,
    ):
        assert (await other.cast(show, {song: "up"}))["durability"] == "committed"
        place.engines.kill("postgres")
        error = await client.cast(show, {song: "up"})
        assert error["code"] == "unavailable"
        assert error["retry_after_ms"] > 0
        place.engines.revive("postgres")

        async def is_taken() -> bool:
            return (await client.cast(show, {song: "up"})).get("durability") == "committed"

        await until_async(is_taken, "the vote is taken")


async def test_valkey_is_down(place: Place, node: NodeProcess) -> None:
    """Casts are refused with the time to come back; pages and new watchers are served from PostgreSQL."""
    show, (song, *_) = place.shows[0].id, place.shows[0].songs
    async with SteppedClient.connected(node.url, place.users[0]) as client, aiohttp.ClientSession() as http:
        assert (await client.cast(show, {song: "up"}))["durability"] == "committed"
        place.engines.kill("valkey")
        error = await client.cast(show, {song: "down"})
        assert error["code"] == "unavailable"
        assert error["retry_after_ms"] > 0
        async with http.get(f"{node.url}/api/shows/{show}") as response:
            assert response.status == 200
            assert f'"id":{song}' in (await response.text()).replace(" ", "")
        async with http.post(
            f"{node.url}/api/shows/{show}/votes",
            json={"votes": [[song, "down"]]},
            headers={"Authorization": f"Bearer {place.users[0].token}"},
        ) as response:
            assert response.status == 503
            assert (await response.json())["code"] == "unavailable"
            assert int(response.headers["Retry-After"]) > 0
        state = await client.watch(f"votes:{show}")
        assert [song, 1, 0] in state["state"]["tally"]
        async with http.get(f"{node.url}/readyz") as response:
            assert response.status == 503
        place.engines.revive("valkey")

        async def is_ready() -> bool:
            async with http.get(f"{node.url}/readyz") as response:
                return response.status == 200

        # No vote comes meanwhile: the node finds out by itself.
        await until_async(is_ready, "the node is ready again", timeout_s=5)
        assert (await client.cast(show, {song: "down"}))["durability"] == "committed"
    await until_drained(place.database_url, place.redis_url)
    assert await differences(place.database_url, place.redis_url) == []


# ─────────────────────────────────────────────────────────────── accepted, and lost


async def lost_casts(node: NodeProcess) -> float:
    return await node.metric("mysetlist_votes_lost_total")


@pytest.mark.parametrize("loss", ["emptied", "cut"])
async def test_a_lost_vote_is_reported(place: Place, node: NodeProcess, loss: str) -> None:
    """Accepted while PostgreSQL is down, then lost by Valkey: counted, logged, and removed from all screens."""
    lost, reports = await lost_casts(node), len(node.records("votes.lost"))
    show, (song, other, *_) = place.shows[0].id, place.shows[0].songs
    async with (
        SteppedClient.connected(node.url, place.users[0]) as client,
        SteppedClient.connected(node.url) as watcher,
        redis.asyncio.Redis.from_url(place.redis_url) as valkey,
    ):
        assert (await client.cast(show, {song: "up"}))["durability"] == "committed"
        await until_drained(place.database_url, place.redis_url)
        await watcher.watch(f"votes:{show}")
        size = place.engines.log_bytes()
        place.engines.kill("postgres")
        assert (await client.cast(show, {song: "down", other: "up"}))["durability"] == "accepted"
        await until(
            lambda: any([song, 0, 1] in push["tally"] for push in watcher.pushes), "the watcher sees what was accepted"
        )
        if loss == "emptied":
            await valkey.flushall()
        else:
            place.engines.kill("valkey")
            place.engines.cut_log(size)
            place.engines.revive("valkey")
        place.engines.revive("postgres")

        async def is_reported() -> bool:
            return await lost_casts(node) == lost + 1

        await until_async(is_reported, "the loss is counted", timeout_s=10)
        (record,) = node.records("votes.lost")[reports:]
        assert record["casts"] == 1
        assert record["level"] == "error"
        shown: dict[int, list[int]] = {}

        def is_back() -> bool:
            for push in watcher.pushes:
                shown.update({counted: counts for counted, *counts in push["tally"]})
            return shown[song] == [1, 0] and shown.get(other, [0, 0]) == [0, 0]

        await until(is_back, "the watcher sees what is left", timeout_s=5)
        # The fan can send the same vote again.
        assert (await client.cast(show, {song: "down", other: "up"}))["durability"] == "committed"
    await until_drained(place.database_url, place.redis_url)
    assert await differences(place.database_url, place.redis_url) == []
    assert await lost_casts(node) == lost + 1


async def test_a_vote_that_only_seemed_lost_is_not_reported(place: Place, node: NodeProcess) -> None:
    """Both engines restart and Valkey keeps its log: the accepted vote is committed, and none is reported as lost."""
    lost = await lost_casts(node)
    show, (song, *_) = place.shows[0].id, place.shows[0].songs
    async with SteppedClient.connected(node.url, place.users[0]) as client:
        assert (await client.cast(show, {song: "up"}))["durability"] == "committed"
        place.engines.kill("postgres")
        ok = await client.cast(show, {song: "down"})
        assert ok["durability"] == "accepted"
        place.engines.kill("valkey")
        place.engines.revive("valkey")
        place.engines.revive("postgres")
        await client.until_durable(show, ok["at"])
    assert await lost_casts(node) == lost
    await until_rows(place, song, (0, 1))


async def test_postgres_that_hangs(place: Place, node: NodeProcess) -> None:
    """Rows are locked for seconds: casts are accepted meanwhile, and committed once the lock ends."""
    show, (song, *_) = place.shows[0].id, place.shows[0].songs
    connection = await asyncpg.connect(place.database_url)
    try:
        async with SteppedClient.connected(node.url, place.users[0]) as client:
            assert (await client.cast(show, {song: "up"}))["durability"] == "committed"
            async with connection.transaction():
                await connection.execute("lock table votes in share row exclusive mode")
                ok = await client.cast(show, {song: "down"})
                assert ok["durability"] == "accepted"
                assert not client.durable
            await client.until_durable(show, ok["at"])
            assert (await client.cast(show, {song: "none"}))["durability"] == "committed"
    finally:
        await connection.close()
    await until_drained(place.database_url, place.redis_url)
    assert await differences(place.database_url, place.redis_url) == []


async def test_casts_of_one_fan_keep_their_order(place: Place, node: NodeProcess) -> None:
    """Of quick changes on a cold show the last one stands, whenever its ballot is loaded in between."""
    show, (song, *_) = place.shows[0].id, place.shows[0].songs
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(SteppedClient.connected(node.url, user)) for user in place.users]
        replies = []
        for choice in ("up", "down", "up", "none", "down", "up"):
            for client in clients:
                replies.append(client.send_cast(show, {song: choice}))
                await asyncio.sleep(0.0005)
        for reply in await asyncio.gather(*replies):
            assert reply["ok"]["durability"] == "committed"
    await until_rows(place, song, (len(place.users), 0))


async def test_counts_do_not_go_back_with_valkey(place: Place, node: NodeProcess) -> None:
    """A client that joins while Valkey comes back without its newest data sees the committed counts at once."""
    show, (song, *_) = place.shows[0].id, place.shows[0].songs
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(SteppedClient.connected(node.url, user)) for user in place.users[:4]]
        assert (await clients[0].cast(show, {song: "up"}))["durability"] == "committed"
        size = place.engines.log_bytes()
        for client in clients[1:]:
            last = await client.cast(show, {song: "up"})
            assert last["durability"] == "committed"
        place.engines.kill("valkey")
        place.engines.cut_log(size)
        place.engines.revive("valkey")
        # Subscribes and unsubscribes, so that the counts are loaded each time, until the node has found out by itself.
        until_s = time.monotonic() + 1.5
        while time.monotonic() < until_s:
            channel = await clients[0].watch(f"votes:{show}")
            assert channel["at"] >= last["at"]
            assert [song, 4, 0] in channel["state"]["tally"]
            await clients[0].ask(op="unsubscribe", channels=[f"votes:{show}"])


async def test_without_valkey_a_node_shows_its_own_watchers(place: Place, node: NodeProcess) -> None:
    """`attend` is unavailable; a client that joins gets the committed count and the node's own watchers, at no older position."""
    show, channel = place.shows[0], f"attendance:{place.shows[0].id}"
    async with (
        SteppedClient.connected(node.url, place.users[0]) as client,
        SteppedClient.connected(node.url) as watcher,
    ):
        assert (await client.ask(op="attend", show=show.id, going=True))["ok"]["durability"] == "committed"
        before = await watcher.watch(channel)
        await until(lambda: any(push["watching"] == 1 for push in watcher.pushes), "the watcher is counted")
        place.engines.kill("valkey")
        assert (await client.ask(op="attend", show=show.id, going=False))["error"]["code"] == "unavailable"
        await watcher.ask(op="unsubscribe", channels=[channel])
        again = await watcher.watch(channel)
        assert again["at"] > max(before["at"], *(push["at"] for push in watcher.pushes))
        assert again["state"]["going"] == 1
        watcher.pushes.clear()
        await client.watch(channel)
        await until(
            lambda: any(push["watching"] == 2 for push in watcher.pushes), "both watch, as far as the node knows"
        )
        place.engines.revive("valkey")

        async def is_taken() -> bool:
            return "ok" in await client.ask(op="attend", show=show.id, going=False)

        await until_async(is_taken, "Valkey is back")
        await until(lambda: any(push["going"] == 0 for push in watcher.pushes), "nobody goes")
        assert [push["at"] for push in watcher.pushes] == sorted(push["at"] for push in watcher.pushes)
