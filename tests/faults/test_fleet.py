"""Four nodes behind a load balancer, or as workers on one port: nodes join, leave, are upgraded and killed under a crowd."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from server.load.crowd import CrowdOptions, run
from tests.support.balancers import balancer
from tests.support.engines import unused_low_port
from tests.support.node_process import NodeProcess, until, until_async
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.timeout(60)

VOTERS, WATCHERS = 8, 8
CROWD_S_MAX = 50.0


async def crowd_during(url: str, steps: Callable[[], Awaitable[None]]) -> dict[str, Any]:
    """Runs a crowd while the steps are done; gives its report."""
    stop = asyncio.Event()

    async def on_step(step: str) -> None:
        if step == "counting":
            await steps()
            stop.set()

    options = CrowdOptions(
        url=url, voters=VOTERS, watchers=WATCHERS, rate_per_s=40, duration_s=0, verify=True, subscribe=True,
    )  # fmt: skip
    # A crowd that cannot connect tries for ever.
    async with asyncio.timeout(CROWD_S_MAX):
        report = await run(options, stop=stop, on_step=on_step, show_progress=False)
    assert report["verify"]["differences"] == []
    assert report["ok"] is True
    assert report["casts"]["committed"] > 0
    return report


async def committed(node: NodeProcess) -> float:
    """How many votes a node has committed."""
    return await node.metric("mysetlist_votes_committed_total")


async def _is_past(node: NodeProcess, count: float) -> bool:
    return await committed(node) >= count


async def sockets(*nodes: NodeProcess) -> float:
    """The websockets of some nodes together."""
    return sum([await node.metric("mysetlist_sockets") for node in nodes])


async def test_clients_of_a_killed_node_come_to_the_other_one(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """A load balancer with the lines of deploy/proxy: every acknowledged vote is counted once, and every watcher ends with the final
    tally. What happens to a node that is drained or upgraded is tested in tests/acceptance.
    """
    await make_shows(database_url, count=2)
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "MYSETLIST_TRUSTED_PROXIES": "127.0.0.1"}
    async with AsyncExitStack() as stack:
        killed, other = [
            await stack.enter_async_context(NodeProcess.running(tmp_path / f"node{number}", **environ))
            for number in range(2)
        ]
        # It has four places, and two of them are taken.
        ports = [killed.port, other.port, unused_low_port(), unused_low_port()]
        front = await stack.enter_async_context(balancer(tmp_path, ports))

        async def all_are_there() -> bool:
            return await sockets(other) == VOTERS + WATCHERS

        async def steps() -> None:
            assert await sockets(killed) > 0
            await killed.kill()
            await until_async(all_are_there, "all clients are at the other node")
            before = await committed(other)
            # The crowd's report counts what is acknowledged from the first step on.
            await until_async(partial(_is_past, other, before + 20), "votes go on")

        report = await crowd_during(front.url, steps)
        assert report["reconnects"] > 0
        assert not other.tracebacks()


@pytest.mark.nightly
async def test_a_fleet_behind_a_load_balancer(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """A node joins and gets clients, one is upgraded in place, one is drained, one is killed: every acknowledged vote is counted
    once, and every watcher ends with the final tally.
    """
    await make_shows(database_url, count=2)
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "MYSETLIST_TRUSTED_PROXIES": "127.0.0.1"}
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(NodeProcess.running(tmp_path / f"node{number}", **environ))
            for number in range(4)
        ]
        late, upgraded, drained, killed = nodes
        assert await late.terminate() == 0
        front = await stack.enter_async_context(balancer(tmp_path, [node.port for node in nodes]))

        async def all_are_back() -> bool:
            return await sockets(late, upgraded, drained, killed) == VOTERS + WATCHERS

        async def steps() -> None:
            await late.start()
            os.kill(upgraded.pid, signal.SIGUSR2)
            await until(lambda: bool(upgraded.records("upgrade.done")), "one is upgraded")
            (done,) = upgraded.records("upgrade.done")
            assert (done["websockets"] > 0, done["drained"]) == (True, 0)
            assert await drained.terminate() == 0
            await until_async(lambda: has_clients(late), "the clients of the drained node come to the one that joined")
            await drained.start()
            await killed.kill()
            await killed.start()
            await until_async(all_are_back, "all clients are back")

        report = await crowd_during(front.url, steps)
        assert report["reconnects"] > 0
        for node in nodes:
            assert not node.tracebacks()


async def has_clients(node: NodeProcess) -> bool:
    """Whether a node has websockets."""
    return await sockets(node) > 0


@pytest.mark.nightly
async def test_workers_are_killed_and_upgraded(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """One of two is killed and started again; then both are upgraded, one after the other, because one of them was asked."""
    await make_shows(database_url, count=2)
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    async with NodeProcess.running(tmp_path, "--workers", "2", **environ) as node:

        def starts() -> int:
            return len(node.records("node.ready"))

        async def steps() -> None:
            workers = psutil.Process(node.pid).children()
            workers[0].kill()
            await until(lambda: starts() == 3, "another process takes its place")
            os.kill(workers[1].pid, signal.SIGUSR2)
            await until(lambda: bool(node.records("upgrade.done")), "both are upgraded", timeout_s=40)
            (done,) = node.records("upgrade.done")
            assert (done["websockets"], done["drained"]) == (VOTERS + WATCHERS, 0)
            await until(lambda: not workers[1].is_running(), "the process before it ends")

        await until(lambda: starts() == 2, "both workers are ready")
        await crowd_during(node.url, steps)
        assert not node.tracebacks()
