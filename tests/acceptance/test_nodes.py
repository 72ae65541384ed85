"""Nodes as processes: two on the same engines, a drain, a failed start, and a node with its own engines."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import aiohttp
import psutil
import pytest

from server.load.crowd import CrowdOptions, run
from tests.support.audit import SHARD_COUNT, differences, settled, until_drained
from tests.support.node_process import NodeProcess, until, until_async
from tests.support.open_shows import make_shows, make_users
from tests.support.proxy import TcpProxy
from tests.support.recording_crowd import Crowd, Ledger
from tests.support.stepped_client import SteppedClient

pytestmark = pytest.mark.timeout(60)

StartNode = Callable[..., Awaitable[NodeProcess]]
TAKE_OVER_S_MAX = 5.0


@pytest.fixture
async def start_node(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[StartNode]:
    """Starts nodes that share one database and one Valkey, stops them after the test, and checks their logs."""
    nodes: list[NodeProcess] = []
    async with AsyncExitStack() as stack:

        async def start(*flags: str) -> NodeProcess:
            folder = tmp_path / f"node{len(nodes)}"
            node = NodeProcess.running(folder, *flags, DATABASE_URL=database_url, REDIS_URL=redis_url)
            nodes.append(await stack.enter_async_context(node))
            return nodes[-1]

        yield start
    for node in nodes:
        assert not node.tracebacks()


def held_shards(node: NodeProcess) -> set[int]:
    """The shards that a node holds, by its log."""
    records = node.records("leases.changed")
    return set(records[-1]["held"]) if records else set()


async def until_shared(*nodes: NodeProcess) -> None:
    """Waits until every shard is held by exactly one node, and each node holds some."""

    def is_shared() -> bool:
        held = [held_shards(node) for node in nodes]
        return all(held) and sorted(shard for shards in held for shard in shards) == list(range(SHARD_COUNT))

    await until(is_shared, "the nodes share the shards")


def _has_pushed(watcher: SteppedClient, row: list[int]) -> bool:
    return any(row in push["tally"] for push in watcher.pushes)


async def test_two_nodes_are_one_server(start_node: StartNode, database_url: str, redis_url: str) -> None:
    """A vote through one node is committed and seen through the other, whichever of them holds its shard."""
    shows = await make_shows(database_url, count=4)
    users = await make_users(database_url, 2)
    one, other = await start_node(), await start_node()
    await until_shared(one, other)
    assert await one.metric("mysetlist_shards_held") + await other.metric("mysetlist_shards_held") == SHARD_COUNT
    async with (
        SteppedClient.connected(one.url, users[0]) as client,
        SteppedClient.connected(other.url, users[1]) as other_client,
        SteppedClient.connected(other.url) as watcher,
    ):
        for show in shows:
            await watcher.watch(f"votes:{show.id}")
            song = show.songs[0]
            assert (await client.cast(show.id, {song: "up"}))["durability"] == "committed"
            await until(
                partial(_has_pushed, watcher, [song, 1, 0]), "the other node's watcher sees the vote", timeout_s=2
            )
            assert (await other_client.cast(show.id, {song: "down"}))["durability"] == "committed"
    await until_drained(database_url, redis_url)
    assert await differences(database_url, redis_url) == []


async def test_the_other_node_takes_over_the_shards_of_a_killed_one(
    start_node: StartNode, database_url: str, redis_url: str
) -> None:
    """It commits votes within five seconds, and no acknowledged vote is lost."""
    shows = await make_shows(database_url, count=2)
    users = await make_users(database_url, 4)
    nodes = [await start_node(), await start_node()]
    await until_shared(*nodes)
    shard = shows[0].id % SHARD_COUNT
    nodes.sort(key=lambda node: shard not in held_shards(node))
    holder, heir = nodes
    async with Crowd.voting(nodes, shows, users[:3]) as crowd, SteppedClient.connected(heir.url, users[3]) as client:
        await crowd.more(50)
        votes = {shows[0].songs[0]: "up"}
        cast = crowd.ledger.sent(users[3].id, shows[0].id, votes)
        killed_s = time.monotonic()
        await holder.kill()
        ok = await client.cast(shows[0].id, votes)
        if ok["durability"] == "accepted":
            await client.until_durable(shows[0].id, ok["at"])
        assert time.monotonic() - killed_s < TAKE_OVER_S_MAX
        cast.outcome, cast.at = "committed", ok["at"]
        await until(lambda: held_shards(heir) == set(range(SHARD_COUNT)), "the other node holds all shards")
        await holder.start()
        await until_shared(*nodes)
        await crowd.more(50)
        assert await settled(crowd, database_url, redis_url) == []


async def test_sigterm_drains(start_node: StartNode, database_url: str, redis_url: str) -> None:
    """Running casts are answered, every socket gets a drain and is closed with 4000, and the exit code is 0."""
    (show,) = await make_shows(database_url)
    users = await make_users(database_url, 8)
    node = await start_node()
    ledger = Ledger()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(SteppedClient.connected(node.url, user)) for user in users]
        watcher = await stack.enter_async_context(SteppedClient.connected(node.url))
        await watcher.watch(f"votes:{show.id}")
        running = []
        for song in show.songs:
            for client, user in zip(clients, users, strict=True):
                running.append((ledger.sent(user.id, show.id, {song: "up"}), client.send_cast(show.id, {song: "up"})))
        # The first answer shows that all casts have arrived: they were sent long before it.
        await running[0][1]
        stopping = asyncio.create_task(node.terminate())
        for cast, reply in running:
            answer = await reply
            if "ok" in answer:
                cast.outcome, cast.at = answer["ok"]["durability"], answer["ok"]["at"]
            else:
                assert answer["error"]["code"] == "unavailable"
                cast.outcome = "unknown"
        assert await stopping == 0
        await until(lambda: all(client.is_closed for client in [*clients, watcher]), "every socket is closed")
        for client in [*clients, watcher]:
            assert client.close_code == 4000
            (drain,) = client.drains
            assert 0 < drain["min_ms"] < drain["max_ms"]
    assert ledger.count("committed") > 0
    # The log is empty although no node runs: the node left nothing in it.
    await until_drained(database_url, redis_url)
    assert await differences(database_url, redis_url, ledger) == []


async def test_sigterm_with_clients_that_read_nothing(start_node: StartNode, database_url: str) -> None:
    """The node exits with 0 in time, although its buffers are full of unread data."""
    (show,) = await make_shows(database_url, songs=200)
    node = await start_node()
    async with (
        aiohttp.ClientSession() as http,
        TcpProxy.running(node.port) as proxy,
        AsyncExitStack() as stack,
    ):
        stuck = [await stack.enter_async_context(SteppedClient.connected(proxy.url)) for _ in range(5)]
        for _ in range(5):
            stream = await stack.enter_async_context(http.get(f"{proxy.url}/api/shows/{show.id}/events"))
            assert stream.status == 200
        proxy.down.stall()
        for client in stuck:
            # The answers exceed the kernels' buffers many times, and stay below the limit at which a client is cut.
            for _ in range(100):
                client.send(op="subscribe", channels=[f"votes:{show.id}"])
        await until_async(lambda: _has_waiting(node), "answers wait in the node")
        assert await node.terminate() == 0
        proxy.cut()


async def _has_waiting(node: NodeProcess) -> bool:
    return await node.metric("mysetlist_buffer_bytes") > 0


async def _have_reconnected(nodes: list[NodeProcess], count: int) -> bool:
    return sum([await node.metric("mysetlist_sockets") for node in nodes]) == count


async def test_a_rolling_restart_under_a_crowd(start_node: StartNode, database_url: str) -> None:
    """Two nodes behind a load balancer restart one after the other: every acknowledged vote is counted once, and every
    watcher ends with the final tally.
    """
    await make_shows(database_url, count=2)
    nodes = [await start_node(), await start_node()]
    stop = asyncio.Event()
    async with TcpProxy.running(*(node.port for node in nodes)) as balancer:

        async def restart(step: str) -> None:
            if step == "counting":
                for node in nodes:
                    assert await node.terminate() == 0
                    await node.start()
                await until_async(lambda: _have_reconnected(nodes, 8), "all clients are back")
                stop.set()

        options = CrowdOptions(
            url=balancer.url, voters=4, watchers=4, rate_per_s=40, duration_s=0, verify=True, subscribe=True,
        )  # fmt: skip
        report = await run(options, stop=stop, on_step=restart, show_progress=False)
    assert report["verify"]["differences"] == []
    assert report["ok"] is True
    assert report["verify"]["views"] >= 8
    assert report["casts"]["committed"] > 0
    # Each connection was lost at least once.
    assert report["reconnects"] >= 8


async def test_a_taken_port_is_one_clear_line(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """A node on the port of another program prints one line without a traceback, and exits with 1."""
    node = NodeProcess(tmp_path, DATABASE_URL=database_url, REDIS_URL=redis_url)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert await (await node.launch(port=port)).wait() == 1
    assert node.output_path.read_text() == ""
    (failed,) = node.records("command.failed")
    assert failed["reason"].startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert "already in use" in failed["reason"]
    assert not node.tracebacks()


async def test_engines_that_die_under_a_node_come_back(engine_dir: Path) -> None:
    """PostgreSQL, then Valkey, are killed: the node starts each again, and votes are committed."""
    async with NodeProcess.running(engine_dir) as node:
        data = engine_dir / "d"
        database_url = json.loads((data / "engines.json").read_text())["database_url"]
        redis_url = json.loads((data / "engines.json").read_text())["redis_url"]
        ((show,), (user,)) = await make_shows(database_url), await make_users(database_url, 1)
        async with SteppedClient.connected(node.url, user) as client:
            assert (await client.cast(show.id, {show.songs[0]: "up"}))["durability"] == "committed"
            for pidfile, choice in (("postgres/postmaster.pid", "down"), ("valkey/valkey.pid", "up")):
                pid = int((data / pidfile).read_text().split()[0])
                os.kill(pid, signal.SIGKILL)

                async def is_committed(choice: str = choice) -> bool:
                    return (await client.cast(show.id, {show.songs[0]: choice})).get("durability") == "committed"

                await until_async(is_committed, f"a vote is committed after {pidfile} is gone")
        await until(
            lambda: {record["engine"] for record in node.records("engine.restarted")} == {"postgres", "valkey"},
            "both restarts are logged",
        )
        await until_drained(database_url, redis_url)
        assert await differences(database_url, redis_url) == []
        servers = [psutil.Process(int((data / name).read_text().split()[0]))
                   for name in ("postgres/postmaster.pid", "valkey/valkey.pid")]  # fmt: skip
        assert await node.terminate() == 0
        assert not any(server.is_running() for server in servers)
        assert not node.tracebacks()
