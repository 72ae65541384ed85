"""Opening a shard while casts go on."""

from __future__ import annotations

from typing import Any

import redis.asyncio

from server.cache.connection import Command, Connection
from server.cache.keys import meta_key, tally_key
from server.store.database import Database
from server.voting.log import open_shard

SHARD = 7


async def test_a_fork_is_reset_though_somebody_casts_at_that_moment(database_url: str, redis_url: str) -> None:
    """The entry that showed the gap is committed by then, so no later one would show it again."""
    database = await Database.open(database_url, pool_size=1)
    valkey = redis.asyncio.Redis.from_url(redis_url)
    connection = Connection(redis_url)

    async def ask(commands: list[Command]) -> list[Any]:
        if commands[0][0] == "EVAL":
            await valkey.hset(meta_key(SHARD), "last", 4711 << 10)
        return await connection.ask(commands)

    try:
        await valkey.hset(meta_key(SHARD), mapping={"last": 4710 << 10, "barrier": 0})
        await valkey.sadd(f"{{{SHARD}}}:shows", SHARD)
        await valkey.hset(tally_key(SHARD, SHARD), "1", "2 6")
        assert await open_shard(database, ask, SHARD, is_forked=True)
        assert not await valkey.exists(tally_key(SHARD, SHARD))
        assert int(await valkey.hget(meta_key(SHARD), "barrier")) == 4711 << 10
    finally:
        await connection.close()
        await valkey.aclose()
        await database.close()
