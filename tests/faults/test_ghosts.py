"""A lease whose holder does nothing: PostgreSQL ends a silent one, and other nodes commit without it."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack

import aiohttp
import asyncpg
import pytest

from server.voting.leases import LEASE_CLASS, LEASES
from tests.faults.conftest import Place
from tests.support.audit import SHARD_COUNT, differences, until_drained
from tests.support.node_process import NodeProcess, until, until_async
from tests.support.stepped_client import SteppedClient

pytestmark = pytest.mark.timeout(60)


async def reasons(node: NodeProcess) -> str:
    """What `/readyz` answers."""
    async with aiohttp.ClientSession() as http, http.get(f"{node.url}/readyz") as response:
        return await response.text()


async def test_a_holder_that_commits_nothing(place: Place) -> None:
    """Its session is busy, so nothing ends it: the node says that the log is stalled, and commits it without the lease."""
    ghost = await asyncpg.connect(place.database_url)
    try:
        for shard in range(SHARD_COUNT):
            await ghost.execute("select pg_advisory_lock($1::int, $2::int)", LEASE_CLASS, shard)
        node = await place.start_node()
        show, (song, *_) = place.shows[0].id, place.shows[0].songs
        async with SteppedClient.connected(node.url, place.users[0]) as client:
            ok = await client.cast(show, {song: "up"})
            assert ok["durability"] == "accepted"
            await client.until_durable(show, ok["at"])
            # It keeps the shard: the next votes do not wait.
            assert (await client.cast(show, {song: "down"}))["durability"] == "committed"

            async def is_ready() -> bool:
                return '"ready"' in await reasons(node)

            await until_async(is_ready, "the node is ready")
        (stalled, *_), (adopted, *_) = node.records("commits.stalled"), node.records("writer.adopted")
        assert stalled["shards"] == adopted["shards"] == [show % SHARD_COUNT]
        assert await node.metric("mysetlist_commits_stalled_seconds") == 0
    finally:
        await ghost.close()
    await until_drained(place.database_url, place.redis_url)
    assert await differences(place.database_url, place.redis_url) == []


async def test_a_node_that_is_stopped_loses_its_leases(place: Place) -> None:
    """Its kernel answers for it, so its connections stay open: PostgreSQL ends the one with the leases."""
    stopped, other = await place.start_node(), await place.start_node()
    connection = await asyncpg.connect(place.database_url)

    async def lease_sessions() -> int:
        count: int = await connection.fetchval(
            "select count(*) from pg_stat_activity where datname = current_database() and application_name = $1", LEASES
        )
        return count

    async def is_shared() -> bool:
        held = [await node.metric("mysetlist_shards_held") for node in (stopped, other)]
        return sum(held) == SHARD_COUNT and min(held) > 0

    await until_async(is_shared, "both nodes hold shards")
    os.kill(stopped.pid, signal.SIGSTOP)
    try:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(SteppedClient.connected(other.url, place.users[0]))

            async def is_alone() -> bool:
                return await lease_sessions() == 1

            await until_async(is_alone, "the silent session is ended")
            await until(
                lambda: len(other.records("leases.changed")[-1]["held"]) == SHARD_COUNT, "the other has every shard"
            )
            for show in place.shows:
                assert (await client.cast(show.id, {show.songs[0]: "up"}))["durability"] == "committed"
    finally:
        os.kill(stopped.pid, signal.SIGCONT)
    await until_async(is_shared, "the node comes back and takes its share")
    await connection.close()
    await until_drained(place.database_url, place.redis_url)
    assert await differences(place.database_url, place.redis_url) == []
