"""Votes on a Valkey Cluster: six real servers, whose primaries are killed and whose slots are moved while a crowd votes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from server.cache.keys import shard_prefix
from server.voting.rules import shard_of
from tests.faults.conftest import Engines, Place, open_place
from tests.support.audit import SHARD_COUNT, settled
from tests.support.node_process import NodeProcess, until, until_async
from tests.support.recording_crowd import Crowd
from tests.support.valkey_cluster import ValkeyCluster, valkey_cluster

# One crowd votes at one node on one cluster, through one fault after the other.
pytestmark = [pytest.mark.timeout(90), pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def whole_cluster() -> Iterator[ValkeyCluster]:
    """One cluster for all tests of this file."""
    with valkey_cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(whole_cluster: ValkeyCluster) -> ValkeyCluster:
    """It is whole, whatever the test before has left."""
    whole_cluster.heal()
    return whole_cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(
    mortal_engines: Engines, whole_cluster: ValkeyCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    """Six shows, in six shards."""
    folder = tmp_path_factory.mktemp("cluster")
    async with open_place(mortal_engines, folder, shows=6, users=12, redis_url=whole_cluster.url) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(place: Place) -> NodeProcess:
    """The node that all fans vote at."""
    return await place.start_node()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole_crowd(place: Place, node: NodeProcess) -> AsyncIterator[Crowd]:
    """See crowd."""
    async with Crowd.voting([node], place.shows, place.users) as opened:
        yield opened


@pytest.fixture
def crowd(cluster: ValkeyCluster, whole_crowd: Crowd) -> Crowd:
    """The crowd votes on."""
    whole_crowd.resume()
    return whole_crowd


def prefix_of_a_show(place: Place) -> str:
    """The prefix of the keys of the first show's shard."""
    return shard_prefix(shard_of(place.shows[0].id, SHARD_COUNT))


def reasons_of_resets(node: NodeProcess) -> list[str]:
    """Why shards were reset, so far."""
    return [record["reason"] for record in node.records("shard.reset")]


async def readyz(node: NodeProcess) -> tuple[int, dict[str, Any]]:
    """The status and the document of /readyz."""
    async with aiohttp.ClientSession() as http, http.get(f"{node.url}/readyz") as response:
        return response.status, await response.json()


async def until_paused(node: NodeProcess, why: str) -> None:
    """Waits until the node, which stays ready, says why some shards take no votes."""

    async def is_paused() -> bool:
        status, document = await readyz(node)
        return status == 200 and why in document.get("paused", "")

    await until_async(is_paused, "the node says which shards pause")


async def settled_when_whole(crowd: Crowd, place: Place, cluster: ValkeyCluster, **promises: bool) -> list[str]:
    """See settled; the audit asks every server."""
    cluster.heal()
    return await settled(crowd, place.database_url, place.redis_url, **promises)


async def test_a_crowd_is_committed(place: Place, crowd: Crowd, cluster: ValkeyCluster) -> None:
    """Without a fault everything is acknowledged as committed."""
    await crowd.more(200)
    assert await settled_when_whole(crowd, place, cluster) == []
    assert {cast.outcome for cast in crowd.ledger.casts} == {"committed"}


async def test_a_slot_is_moved(place: Place, node: NodeProcess, crowd: Crowd, cluster: ValkeyCluster) -> None:
    """While its keys move, the shard takes no votes; then they are read again from PostgreSQL. No other shard waits."""
    before = len(reasons_of_resets(node))
    await crowd.more()
    key = prefix_of_a_show(place)
    source = cluster.primary_of(key)
    target = next(server for server in cluster.servers if server.is_primary() and server is not source)
    loop = asyncio.get_running_loop()

    def meanwhile() -> None:
        asyncio.run_coroutine_threadsafe(until_paused(node, "ASK"), loop).result()
        asyncio.run_coroutine_threadsafe(crowd.more(), loop).result()

    await asyncio.to_thread(cluster.move_slot, key, target, meanwhile=meanwhile)
    await until(lambda: reasons_of_resets(node)[before:] == ["moved"], "the shard is opened on its new server")
    await crowd.more(120)
    assert await settled_when_whole(crowd, place, cluster) == []
    crowd.resume()
    # At once, as Valkey 9 moves slots.
    await asyncio.to_thread(cluster.migrate_slot, key, source)
    await until(
        lambda: reasons_of_resets(node)[before:] == ["moved", "moved"], "the shard is opened where it was before"
    )
    await crowd.more(120)
    assert await settled_when_whole(crowd, place, cluster) == []


async def test_a_primary_is_killed(place: Place, node: NodeProcess, crowd: Crowd, cluster: ValkeyCluster) -> None:
    """The others elect its replica; its shards are read again from PostgreSQL, and nothing committed is lost."""
    before = len(reasons_of_resets(node))
    await crowd.more()
    primary = cluster.primary_of(prefix_of_a_show(place))
    replica = cluster.replica_of(primary)
    primary.kill()
    await crowd.more(20)
    await until(replica.is_primary, "the replica is the primary")
    await until(lambda: "moved" in reasons_of_resets(node)[before:], "its shards are opened again")
    await crowd.more(120)
    assert await settled_when_whole(crowd, place, cluster, may_lose_accepted=True) == []


async def test_a_replica_is_promoted_without_the_tail(
    place: Place, node: NodeProcess, crowd: Crowd, cluster: ValkeyCluster
) -> None:
    """It lacks votes that are committed, so its shards go on past PostgreSQL's position."""
    before = len(reasons_of_resets(node))
    await crowd.more()
    primary = cluster.primary_of(prefix_of_a_show(place))
    replica = cluster.replica_of(primary)
    primary.cut_off_replicas()
    await crowd.more(120)
    primary.kill()
    cluster.promote(replica)
    await until(lambda: "behind" in reasons_of_resets(node)[before:], "its shards are opened again")
    await crowd.more(120)
    assert await settled_when_whole(crowd, place, cluster, may_lose_accepted=True) == []


async def test_a_primary_and_its_replica_are_away(
    place: Place, node: NodeProcess, crowd: Crowd, cluster: ValkeyCluster
) -> None:
    """The node stays ready and names the primary, and the other shards commit, also if it starts now. When all are back, all goes
    on.
    """
    await crowd.more()
    primary = cluster.primary_of(prefix_of_a_show(place))
    cluster.replica_of(primary).kill()
    primary.kill()
    await until_paused(node, primary.name)
    await crowd.more()
    await node.kill()
    await node.start()
    await crowd.more()
    cluster.heal()
    await crowd.more(120)
    assert await settled_when_whole(crowd, place, cluster, may_lose_accepted=True) == []


@pytest.mark.nightly("the replica takes over as in test_a_primary_is_killed; that an engine hangs is in test_drill.py")
async def test_a_primary_is_frozen(place: Place, crowd: Crowd, cluster: ValkeyCluster) -> None:
    """It answers nothing and keeps its connections. The others go on; it wakes up as a replica."""
    await crowd.more()
    primary = cluster.primary_of(prefix_of_a_show(place))
    replica = cluster.replica_of(primary)
    with primary.frozen():
        await crowd.more()
        await until(replica.is_primary, "the replica is the primary")
        await crowd.more()
    await crowd.more()
    assert await settled_when_whole(crowd, place, cluster, may_lose_accepted=True) == []


async def test_the_cluster_is_down(place: Place, node: NodeProcess, crowd: Crowd, cluster: ValkeyCluster) -> None:
    """A cluster that wants full coverage refuses every command while a slot has no primary: CLUSTERDOWN."""
    await crowd.more()
    for server in cluster.servers:
        server.ask("CONFIG", "SET", "cluster-require-full-coverage", "yes")
    primary = cluster.primary_of(prefix_of_a_show(place))
    cluster.replica_of(primary).kill()
    primary.kill()

    async def is_down() -> bool:
        return (await readyz(node))[0] == 503

    await until_async(is_down, "no shard takes votes")
    cluster.heal()
    for server in cluster.servers:
        server.ask("CONFIG", "SET", "cluster-require-full-coverage", "no")
    await crowd.more(120)
    assert await settled_when_whole(crowd, place, cluster, may_lose_accepted=True) == []
