"""Every process is killed while a recorded crowd votes, goes and follows: each acknowledged cast is stored and counts once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import redis.asyncio

from server.cache.keys import log_key, meta_key
from server.voting.rules import shard_of
from tests.faults.conftest import Place
from tests.support.audit import SHARD_COUNT, settled
from tests.support.node_process import NodeProcess, until, until_async
from tests.support.recording_crowd import Crowd

# One crowd votes at one node, through one fault after the other: a new node for each fault would cost more than the fault.
pytestmark = [pytest.mark.timeout(90), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(shared_place: Place) -> NodeProcess:
    """The node that is killed."""
    return await shared_place.start_node()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole_crowd(shared_place: Place, node: NodeProcess) -> AsyncIterator[Crowd]:
    """See crowd."""
    async with Crowd.voting([node], shared_place.shows[:2], shared_place.users[:12]) as opened:
        yield opened


@pytest.fixture
def place(shared_place: Place, whole_crowd: Crowd) -> Place:
    """Both engines run, whatever the test before has left."""
    for engine in ("postgres", "valkey"):
        shared_place.engines.revive(engine)
    return shared_place


@pytest.fixture
def crowd(place: Place, whole_crowd: Crowd) -> Crowd:
    """The crowd votes on."""
    whole_crowd.resume()
    return whole_crowd


def reasons_of_resets(node: NodeProcess) -> list[str]:
    """Why shards were reset, so far."""
    return [record["reason"] for record in node.records("shard.reset")]


async def lost_casts(node: NodeProcess) -> float:
    """How many casts were lost, so far."""
    return await node.metric("mysetlist_votes_lost_total")


async def test_without_faults_all_is_committed(place: Place, crowd: Crowd) -> None:
    """Without a fault everything is acknowledged as committed, in the order of the casts."""
    sent = len(crowd.ledger.casts)
    await crowd.more(200)
    assert await settled(crowd, place.database_url, place.redis_url) == []
    assert {cast.outcome for cast in crowd.ledger.casts[sent:]} == {"committed"}
    # The other tests would prove nothing about marks if there were hardly any.
    marks = [pair for pair in crowd.ledger.by_user_target if isinstance(pair[1], tuple)]
    assert len(marks) > len(crowd.fans)


async def test_the_node_is_killed(place: Place, node: NodeProcess, crowd: Crowd) -> None:
    """Killed under load, it keeps everything it had acknowledged, accepted votes included."""
    unknown = crowd.ledger.count("unknown")
    await crowd.more()
    await node.kill()
    await node.start()
    await crowd.more()
    assert await settled(crowd, place.database_url, place.redis_url) == []
    assert crowd.ledger.count("unknown") > unknown, "no cast was under way when the node was killed"


async def test_postgres_is_killed(place: Place, node: NodeProcess, crowd: Crowd) -> None:
    """Killed twice under load, it loses nothing: votes accepted meanwhile are committed afterwards."""
    lost = await lost_casts(node)
    for _ in range(2):
        await crowd.more()
        place.engines.kill("postgres")
        await crowd.more(12, "accepted")
        place.engines.revive("postgres")
    await crowd.more()
    assert await settled(crowd, place.database_url, place.redis_url) == []
    assert await lost_casts(node) == lost


async def test_valkey_is_killed(place: Place, crowd: Crowd) -> None:
    """Killed twice under load, it comes back with its log; committed votes do not depend on it."""
    for _ in range(2):
        await crowd.more()
        place.engines.kill("valkey")
        await crowd.more(1, "unknown")
        place.engines.revive("valkey")
    await crowd.more()
    assert await settled(crowd, place.database_url, place.redis_url, may_lose_accepted=True) == []


async def test_valkey_comes_back_without_its_newest_entries(place: Place, node: NodeProcess, crowd: Crowd) -> None:
    """Its log is cut far behind the committed position, so every shard is read again from PostgreSQL."""
    before = len(reasons_of_resets(node))
    await crowd.more()
    size = place.engines.log_bytes()
    await crowd.more()
    place.engines.kill("valkey")
    place.engines.cut_log(size)
    place.engines.revive("valkey")
    await crowd.more()
    assert await settled(crowd, place.database_url, place.redis_url, may_lose_accepted=True) == []
    assert "behind" in reasons_of_resets(node)[before:]


@pytest.mark.nightly("a cut log is in the test before, both killed at once in the test after")
async def test_valkey_is_killed_together_with_the_node(place: Place, node: NodeProcess, crowd: Crowd) -> None:
    """Both are gone and the log is cut: the new node has only PostgreSQL."""
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


async def test_everything_is_killed_at_once(place: Place, node: NodeProcess, crowd: Crowd) -> None:
    """A power cut of node, PostgreSQL and Valkey; then all of them come back."""
    await crowd.more()
    await node.kill()
    place.engines.kill("valkey")
    place.engines.kill("postgres")
    place.engines.revive("postgres")
    place.engines.revive("valkey")
    await node.start()
    await crowd.more()
    assert await settled(crowd, place.database_url, place.redis_url, may_lose_accepted=True) == []


async def test_valkey_is_emptied(place: Place, node: NodeProcess, crowd: Crowd) -> None:
    """FLUSHALL twice under load: the hot copy is rebuilt and voting goes on."""
    before = len(reasons_of_resets(node))
    async with redis.asyncio.Redis.from_url(place.redis_url) as valkey:
        for _ in range(2):
            await crowd.more()
            await valkey.flushall()
        await crowd.more()
    assert await settled(crowd, place.database_url, place.redis_url, may_lose_accepted=True) == []
    assert "gone" in reasons_of_resets(node)[before:]


async def test_one_shard_loses_a_key(place: Place, crowd: Crowd) -> None:
    """The end of its log is lost, or the entries are lost and their end is not; again and again."""
    shard = shard_of(crowd.shows[0].id, SHARD_COUNT)
    async with redis.asyncio.Redis.from_url(place.redis_url) as valkey:
        for _ in range(2):
            await crowd.more(40)
            await valkey.delete(meta_key(shard))
            await crowd.more(40)
            await valkey.delete(log_key(shard))
            await crowd.more(40)
            await valkey.xtrim(log_key(shard), maxlen=0, approximate=False)
        await crowd.more(40)
    assert await settled(crowd, place.database_url, place.redis_url, may_lose_accepted=True) == []


async def test_a_shard_that_lost_its_last_entries_goes_on(place: Place, node: NodeProcess, crowd: Crowd) -> None:
    """No later entry shows the gap, because no votes follow: the writer finds it by itself and reports it."""
    # The log first: what is reported meanwhile is in the count then, and is not taken for what this test loses.
    before, reports, lost = len(reasons_of_resets(node)), len(node.records("votes.lost")), await lost_casts(node)
    await crowd.more()
    place.engines.kill("postgres")
    await crowd.more(12, "accepted")
    for fan in crowd.fans:
        fan.is_casting = False
    await until(lambda: all(fan.is_quiet for fan in crowd.fans), "every cast is answered")
    async with redis.asyncio.Redis.from_url(place.redis_url) as valkey:
        for shard in range(SHARD_COUNT):
            await valkey.delete(log_key(shard))
    place.engines.revive("postgres")

    async def is_reported() -> bool:
        return await lost_casts(node) >= lost + 12

    await until_async(is_reported, "the loss is reported")
    assert len(node.records("votes.lost")) > reports
    assert await settled(crowd, place.database_url, place.redis_url, may_lose_accepted=True) == []
    assert "log_lost" in reasons_of_resets(node)[before:]
