"""Opening a shard while casts go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
import redis.asyncio

from server.cache.cluster import connection_to
from server.cache.connection import Command
from server.cache.keys import SPENT_KEY, log_key, meta_key, tally_key
from server.errors import CacheUnavailable
from server.store.database import Database
from server.voting.log import open_shard, open_shards
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.vote_path import VotePath

SHARD = 7


async def test_a_fork_is_reset_also_when_a_cast_comes_meanwhile(database_url: str, redis_url: str) -> None:
    """The entry that shows the gap is committed then, so no later entry would show it again."""
    database = await Database.open(database_url, pool_size=1)
    valkey: Any = redis.asyncio.Redis.from_url(redis_url)
    connection = connection_to(redis_url)

    async def ask(commands: Sequence[Command]) -> list[Any]:
        if commands[0][0] == "EVAL":
            await valkey.hset(meta_key(SHARD), "last", 4711 << 10)
        return await connection.ask(commands)

    try:
        await valkey.hset(meta_key(SHARD), mapping={"last": 4710 << 10, "barrier": 0})
        await valkey.sadd(f"{{{SHARD}}}:shows", SHARD)
        await valkey.hset(tally_key(SHARD, SHARD), "1", "2 6")
        assert await open_shard(database, ask, SHARD, is_forked=True)
        assert not await valkey.exists(tally_key(SHARD, SHARD))
        assert int(await valkey.hget(meta_key(SHARD), "barrier")) == (4711 << 10) + 1
    finally:
        await connection.close()
        await valkey.aclose()
        await database.close()


async def test_who_dies_while_it_opens_a_shard_leaves_no_position_that_only_valkey_has(
    database_url: str, redis_url: str
) -> None:
    """The position from which Valkey goes on is committed before Valkey has it, so writers that hold lost entries are fenced off."""
    database = await Database.open(database_url, pool_size=1)
    connection = connection_to(redis_url)

    async def ask(commands: Sequence[Command]) -> list[Any]:
        answers: list[Any] = await connection.ask(commands)
        if commands[0][0] == "EVAL":
            raise CacheUnavailable("the node dies here, as far as the database sees")
        return answers

    try:
        await connection.ask([("HSET", meta_key(SHARD), "last", 4710 << 10, "barrier", 0)])
        async with database.connection() as sql:
            await sql.execute("update log_positions set position = $1 where shard = $2", 4711 << 10, SHARD)
        with pytest.raises(CacheUnavailable):
            await open_shard(database, ask, SHARD)
        (last,) = await connection.ask([("HGET", meta_key(SHARD), "last")])
        async with database.connection() as sql:
            row = await sql.fetchrow("select position, reset_position from log_positions where shard = $1", SHARD)
        assert row is not None
        assert row["position"] == row["reset_position"] == int(last) > 4711 << 10
        # What was reset before is not reset again.
        assert not await open_shard(database, connection.ask, SHARD)
    finally:
        await connection.close()
        await database.close()


async def test_the_logs_of_a_new_service_begin_once(database_url: str, redis_url: str) -> None:
    """All connections of the first nodes come at the same time; one of them opens all shards, where the database says they begin."""
    database = await Database.open(database_url, pool_size=3)
    lines = [connection_to(redis_url, on_connect=lambda line: open_shards(database, line)) for _ in range(3)]
    try:
        await asyncio.gather(*(line.ask([("PING",)]) for line in lines))
        lasts = await lines[0].ask([("HGET", meta_key(shard), "last") for shard in range(16)])
        assert await lines[0].ask([("HGET", SPENT_KEY, "generation")]) == [b"16"]
        async with database.connection() as sql:
            rows = await sql.fetch("select position, reset_position from log_positions order by shard")
        assert [(row["position"], row["reset_position"]) for row in rows] == [(int(last), int(last)) for last in lasts]
        assert min(row["position"] for row in rows) > 0
    finally:
        for line in lines:
            await line.close()
        await database.close()


@pytest.mark.parametrize("loss", ["is_forked", "is_log_lost"])
async def test_a_shard_goes_on_past_all_that_was_shown(loss: str, database_url: str, redis_url: str) -> None:
    """Counts up to the end of the log may have been shown, with votes that are lost. The next position is new to everyone,
    and the next notification follows the reset, so nodes read the counts again.
    """
    async with (
        RowFactory.open(database_url) as factory,
        VotePath.open(database_url, redis_url) as vote_path,
        redis.asyncio.Redis.from_url(redis_url) as valkey,
    ):
        show = await factory.show(SHARD)
        (user,) = await factory.users(1)
        assert (await vote_path.cast(show.id, user, (show.first, "up"))).taken is not None
        end: Any = await valkey.hget(meta_key(SHARD), "last")
        if loss == "is_log_lost":
            await valkey.xtrim(log_key(SHARD), maxlen=0, approximate=False)
        assert await open_shard(
            vote_path.database,
            vote_path.intake._connection.ask,
            SHARD,
            is_forked=loss == "is_forked",
            is_log_lost=loss == "is_log_lost",
        )
        async with vote_path.writer():
            await until(vote_path.is_drained)
            notified: asyncio.Queue[str] = asyncio.Queue()
            await factory.sql.add_listener("votes", lambda *event: notified.put_nowait(event[-1]))
            cast = await vote_path.cast(show.id, user, (show.songs[1], "up"))
            notice = json.loads(await notified.get())
        position = await factory.sql.fetchval("select reset_position from log_positions where shard = $1", SHARD)
        assert position == int(end) + 1 == notice["after"] < notice["at"]
        assert cast.taken is not None
        assert notice["total"] == (2 if loss == "is_forked" else 1)


async def test_votes_spent_in_other_shards_outlive_a_reset(database_url: str, redis_url: str) -> None:
    """Both votes of the day are only in the log of shard 1 when shard 2 is reset: a third is refused everywhere."""
    async with (
        RowFactory.open(database_url) as factory,
        VotePath.open(database_url, redis_url, votes_per_day_max=2) as vote_path,
        redis.asyncio.Redis.from_url(redis_url) as valkey,
    ):
        one, two = await factory.show(1), await factory.show(2)
        (user,) = await factory.users(1)
        for song in one.songs[:2]:
            assert (await vote_path.cast(one.id, user, (song, "up"))).taken is not None
        await valkey.delete(meta_key(2))
        assert await open_shard(vote_path.database, vote_path.intake._connection.ask, 2)
        assert (await vote_path.cast(two.id, user, (two.first, "up"))).code == "budget"
        assert (await vote_path.cast(one.id, user, (one.songs[2], "up"))).code == "budget"
        assert (await vote_path.cast(one.id, user, (one.first, "none"))).taken is not None


async def test_spent_votes_that_valkey_lost_are_read_again(database_url: str, redis_url: str) -> None:
    """Both votes were in shard 2, committed, and lost with Valkey's newest data; shard 1 lost nothing and stays warm."""
    async with (
        RowFactory.open(database_url) as factory,
        VotePath.open(database_url, redis_url, votes_per_day_max=2) as vote_path,
        redis.asyncio.Redis.from_url(redis_url) as valkey,
    ):
        one, two = await factory.show(1), await factory.show(2)
        (user,) = await factory.users(1)
        assert (await vote_path.cast(one.id, user, (one.first, "none"))).taken is not None
        before: Any = await valkey.hgetall(SPENT_KEY)
        async with vote_path.writer():
            for song in two.songs[:2]:
                assert (await vote_path.cast(two.id, user, (song, "up"))).taken is not None
            await until(vote_path.is_drained)
        await valkey.hset(SPENT_KEY, mapping=before)
        await valkey.hset(meta_key(2), "last", 1)
        assert await open_shard(vote_path.database, vote_path.intake._connection.ask, 2)
        assert (await vote_path.cast(one.id, user, (one.first, "up"))).code == "budget"
