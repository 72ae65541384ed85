"""A proxy before a Valkey and its replica sends a node to the replica when the other one is lost, as HAProxy does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.conftest import Engines, open_place
from tests.support.audit import settled
from tests.support.engines import short_folder
from tests.support.proxy import TcpProxy
from tests.support.recording_crowd import Crowd
from tests.support.valkey_cluster import Server, eventually

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def pair() -> Iterator[tuple[Server, Server]]:
    """A Valkey and its replica, in step."""
    with short_folder() as folder:
        primary, replica = (Server(folder / name, is_of_cluster=False) for name in ("primary", "replica"))
        try:
            primary.start()
            replica.start()
            replica.ask("REPLICAOF", "127.0.0.1", primary.port)
            eventually(lambda: replica.ask("ROLE")[3] == "connected", "the replica is in step")
            yield primary, replica
        finally:
            primary.close()
            replica.close()


async def test_the_replica_takes_over_without_the_tail(
    mortal_engines: Engines, pair: tuple[Server, Server], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It lacks votes that are committed. The node finds that out before it decides a vote with it, and goes on."""
    primary, replica = pair
    folder = tmp_path_factory.mktemp("proxied")
    async with TcpProxy.running(primary.port) as proxy:
        redis_url = f"redis://127.0.0.1:{proxy.port}"
        async with open_place(mortal_engines, folder, shows=2, users=12, redis_url=redis_url) as place:
            node = await place.start_node()
            async with Crowd.voting([node], place.shows, place.users) as crowd:
                await crowd.more(120)
                primary.cut_off_replicas()
                await crowd.more(120)
                primary.kill()
                replica.ask("REPLICAOF", "NO", "ONE")
                proxy.targets = [replica.port]
                proxy.cut()
                await crowd.more(120)
                assert await settled(crowd, place.database_url, redis_url, may_lose_accepted=True) == []
            assert "behind" in {record["reason"] for record in node.records("shard.reset")}
