"""Budgets and locks survive any loss of Valkey: PostgreSQL has them, and they are read again before the next cast."""

from __future__ import annotations

import asyncpg
import pytest
import pytest_asyncio
import redis.asyncio

from tests.faults.conftest import Place
from tests.support.audit import differences, until_drained
from tests.support.engines import execute
from tests.support.node_process import NodeProcess, until_async
from tests.support.open_shows import make_shows
from tests.support.stepped_client import SteppedClient

pytestmark = [pytest.mark.timeout(60), pytest.mark.asyncio(loop_scope="module")]

LOSSES = ("cut", "emptied", "restarted")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(shared_place: Place) -> NodeProcess:
    """One node for all tests, each with a show and a fan of its own."""
    return await shared_place.start_node()


async def lose(place: Place, loss: str, size: int) -> None:
    """Makes Valkey lose everything after `size` bytes of its log, or all of it, or nothing."""
    if loss == "emptied":
        async with redis.asyncio.Redis.from_url(place.redis_url) as valkey:
            await valkey.flushall()
        return
    place.engines.kill("valkey")
    if loss == "cut":
        place.engines.cut_log(size)
    place.engines.revive("valkey")


async def outcome(client: SteppedClient, show: int, votes: dict[int, str]) -> str:
    """The outcome of a cast when the server is no longer `unavailable`."""
    answer: dict[str, object] = {}

    async def is_decided() -> bool:
        answer.clear()
        answer.update(await client.cast(show, votes))
        return answer.get("code") != "unavailable"

    await until_async(is_decided, "the cast is decided")
    return str(answer.get("durability") or answer["code"])


async def test_a_full_ballot_stays_full(shared_place: Place, node: NodeProcess) -> None:
    """Three votes of three committed: a fourth is refused before and after, a withdrawal makes room."""
    place = shared_place
    (show,) = await make_shows(place.database_url, votes_per_user_max=3)
    first, second, third, fourth, *_ = show.songs
    async with SteppedClient.connected(node.url, place.users[0]) as client:
        size = place.engines.log_bytes()
        for song in (first, second, third):
            assert await outcome(client, show.id, {song: "up"}) == "committed"
        assert await outcome(client, show.id, {fourth: "up"}) == "budget"
        for loss in LOSSES:
            await lose(place, loss, size)
            assert await outcome(client, show.id, {fourth: "up"}) == "budget", loss
        assert await outcome(client, show.id, {first: "down"}) == "committed"
        assert await outcome(client, show.id, {second: "none", fourth: "up"}) == "committed"
        assert await outcome(client, show.id, {second: "up"}) == "budget"
    await until_drained(place.database_url, place.redis_url)
    assert await differences(place.database_url, place.redis_url) == []


async def test_a_lock_holds(shared_place: Place, node: NodeProcess) -> None:
    """Locked in PostgreSQL after the last vote, a show takes no votes after any loss of Valkey."""
    place = shared_place
    show, (song, *_) = place.shows[2].id, place.shows[2].songs
    async with SteppedClient.connected(node.url, place.users[2]) as client:
        assert await outcome(client, show, {song: "up"}) == "committed"
        await until_drained(place.database_url, place.redis_url)
        size = place.engines.log_bytes()
        await execute(place.database_url, f"update shows set is_locked = true where id = {show}")

        async def is_locked() -> bool:
            # The choice it already has, so it changes nothing either way.
            return await outcome(client, show, {song: "up"}) == "locked"

        await until_async(is_locked, "the lock has arrived")
        for loss in LOSSES:
            await lose(place, loss, size)
            assert await outcome(client, show, {song: "down"}) == "locked", loss
    assert await held(place, song) == "up"


async def test_a_lock_set_while_valkey_is_down_holds(shared_place: Place, node: NodeProcess) -> None:
    """Valkey comes back with all its data, which is older than the lock: the first cast is refused."""
    place = shared_place
    show, (song, *_) = place.shows[3].id, place.shows[3].songs
    async with SteppedClient.connected(node.url, place.users[3]) as client:
        assert await outcome(client, show, {song: "up"}) == "committed"
        await until_drained(place.database_url, place.redis_url)
        place.engines.kill("valkey")
        await execute(place.database_url, f"update shows set is_locked = true where id = {show}")

        async def is_told() -> bool:
            return bool(node.records("shows.not_revised"))

        await until_async(is_told, "the node has tried to tell Valkey")
        place.engines.revive("valkey")
        assert await outcome(client, show, {song: "down"}) == "locked"
    assert await held(place, song) == "up"


async def test_votes_spent_in_a_day_stay_spent(shared_place: Place) -> None:
    """Four votes a day, cast in two shows: the fifth is refused before and after, in both; an undo is free."""
    place = shared_place
    node = await place.start_node(MYSETLIST_VOTES_PER_DAY="4")
    one, other = place.shows[:2]
    async with SteppedClient.connected(node.url, place.users[1]) as client:
        size = place.engines.log_bytes()
        for song in one.songs[:3]:
            assert await outcome(client, one.id, {song: "up"}) == "committed"
        assert await outcome(client, other.id, {other.songs[0]: "up"}) == "committed"
        assert await outcome(client, one.id, {one.songs[3]: "up"}) == "budget"
        for loss in LOSSES:
            await lose(place, loss, size)
            assert await outcome(client, other.id, {other.songs[1]: "up"}) == "budget", loss
            assert await outcome(client, one.id, {one.songs[3]: "up"}) == "budget", loss
        assert await outcome(client, one.id, {one.songs[0]: "none"}) == "committed"
        assert await outcome(client, one.id, {one.songs[0]: "up"}) == "budget"


async def held(place: Place, song: int) -> str | None:
    """The only vote on a song."""
    connection = await asyncpg.connect(place.database_url)
    try:
        choice: str | None = await connection.fetchval(
            "select choice::text from votes where setlist_song_id = $1", song
        )
        return choice
    finally:
        await connection.close()
