"""A show that nobody votes on leaves Valkey, and comes back with the next cast."""

from __future__ import annotations

import time
from typing import Any

import pytest
import redis.asyncio

from server.cache.keys import SPENT_KEY, ballots_key, show_key
from server.voting import writer as writer_module
from server.voting.rules import shard_of
from server.voting.writer import Writer
from tests.support import one_node
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.vote_path import SHARD_COUNT, VotePath

database_url, redis_url = one_node.database_url, one_node.redis_url
factory, vote_path = one_node.emptied_database, one_node.vote_path

MINUTE_MS = 60_000


async def warm(redis_url: str) -> list[str]:
    """The keys of shows in Valkey, without the prefix of their shards."""
    async with redis.asyncio.Redis.from_url(redis_url, decode_responses=True) as valkey:
        keys = [str(key).partition(":")[2] for key in await valkey.keys("{*")]
    return sorted(key for key in keys if key.partition(":")[0] in ("show", "tally", "ballots", "tickets"))


async def age(redis_url: str, show: int, by_ms: int) -> None:
    """Makes the last cast on a show older."""
    async with redis.asyncio.Redis.from_url(redis_url) as valkey:
        await valkey.hincrby(show_key(shard_of(show, SHARD_COUNT), show), "u", -by_ms)


async def cool(writer: Writer) -> None:
    """What the writer does once a minute."""
    await writer._read_positions(set(range(SHARD_COUNT)))
    await writer._cool()


async def test_idle_and_final_shows_cool_down(factory: RowFactory, redis_url: str, vote_path: VotePath) -> None:
    """A show that is idle, or over for some minutes, is removed with its ballots; a live one stays, and votes go on."""
    idle, over, live = await factory.show(1), await factory.show(2), await factory.show(3)
    (fan,) = await factory.users(1)
    async with vote_path.writer() as writer:
        for show in (idle, over, live):
            assert (await vote_path.cast(show.id, fan, (show.first, "up"), order=5)).taken is not None
        await until(vote_path.is_drained)
        await age(redis_url, idle.id, 31 * MINUTE_MS)
        await age(redis_url, over.id, 3 * MINUTE_MS)
        await age(redis_url, live.id, 29 * MINUTE_MS)
        async with redis.asyncio.Redis.from_url(redis_url) as valkey:
            await valkey.hset(show_key(2, over.id), "c", 0)
        await cool(writer)
        assert await warm(redis_url) == ["ballots:3", "show:3", "tally:3"]
        again = await vote_path.cast(idle.id, fan, (idle.songs[1], "up"), order=6)
        assert again.taken is not None
        assert again.taken[2] == {idle.first: "up", idle.songs[1]: "up"}
        assert (await vote_path.cast(idle.id, fan, (idle.first, "none"), order=4)).code == "conflict"


async def test_a_show_with_an_uncommitted_cast_stays(
    factory: RowFactory, redis_url: str, vote_path: VotePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a writer the cast is only in the log: the show stays, and the database could not warm it up."""
    monkeypatch.setattr(writer_module, "COOL_IDLE_S", 0.0)
    show = await factory.show(1)
    (fan,) = await factory.users(1)
    assert (await vote_path.cast(show.id, fan, (show.first, "up"))).taken is not None
    writer = Writer(redis_url, vote_path.database, vote_path.intake._clock, shard_count=SHARD_COUNT)
    await cool(writer)
    await writer._connection.close()
    async with redis.asyncio.Redis.from_url(redis_url, decode_responses=True) as valkey:
        assert await valkey.hgetall(ballots_key(1, show.id)) == {str(fan): f"{show.first}u"}


async def test_the_writer_cools_by_itself(
    factory: RowFactory, redis_url: str, vote_path: VotePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A running writer removes an idle show without being asked."""
    monkeypatch.setattr(writer_module, "COOL_EVERY_S", 0.0)
    show = await factory.show(1)
    (fan,) = await factory.users(1)
    async with vote_path.writer():
        assert (await vote_path.cast(show.id, fan, (show.first, "up"))).taken is not None
        await age(redis_url, show.id, 31 * MINUTE_MS)

        async def is_cold() -> bool:
            return await warm(redis_url) == []

        await until(is_cold)


async def test_old_days_of_users_cool_down(factory: RowFactory, redis_url: str, vote_path: VotePath) -> None:
    """The spent votes of users who did not vote since the day before yesterday are removed, however many; a user who comes back
    votes on, and the generation stays.
    """
    show = await factory.show(1)
    (fan,) = await factory.users(1)
    today = int(time.time() // 86_400)
    async with vote_path.writer() as writer, redis.asyncio.Redis.from_url(redis_url, decode_responses=True) as valkey:
        assert (await vote_path.cast(show.id, fan, (show.first, "up"))).taken is not None
        await until(vote_path.is_drained)
        generation = str(await valkey.hget(SPENT_KEY, "generation"))
        old: dict[Any, Any] = {str(1_000_000 + n): f"0 {today - 2 - n % 9} 5" for n in range(5_000)}
        young = {"900001": f"0 {today - 1} 5", "900002": f"0 {today} 5"}
        await valkey.hset(SPENT_KEY, mapping=old | young)
        await valkey.hset(SPENT_KEY, str(fan), f"{generation} {today - 2} 1")
        await cool(writer)
        assert await valkey.hgetall(SPENT_KEY) == young | {"generation": generation}
        taken = (await vote_path.cast(show.id, fan, (show.songs[1], "up"))).taken
        assert taken is not None
        assert await valkey.hget(SPENT_KEY, str(fan)) == f"{generation} {today} 2"
