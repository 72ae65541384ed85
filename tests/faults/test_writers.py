"""Writers without leases, and with a backlog: the position in the transaction alone keeps votes safe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
import redis.asyncio

from server.clock import SystemClock
from server.store.database import Database
from server.telemetry import VOTES_COMMITTED
from server.voting import writer as writer_module
from server.voting.leases import LEASE_CLASS
from server.voting.writer import Writer
from tests.faults.conftest import Place
from tests.support.audit import SHARD_COUNT, differences, settled, until_drained
from tests.support.recording_crowd import Crowd
from tests.support.stepped_client import SteppedClient

pytestmark = pytest.mark.timeout(60)


class EveryShard:
    """The leases of a node that takes itself for the only one."""

    async def refresh(self) -> set[int]:
        """All shards."""
        return set(range(SHARD_COUNT))

    async def close(self) -> None:
        """Releases nothing."""


class SlowWriter(Writer):
    """A writer with a slow disk."""

    async def _write(self, *batch: Any) -> Any:
        await asyncio.sleep(0.06)
        return await super()._write(*batch)


class Records:
    """Keeps log records."""

    def __init__(self) -> None:
        self.actions: list[str] = []

    def warning(self, action: str, **_: Any) -> None:
        """Keeps the action of a record."""
        self.actions.append(action)


@asynccontextmanager
async def greedy_writers(place: Place, *kinds: type[Writer]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Writers in this process that work for every shard, beside others."""
    database = await Database.open(place.database_url)
    writers = []
    for kind in kinds:
        writer = kind(place.redis_url, database, SystemClock(), shard_count=SHARD_COUNT)
        writer._leases = EveryShard()  # type: ignore[assignment]
        writers.append(asyncio.create_task(writer.run()))
    try:
        yield writers
        assert not any(running.done() for running in writers)
    finally:
        for running in writers:
            running.cancel()
        await asyncio.gather(*writers, return_exceptions=True)
        await database.close()


async def test_three_writers_on_every_shard(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """One writer commits each entry, the others notice and give way; no vote doubles and none is left out."""
    records = Records()
    monkeypatch.setattr(writer_module, "log", records)
    node = await place.start_node()
    before = VOTES_COMMITTED._value.get()
    async with greedy_writers(place, Writer, Writer), Crowd.voting([node], place.shows, place.users) as crowd:

        async def have_raced() -> bool:
            # Each side was first several times, and they met often enough.
            overtaken_count = records.actions.count("writer.overtaken") + len(node.records("writer.overtaken"))
            return (
                overtaken_count >= 10
                and VOTES_COMMITTED._value.get() > before
                and await node.metric("mysetlist_votes_committed_total") > 0
            )

        await crowd.more(200)
        while not await have_raced():
            await crowd.more(50)
        assert await settled(crowd, place.database_url, place.redis_url) == []
        assert set(records.actions) == {"writer.overtaken"}


async def test_a_small_shard_behind_a_backlog(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """One vote waits seconds behind another shard's backlog: it is not reported as lost."""
    monkeypatch.setattr(writer_module, "BATCH_VOTES_MAX", 1)
    busy, quiet = sorted(place.shows, key=lambda show: show.id % SHARD_COUNT)
    leases = await asyncpg.connect(place.database_url)
    try:
        # The node's writer gets no shard, so that the backlog lasts.
        for shard in range(SHARD_COUNT):
            await leases.execute("select pg_advisory_lock($1::int, $2::int)", LEASE_CLASS, shard)
        node = await place.start_node()
        async with (
            SteppedClient.connected(node.url, place.users[0]) as client,
            SteppedClient.connected(node.url, place.users[1]) as other,
        ):
            for entry in range(60):
                # Further apart than a round gathers, so each is an entry of its own.
                client.send_cast(busy.id, {busy.songs[entry % 2]: "up" if entry % 4 < 2 else "down"})
                await asyncio.sleep(0.012)
            ok = await other.cast(quiet.id, {quiet.songs[0]: "down"})
            assert ok["durability"] == "accepted"
            async with greedy_writers(place, SlowWriter):
                await other.until_durable(quiet.id, ok["at"])
                await until_drained(place.database_url, place.redis_url)
        assert await node.metric("mysetlist_votes_lost_total") == 0
        assert not node.records("shard.reset")
    finally:
        await leases.close()
    assert await differences(place.database_url, place.redis_url) == []


class HesitantWriter(Writer):
    """A writer whose every other transaction comes to PostgreSQL after the one that follows it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._turn = 0

    async def _write(self, *batch: Any) -> Any:
        self._turn += 1
        if self._turn % 2:
            await asyncio.sleep(0.08)
        return await super()._write(*batch)


async def test_one_writer_is_never_overtaken(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of its transactions change places on their way, and Valkey loses its data: nobody else has committed, and no
    record says so.
    """
    records = Records()
    monkeypatch.setattr(writer_module, "log", records)
    leases = await asyncpg.connect(place.database_url)
    try:
        for shard in range(SHARD_COUNT):
            await leases.execute("select pg_advisory_lock($1::int, $2::int)", LEASE_CLASS, shard)
        node = await place.start_node()
        async with greedy_writers(place, HesitantWriter), Crowd.voting([node], place.shows, place.users) as crowd:
            await crowd.more(120)
            async with redis.asyncio.Redis.from_url(place.redis_url) as valkey:
                await valkey.flushall()
            await crowd.more(120)
            assert await settled(crowd, place.database_url, place.redis_url, may_lose_accepted=True) == []
        assert "writer.overtaken" not in records.actions
    finally:
        await leases.close()
