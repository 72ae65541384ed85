"""Every process is killed while a recorded crowd votes, goes and follows: each acknowledged cast is stored and counts once."""

from __future__ import annotations

import pytest
import redis.asyncio

from server.cache.keys import log_key, meta_key
from server.voting.rules import shard_of
from tests.faults.conftest import Place
from tests.support.audit import SHARD_COUNT, settled
from tests.support.node_process import until, until_async
from tests.support.recording_crowd import Crowd

pytestmark = pytest.mark.timeout(90)


async def test_without_faults_all_is_committed(place: Place) -> None:
    """Without a fault everything is acknowledged as committed, in the order of the casts."""
    node = await place.start_node()
    async with Crowd.voting([node], place.shows, place.users) as crowd:
        await crowd.more(400)
        assert await settled(crowd, place.database_url, place.redis_url) == []
        assert crowd.ledger.count("committed") == len(crowd.ledger.casts)
        # The other tests would prove nothing about marks if there were hardly any.
        marks = [pair for pair in crowd.ledger.by_user_target if isinstance(pair[1], tuple)]
        assert len(marks) > len(place.users)


async def test_the_node_is_killed(place: Place) -> None:
    """Killed twice under load, it keeps everything it had acknowledged, accepted votes included."""
    node = await place.start_node()
    async with Crowd.voting([node], place.shows, place.users) as crowd:
        for _ in range(2):
            await crowd.more()
            await node.kill()
            await node.start()
        await crowd.more()
        assert await settled(crowd, place.database_url, place.redis_url) == []
        assert crowd.ledger.count("unknown") > 0, "no cast was under way when the node was killed"


async def test_postgres_is_killed(place: Place) -> None:
    """Killed twice under load, it loses nothing: votes accepted meanwhile are committed afterwards."""
    node = await place.start_node()
    async with Crowd.voting([node], place.shows, place.users) as crowd:
        for _ in range(2):
            await crowd.more()
            place.engines.kill("postgres")
            await crowd.more(12, "accepted")
            place.engines.revive("postgres")
        await crowd.more()
        assert await settled(crowd, place.database_url, place.redis_url) == []
        assert await node.metric("mysetlist_votes_lost_total") == 0


async def test_valkey_is_killed(place: Place) -> None:
    """Killed twice under load, it comes back with its log; committed votes do not depend on it."""
    node = await place.start_node()
    async with Crowd.voting([node], place.shows, place.users) as crowd:
        for _ in range(2):
            await crowd.more()
            place.engines.kill("valkey")
            await crowd.more(1, "unknown")
            place.engines.revive("valkey")
        await crowd.more()
        assert await settled(crowd, place.database_url, place.redis_url, may_lose_accepted=True) == []


async def test_valkey_comes_back_without_its_newest_entries(place: Place) -> None:
    """Its log is cut far behind the committed position, so every shard is read again from PostgreSQL."""
    node = await place.start_node()
    async with Crowd.voting([node], place.shows, place.users) as crowd:
        await crowd.more()
        size = place.engines.log_bytes()
        await crowd.more()
        place.engines.kill("valkey")
        place.engines.cut_log(size)
        place.engines.revive("valkey")
        await crowd.more()
        assert await settled(crowd, place.database_url, place.redis_url, may_lose_accepted=True) == []
        reasons = {record["reason"] for record in node.records("shard.reset")}
        assert "behind" in reasons


async def test_valkey_is_killed_together_with_the_node(place: Place) -> None:
    """Both are gone and the log is cut: the new node has only PostgreSQL."""
    node = await place.start_node()
    async with Crowd.voting([node], place.shows, place.users) as crowd:
        await crowd.more()
        size = place.engines.log_bytes()
        await crowd.more()
        place.engines.kill("valkey")
        await node.kill()
        place.engines.cut_log(size)
        place.engines.revive("valkey")
        await node.start()
        await crowd.more()
        assert await settled(crowd, place.database_url, place.redis_url, may_lose_accepted=True) == []


async def test_everything_is_killed_at_once(place: Place) -> None:
    """A power cut of node, PostgreSQL and Valkey; then all of them come back."""
    node = await place.start_node()
    async with Crowd.voting([node], place.shows, place.users) as crowd:
        await crowd.more()
        await node.kill()
        place.engines.kill("valkey")
        place.engines.kill("postgres")
        place.engines.revive("postgres")
        place.engines.revive("valkey")
        await node.start()
        await crowd.more()
        assert await settled(crowd, place.database_url, place.redis_url, may_lose_accepted=True) == []


async def test_valkey_is_emptied(place: Place) -> None:
    """FLUSHALL twice under load: the hot copy is rebuilt and voting goes on."""
    node = await place.start_node()
    async with (
        Crowd.voting([node], place.shows, place.users) as crowd,
        redis.asyncio.Redis.from_url(place.redis_url) as valkey,
    ):
        for _ in range(2):
            await crowd.more()
            await valkey.flushall()
        await crowd.more()
        assert await settled(crowd, place.database_url, place.redis_url, may_lose_accepted=True) == []
        assert {record["reason"] for record in node.records("shard.reset")} >= {"gone"}


async def test_one_shard_loses_a_key(place: Place) -> None:
    """The end of its log is lost, or the entries are lost and their end is not; again and again."""
    node = await place.start_node()
    shard = shard_of(place.shows[0].id, SHARD_COUNT)
    async with (
        Crowd.voting([node], place.shows, place.users) as crowd,
        redis.asyncio.Redis.from_url(place.redis_url) as valkey,
    ):
        for _ in range(3):
            await crowd.more(60)
            await valkey.delete(meta_key(shard))
            await crowd.more(60)
            await valkey.delete(log_key(shard))
            await crowd.more(60)
            await valkey.xtrim(log_key(shard), maxlen=0, approximate=False)
        await crowd.more(60)
        assert await settled(crowd, place.database_url, place.redis_url, may_lose_accepted=True) == []


async def test_a_shard_that_lost_its_last_entries_goes_on(place: Place) -> None:
    """No later entry shows the gap, because no votes follow: the writer finds it by itself and reports it."""
    node = await place.start_node()
    async with (
        Crowd.voting([node], place.shows, place.users) as crowd,
        redis.asyncio.Redis.from_url(place.redis_url) as valkey,
    ):
        await crowd.more()
        place.engines.kill("postgres")
        await crowd.more(12, "accepted")
        for fan in crowd.fans:
            fan.is_casting = False
        await until(lambda: all(fan.is_quiet for fan in crowd.fans), "every cast is answered")
        for shard in range(SHARD_COUNT):
            await valkey.delete(log_key(shard))
        place.engines.revive("postgres")

        async def is_reported() -> bool:
            return await node.metric("mysetlist_votes_lost_total") >= 12

        await until_async(is_reported, "the loss is reported")
        assert node.records("votes.lost")
        assert await settled(crowd, place.database_url, place.redis_url, may_lose_accepted=True) == []
        assert {record["reason"] for record in node.records("shard.reset")} >= {"log_lost"}
