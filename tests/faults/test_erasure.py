"""Users are erased while a crowd votes on the same shows, while no writer runs, and while an engine is down."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress

import aiohttp
import asyncpg
import pytest

from server.people.sessions import mint_token
from server.voting.leases import LEASE_CLASS
from tests.faults.conftest import Place
from tests.support.audit import SHARD_COUNT, differences, settled, until_drained
from tests.support.node_process import SECRET, NodeProcess, until_async
from tests.support.open_shows import User
from tests.support.recording_crowd import Crowd
from tests.support.stepped_client import SteppedClient
from tests.support.traces import traces_in_postgres, traces_in_valkey

pytestmark = pytest.mark.timeout(90)

# No other number in a database or a log contains these digits.
_NUMBERS = itertools.count(700_000_123_001)


async def make_leavers(place: Place, count: int) -> list[User]:
    """Creates users with ids that can be searched for."""
    ids = list(itertools.islice(_NUMBERS, count))
    connection = await asyncpg.connect(place.database_url)
    try:
        await connection.execute("insert into users (id) overriding system value select unnest($1::bigint[])", ids)
    finally:
        await connection.close()
    return [User(user_id, mint_token(SECRET, user_id, "user")) for user_id in ids]


async def erase(node: NodeProcess, user: User) -> int:
    """`DELETE /api/me`; gives the status."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {user.token}"}) as http,
        http.delete(f"{node.url}/api/me") as response,
    ):
        return response.status


async def vote_until_gone(place: Place, node: NodeProcess, user: User) -> None:
    """Casts without a pause, also on new connections with the old token, until the answer is `unauthenticated`."""
    for round_number in itertools.count():
        async with SteppedClient.connected(node.url, user) as client:
            for number in itertools.count():
                show = place.shows[number % 2]
                votes = {show.songs[number // 2 % 3]: ("up", "down", "none")[(number + round_number) % 3]}
                if client.is_closed:
                    break
                try:
                    answer = await client.cast(show.id, votes)
                except ConnectionError:
                    break
                if answer.get("code") == "unauthenticated":
                    return
                assert "durability" in answer or answer["code"] == "unavailable", answer


async def check(place: Place, nodes: list[NodeProcess], leavers: list[User]) -> None:
    """Checks that rows, tallies, history and Valkey agree, and that no engine or log names an erased user."""
    needles = [user.id for user in leavers]
    await until_drained(place.database_url, place.redis_url)
    assert await differences(place.database_url, place.redis_url) == []
    connection = await asyncpg.connect(place.database_url)
    try:
        assert await connection.fetch("select * from integrity_check()") == []
        assert await connection.fetch("select * from miscounts()") == []
        assert await traces_in_postgres(connection, *needles) == []
    finally:
        await connection.close()

    async def is_clean() -> bool:
        return not await traces_in_valkey(place.redis_url, *needles)

    await until_async(is_clean, "Valkey's log is trimmed")
    for node in nodes:
        written = node.log_path.read_text()
        assert [needle for needle in needles if str(needle) in written] == []


async def test_users_are_erased_while_a_crowd_votes_on_two_nodes(place: Place) -> None:
    """No acknowledged vote of another user is lost, watchers get the final counts, and these are the counts of the rows."""
    nodes = [await place.start_node(), await place.start_node()]
    leavers = await make_leavers(place, 2)
    async with Crowd.voting(nodes, place.shows, place.users) as crowd:
        # Each leaver votes on both nodes, and is erased on one of them.
        voting = [asyncio.create_task(vote_until_gone(place, node, user)) for user in leavers for node in nodes]
        for number, user in enumerate(leavers):
            await crowd.more(40)
            assert await erase(nodes[number % 2], user) == 204
        async with asyncio.timeout(30):
            await asyncio.gather(*voting)
        await crowd.more(40)
        assert await settled(crowd, place.database_url, place.redis_url) == []
    for user in leavers:
        assert await erase(nodes[0], user) == 401
    await check(place, nodes, leavers)
    assert sum(len(node.records("ballots.forgotten")) for node in nodes) == len(leavers)
    assert not [record for node in nodes for record in node.records("shard.reset") if record["reason"] != "gone"]


async def test_users_are_erased_while_no_writer_runs(place: Place) -> None:
    """Their votes are only in the log and are never counted. The votes of others are counted once a writer runs."""
    leases = await asyncpg.connect(place.database_url)
    leavers = await make_leavers(place, 2)
    show = place.shows[0]
    try:
        for shard in range(SHARD_COUNT):
            await leases.execute("select pg_advisory_lock($1::int, $2::int)", LEASE_CLASS, shard)
        nodes = [await place.start_node(), await place.start_node()]
        async with (
            SteppedClient.connected(nodes[0].url, leavers[0]) as first,
            SteppedClient.connected(nodes[1].url, leavers[1]) as second,
            SteppedClient.connected(nodes[1].url, place.users[0]) as fan,
        ):
            for client in (first, second, fan):
                answer = await client.cast(show.id, {show.songs[0]: "up", show.songs[1]: "down"})
                assert answer["durability"] == "accepted"
            assert await erase(nodes[0], leavers[0]) == 204
            # The erasing node closes its sockets. A socket of the other node is refused at its next cast.
            assert await erase(nodes[0], leavers[1]) == 204
            assert (await second.cast(show.id, {show.songs[0]: "down"}))["code"] in ("unavailable", "unauthenticated")
            await leases.close()
            await until_drained(place.database_url, place.redis_url)
            # The connection may be closed before this cast is answered.
            with suppress(ConnectionError):
                assert (await second.cast(show.id, {show.songs[0]: "down"}))["code"] == "unauthenticated"
            assert (await fan.cast(show.id, {show.songs[2]: "up"}))["durability"] in ("committed", "accepted")
    finally:
        await leases.close()
    await check(place, nodes, leavers)
    connection = await asyncpg.connect(place.database_url)
    try:
        rows = await connection.fetch("select setlist_song_id, user_id, choice::text from votes order by 1")
    finally:
        await connection.close()
    fan_id = place.users[0].id
    assert [tuple(row) for row in rows] == [
        (show.songs[0], fan_id, "up"), (show.songs[1], fan_id, "down"), (show.songs[2], fan_id, "up"),
    ]  # fmt: skip


async def test_nothing_is_erased_while_an_engine_is_down(place: Place) -> None:
    """Without PostgreSQL or Valkey the answer is `unavailable`. Once both are back, the user is erased."""
    node = await place.start_node()
    (leaver,) = await make_leavers(place, 1)
    show = place.shows[0]
    async with SteppedClient.connected(node.url, leaver) as client:
        assert (await client.cast(show.id, {show.songs[0]: "up"}))["durability"] in ("committed", "accepted")
    await until_drained(place.database_url, place.redis_url)
    for engine in ("valkey", "postgres"):
        place.engines.kill(engine)
        assert await erase(node, leaver) == 503
        place.engines.revive(engine)
        assert await count_votes(place, leaver) == 1

    async def is_erased() -> bool:
        return await erase(node, leaver) == 204

    await until_async(is_erased, "the engines are back")
    await check(place, [node], [leaver])


async def count_votes(place: Place, user: User) -> int:
    """Counts the votes of a user."""
    connection = await asyncpg.connect(place.database_url)
    try:
        return int(await connection.fetchval("select count(*) from votes where user_id = $1", user.id))
    finally:
        await connection.close()
