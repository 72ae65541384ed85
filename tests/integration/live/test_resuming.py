"""A client that comes from another node and holds newer states than this node does not get older ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from server.node.node import Node
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node, until
from tests.support.socket_client import SocketClient

# The methods of a hub that publish changes: without them the node stays behind.
CHANGES = (
    "publish_tally", "replace_tally", "replace_document", "publish_going", "publish_watching", "publish_activity",
    "replace_activity",
)  # fmt: skip


@pytest.fixture
async def nodes(database_url: str, redis_url: str, factory: RowFactory) -> AsyncIterator[list[Node]]:
    """Two nodes; the test makes the second one deaf."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running_node(database_url, redis_url)) for _ in range(2)]


async def test_positions_do_not_go_back_on_another_node(nodes: list[Node], factory: RowFactory) -> None:
    """For each kind of channel: the node loads the state again and pushes it to its other watchers."""
    informed, behind = nodes
    show = await factory.show(7)
    channels = ["votes:7", f"song:{show.first}", "attendance:7", "followers:1", "trending", "activity"]
    async with (
        SocketClient.connect(behind.url) as waiting,
        SocketClient.connect(informed.url) as fan,
        SocketClient.connect(behind.url) as arriving,
    ):
        assert len(await waiting.watch(*channels)) == len(channels)
        for name in CHANGES:
            setattr(behind.rooms.hub, name, lambda *_, **__: None)
        await fan.hello(await factory.token())
        await fan.cast(7, (show.first, "up"))
        await fan.ok("attend", show=7, going=True)
        await fan.ok("follow", artist=1, following=True)
        await factory.sql.execute("update shows set status = 'live' where id = 7")
        await factory.sql.execute("select update_trending_scores()")

        async def is_pushed() -> bool:
            shown = await fan.watch(*channels)
            await fan.ok("unsubscribe", channels=channels)
            going, events = shown["attendance:7"]["state"]["going"], shown["activity"]["state"]["events"]
            return bool(going == 1 and events[-1]["kind"] == "live")

        await until(is_pushed)
        held = await fan.watch(*channels)
        found = await arriving.watch(*channels, since={name: held[name]["at"] for name in channels})
        for name in channels:
            assert found[name]["at"] >= held[name]["at"], name
        moved = {name: found[name].get("state", held[name]["state"]) for name in channels}
        assert moved[f"song:{show.first}"] == {"up": 1, "down": 0}
        assert [show.first, 1, 0] in moved["votes:7"]["tally"]
        assert moved["attendance:7"]["going"] == moved["followers:1"]["followers"] == 1
        assert [entry["id"] for entry in moved["trending"]["shows"]] == [7]
        assert moved["activity"]["events"][-1]["kind"] == "live"
        push = await waiting.push("activity")
        assert push["at"] == found["activity"]["at"]
        assert (await waiting.push(f"song:{show.first}"))["up"] == 1
