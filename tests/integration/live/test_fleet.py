"""`/api/realtime/subscriptions`: lists the connections and channels of all nodes, and closes them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
import redis

from server.cache.cluster import connection_to
from server.cache.keys import node_key
from server.node.intervals import Intervals
from server.node.node import Node
from server.people.sessions import mint_token
from tests.support.row_factory import RowFactory
from tests.support.running_node import SECRET, running_node, until
from tests.support.socket_client import SocketClient

PATH = "/api/realtime/subscriptions"
QUICK = Intervals(fleet_summary_s=0.05, fleet_reply_timeout_s=1.0)


class Staff:
    """An administrator's client of one node."""

    def __init__(self, http: aiohttp.ClientSession, user_id: int) -> None:
        self.http = http
        self.user_id = user_id

    async def look(self, **query: Any) -> Any:
        """The answer to GET."""
        async with self.http.get(PATH, params=query) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def close(self, **query: str) -> tuple[int, Any]:
        """The status and the answer to DELETE."""
        async with self.http.delete(PATH, params=query) as response:
            return response.status, await response.json()


@asynccontextmanager
async def staff_of(node: Node, factory: RowFactory) -> AsyncIterator[Staff]:
    user_id = await factory.sql.fetchval("insert into users (role) values ('admin') returning id")
    headers = {"Authorization": f"Bearer {mint_token(SECRET, user_id, 'admin')}"}
    async with aiohttp.ClientSession(node.url, headers=headers) as http:
        yield Staff(http, user_id)


@pytest.fixture
async def node(database_url: str, redis_url: str) -> AsyncIterator[Node]:
    """A node that writes its summary often."""
    async with running_node(database_url, redis_url, intervals=QUICK) as running:
        yield running


@pytest.fixture
async def other(node: Node, database_url: str, redis_url: str) -> AsyncIterator[Node]:
    """A second one."""
    async with running_node(database_url, redis_url, intervals=QUICK) as running:
        yield running


async def test_connections_and_channels_are_listed(node: Node, other: Node, factory: RowFactory) -> None:
    """Connections of the node that answers or of another one that is named; channels, sums and lags of both."""
    show = await factory.show(7)
    async with (
        staff_of(other, factory) as staff,
        SocketClient.connect(node.url) as far,
        SocketClient.connect(other.url) as near,
        SocketClient.connect(other.url) as reader,
    ):
        await far.hello(await factory.token())
        user = await near.hello(await factory.token())
        for watcher in (far, near):
            await watcher.watch("votes:7", "status:7")
        await reader.watch("status:7")
        await near.cast(7, (show.first, "up"))
        await far.push("votes:7")

        async def complete() -> Any:
            seen = await staff.look()
            lags = [n["lag_max_ms"] for n in seen["nodes"]]
            is_whole = seen["totals"]["connection_count"] == 3 and seen["totals"]["subscription_count"] == 5
            # A node's summary may be from before the end of the push.
            votes = {channel["name"]: channel for channel in seen["channels"]}.get("votes:7", {"at": 0})
            is_whole = is_whole and votes["at"] >= far.pushes("votes:7")[-1]["at"] and votes["lag_ms"] is not None
            return seen if is_whole and seen["channels"][0]["subscriber_count"] == 3 and lags != [] else None

        seen = await until(complete)
        assert seen["is_complete"]
        assert [n["node"] for n in seen["nodes"]] == [other.rooms.fleet.node, node.rooms.fleet.node]
        assert (seen["node"], seen["totals"]["node_count"]) == (other.rooms.fleet.node, 2)
        assert [n["connection_count"] for n in seen["nodes"]] == [2, 1]
        assert {c["name"]: c["subscriber_count"] for c in seen["channels"]} == {"status:7": 3, "votes:7": 2}
        votes = next(channel for channel in seen["channels"] if channel["name"] == "votes:7")
        assert votes["at"] >= far.pushes("votes:7")[-1]["at"]
        assert 0 <= votes["lag_ms"] < 60_000
        mine, readers = seen["connections"]["items"]
        assert (mine["user"], mine["role"], mine["kind"]) == (user["user"]["id"], "user", "websocket")
        assert mine["channels"] == ["status:7", "votes:7"]
        assert (mine["address"], mine["buffer_bytes"], mine["skipped_count"]) == ("127.0.0.0/24", 0, 0)
        assert (readers["user"], readers["role"], readers["channels"]) == (None, "reader", ["status:7"])
        first = (await staff.look(limit=1))["connections"]
        assert first["items"] == [mine]
        assert (await staff.look(limit=1, cursor=first["next"]))["connections"] == {"items": [readers], "next": None}
        elsewhere = (await staff.look(node=node.rooms.fleet.node))["connections"]["items"]
        assert [c["id"].rpartition("-")[0] for c in elsewhere] == [node.rooms.fleet.node]
        async with staff.http.get(PATH, params={"node": "nobody"}) as response:
            assert response.status == 404


async def test_a_connection_is_closed_wherever_it_is(node: Node, other: Node, factory: RowFactory) -> None:
    """By its id, through any node; the audit log has the administrator, and an unknown id is not found."""
    async with (
        staff_of(other, factory) as staff,
        SocketClient.connect(node.url) as gone,
        SocketClient.connect(node.url) as stays,
    ):
        await gone.ok("hello")
        await stays.ok("hello")
        await until(lambda: _holds(staff, lambda seen: len(seen["nodes"]) == 2))
        theirs = (await staff.look(node=node.rooms.fleet.node))["connections"]["items"]
        assert await staff.close(connection=theirs[0]["id"]) == (200, {"closed_count": 1, "unanswered": []})
        assert await gone.close_code() == 1000
        assert await stays.is_alive()
        rows = await factory.sql.fetch("select actor_id, action, subject from audit_log")
        assert [tuple(row) for row in rows] == [
            (staff.user_id, "connection.close", f"connection:{theirs[0]['id']}"),
        ]
        for unknown in (theirs[0]["id"], "nobody-1", "7"):
            assert (await staff.close(connection=unknown))[0] == 404
        for nothing in ({}, {"connection": theirs[1]["id"], "channel": "votes:7"}):
            assert (await staff.close(**nothing))[0] == 400


async def test_a_channel_is_closed_on_every_node(node: Node, other: Node, factory: RowFactory, redis_url: str) -> None:
    """Its subscribers get a notice and no more pushes, everything else goes on; a silent node is named."""
    show = await factory.show(7)
    async with (
        staff_of(node, factory) as staff,
        SocketClient.connect(node.url) as near,
        SocketClient.connect(other.url) as far,
    ):
        await far.hello(await factory.token())
        for watcher in (near, far):
            await watcher.watch("votes:7", "status:7")
        await until(lambda: _holds(staff, lambda seen: len(seen["nodes"]) == 2))
        assert (await staff.close(channel="votes:8"))[0] == 404
        assert (await staff.close(channel="dreams:8"))[0] == 404
        assert await staff.close(channel="votes:7") == (200, {"closed_count": 2, "unanswered": []})
        for watcher in (near, far):
            notice = await watcher.next(lambda message: "unsubscribed" in message)
            assert notice == {"unsubscribed": {"channels": ["votes:7"]}}
        await far.cast(7, (show.first, "up"))
        await factory.sql.execute("update shows set is_locked = true where id = 7")
        for watcher in (near, far):
            await watcher.push("status:7")
            assert watcher.pushes("votes:7") == []
            await watcher.watch("votes:7")
        ghost = msgspec.structs.replace(other.rooms.fleet.summary(), node="ghost")
        with redis.Redis.from_url(redis_url) as valkey:  # the remains of a dead node
            valkey.set(node_key("ghost"), msgspec.json.encode(ghost), ex=30)
            valkey.set(node_key("newer"), b'{"node": "newer"}', ex=30)  # of another version: ignored
            valkey.zadd("fleet", {"ghost": time.time() * 1000, "newer": time.time() * 1000})
        assert await staff.close(channel="votes:7") == (200, {"closed_count": 2, "unanswered": ["ghost"]})
        assert (await staff.close(channel="votes:7"))[0] == 503


async def test_without_valkey_a_node_lists_itself(node: Node, factory: RowFactory) -> None:
    """And says that the list is not complete."""
    async with staff_of(node, factory) as staff, SocketClient.connect(node.url) as fan:
        await fan.ok("hello")
        await node.rooms.fleet._valkey.close()
        node.rooms.fleet._valkey = connection_to("redis://127.0.0.1:1")
        seen = await staff.look()
        assert (seen["is_complete"], [n["node"] for n in seen["nodes"]]) == (False, [node.rooms.fleet.node])
        assert len(seen["connections"]["items"]) == 1
        assert (await staff.close(channel="votes:7"))[0] == 503


async def _holds(staff: Staff, is_so: Any) -> bool:
    return bool(is_so(await staff.look()))
