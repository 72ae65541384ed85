"""Valkey answers and takes no writes for a while: nobody waits for anybody, and voting is back as soon as it takes them again."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import redis.asyncio

from tests.faults.conftest import Place
from tests.support.audit import differences, until_drained
from tests.support.engines import unused_port
from tests.support.node_process import NodeProcess, until_async
from tests.support.stepped_client import SteppedClient

# One node for all tests; each has a show and fans of its own.
pytestmark = [pytest.mark.timeout(60), pytest.mark.asyncio(loop_scope="module")]

# Far below the minute that it took when connecting waited for a lock of the caller that connected.
REFUSED_WITHIN_S = 3.0
BACK_WITHIN_S = 6.0


@asynccontextmanager
async def full(valkey: Any) -> AsyncIterator[str]:
    """Its memory is full."""
    await valkey.config_set("maxmemory", 1)
    try:
        yield "OOM"
    finally:
        await valkey.config_set("maxmemory", 0)


@asynccontextmanager
async def replica(valkey: Any) -> AsyncIterator[str]:
    """It was made the replica of another server."""
    await valkey.execute_command("REPLICAOF", "127.0.0.1", unused_port())
    try:
        yield "READONLY"
    finally:
        await valkey.execute_command("REPLICAOF", "NO", "ONE")


@asynccontextmanager
async def disk(valkey: Any) -> AsyncIterator[str]:
    """It cannot save its data to disk."""
    folder = Path((await valkey.config_get("dir"))["dir"])
    await valkey.config_set("save", "3600 1000000")
    folder.chmod(0o500)

    async def has_failed() -> bool:
        return await _save_status(valkey) == "err"

    async def has_succeeded() -> bool:
        return await _save_status(valkey) == "ok"

    try:
        await valkey.bgsave()
        await until_async(has_failed, "the save fails")
        yield "MISCONF"
    finally:
        folder.chmod(0o700)
        await valkey.bgsave()
        await until_async(has_succeeded, "the save succeeds")
        await valkey.config_set("save", "")


async def _save_status(valkey: Any) -> str:
    return str((await valkey.info("persistence"))["rdb_last_bgsave_status"])


async def ready_answer(node: NodeProcess) -> tuple[int, str]:
    """The status and text of `/readyz`."""
    async with aiohttp.ClientSession() as http, http.get(f"{node.url}/readyz") as response:
        return response.status, await response.text()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(shared_place: Place) -> NodeProcess:
    """The node that stays."""
    return await shared_place.start_node()


WAYS = (full, replica, disk)


@pytest.mark.parametrize("number", range(len(WAYS)), ids=[way.__name__ for way in WAYS])
async def test_voting_stands_still_only_while_valkey_refuses_writes(
    shared_place: Place, node: NodeProcess, number: int
) -> None:
    """Casts are refused at once, `/readyz` and the log give Valkey's reason, and the first casts afterwards are committed."""
    refusing: Any = WAYS[number]
    place = dataclasses.replace(
        shared_place, shows=shared_place.shows[2 * number :][:2], users=shared_place.users[4 * number :][:4]
    )
    async with (
        AsyncExitStack() as stack,
        redis.asyncio.Redis.from_url(place.redis_url, decode_responses=True) as valkey,
    ):
        clients = [await stack.enter_async_context(SteppedClient.connected(node.url, user)) for user in place.users]
        for show in place.shows:
            for client in clients:
                assert (await client.cast(show.id, {show.songs[0]: "up"}))["durability"] == "committed"
        async with refusing(valkey) as word:
            for choice in ("down", "up", "down"):
                for show in place.shows:
                    began_s = time.monotonic()
                    answer = await clients[0].ask(op="cast", show=show.id, votes=[[show.songs[0], choice]])
                    assert answer["error"]["code"] == "unavailable"
                    assert time.monotonic() - began_s < REFUSED_WITHIN_S

            async def is_told() -> bool:
                status, text = await ready_answer(node)
                return status == 503 and f"Valkey refuses writes: {word}" in text

            await until_async(is_told, "the node says that it is not ready, and why", timeout_s=5)
        began_s = time.monotonic()

        async def is_taken() -> bool:
            return "ok" in await clients[0].ask(
                op="cast", show=place.shows[0].id, votes=[[place.shows[0].songs[0], "none"]]
            )

        await until_async(is_taken, "a cast is taken again")
        for show in place.shows:
            for client in clients:
                assert (await client.cast(show.id, {show.songs[0]: "down"}))["durability"] == "committed"
        assert time.monotonic() - began_s < BACK_WITHIN_S

        async def is_ready() -> bool:
            return (await ready_answer(node))[0] == 200

        await until_async(is_ready, "the node is ready again", timeout_s=5)
    assert any(f"Valkey refuses writes: {word}" in record["reason"] for record in node.records("intake.not_ready"))
    # The refused scripts changed nothing, so no copy was thrown away.
    assert not node.records("shard.reset")
    await until_drained(place.database_url, place.redis_url)
    assert await differences(place.database_url, place.redis_url) == []
