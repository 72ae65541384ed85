"""Brings up a whole service on this machine's loopback, kills one of each while a crowd votes, and says what was lost and how long it took.

    .venv/bin/python bench/cluster.py [--voters 200] [--watchers 100] [--rate 300] [--seed 1]

Three Valkey primaries with a replica each, a PostgreSQL primary with a synchronous replica, four nodes, and nginx in front of them (without
nginx: a balancer of the tests). All programs but nginx come with the packages of .venv. Then, one after the other: a node is killed; a Valkey
primary is killed, and its replica takes over by itself; PostgreSQL's primary is killed, and its replica is promoted, as an operator's
tool does; the balancer is killed and started again. After each, a fan of every shard votes again and again: the service is well when a vote that
was cast after the fault is committed in each shard.

At the end the crowd compares its ballots, the tallies and its watchers' counts, and `reconcile` compares rows, counts and Valkey. The
script prints a line for each step and one JSON object. It exits with 1 if a vote was lost or doubled, or the service was not well within
60 s. `make cluster` runs it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import VOTES_PER_DAY, data_folder, log_step, print_result, run_facts

from server.cli.terminal import raise_file_limit
from server.client.client import Client
from server.embedded.postgres import programs_folder
from server.errors import MysetlistError
from server.load.crowd import CrowdOptions
from server.load.crowd import run as run_crowd
from server.settings import data_folder as server_folder
from server.store.migrations import migrate_up
from server.telemetry import configure_logging
from server.voting.reconcile import run as reconcile
from tests.support.balancers import Balancer, installed
from tests.support.engines import DEBIAN_POSTGRES
from tests.support.node_process import NodeProcess
from tests.support.open_shows import Show, make_shows
from tests.support.proxy import TcpProxy
from tests.support.replication import Pair, replicated_postgres
from tests.support.valkey_cluster import ValkeyCluster, valkey_cluster

SHARDS = 16
NODES = 4
CALM_S = 8.0  # before the first fault, and after each
WELL_TIMEOUT_S = 60.0
SETTLE_S = 30.0


class Proxy:
    """Takes the place of nginx where there is none."""

    name = "a balancer of the tests"

    def __init__(self, proxy: TcpProxy) -> None:
        self.url = proxy.url
        self._proxy = proxy

    async def restart(self) -> None:
        """Cuts all its connections."""
        self._proxy.cut()


@dataclass(frozen=True)
class Service:
    """The parts that are killed."""

    nodes: list[NodeProcess]
    valkey: ValkeyCluster
    postgres: Pair
    balancer: Balancer | Proxy

    def faults(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What is done to one of each, in this order."""
        return {
            "a node killed": self.nodes[0].kill,
            "a Valkey primary killed, its replica took over": self._kill_valkey_primary,
            "the PostgreSQL primary killed, its replica promoted": self._promote_postgres_replica,
            f"{self.balancer.name} killed and started again": self.balancer.restart,
        }

    async def _kill_valkey_primary(self) -> None:
        next(server for server in self.valkey.running() if server.is_primary()).kill()

    async def _promote_postgres_replica(self) -> None:
        await asyncio.to_thread(self.postgres.primary.kill)
        await asyncio.to_thread(self.postgres.replica.promote)


class Probes:
    """A fan for each shard, who votes again and again through the balancer."""

    def __init__(self, url: str, shows: list[Show]) -> None:
        self._url = url
        self._shows = shows
        self._sent_s = dict.fromkeys((show.id for show in shows), 0.0)  # when the newest committed cast was sent
        self._committed = asyncio.Event()

    async def run(self) -> None:
        """Votes until cancelled."""
        async with asyncio.TaskGroup() as group:
            for show in self._shows:
                group.create_task(self._vote(show), name=f"probe-{show.id}")

    async def _vote(self, show: Show) -> None:
        async with Client(self._url) as client:
            await client.sign_in()
            choice = "up"
            while True:
                sent_s = time.monotonic()
                try:
                    receipt = await client.cast(show.id, {show.songs[0]: choice})
                except (MysetlistError, TimeoutError):
                    await asyncio.sleep(0.05)
                    continue
                if receipt.durability == "committed":
                    self._sent_s[show.id] = sent_s
                    self._committed.set()
                    choice = "none" if choice == "up" else "up"
                await asyncio.sleep(0.05)

    async def until_well_s(self, since_s: float) -> float | None:
        """Seconds from an instant until each shard has committed a vote that was cast after it; None: not within WELL_TIMEOUT_S."""
        try:
            async with asyncio.timeout(WELL_TIMEOUT_S):
                while min(self._sent_s.values()) <= since_s:
                    self._committed.clear()
                    await self._committed.wait()
        except TimeoutError:
            return None
        return round(time.monotonic() - since_s, 2)


def main() -> None:
    """Runs the service and prints the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voters", type=int, default=200)
    parser.add_argument("--watchers", type=int, default=100)
    parser.add_argument("--rate", type=float, default=300.0, help="casts a second of all voters")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    configure_logging("auto", "warning")
    raise_file_limit()
    with data_folder() as folder:
        found = asyncio.run(cluster(folder, arguments))
    print_result({"benchmark": "cluster", **run_facts(), "settings": vars(arguments), **found})
    sys.exit(0 if found["ok"] else 1)


async def cluster(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Runs everything.

    Gives:  ok; votes, committed ones of the crowd; differences, one line each; well_after_s, by fault; tracebacks
    """
    async with AsyncExitStack() as stack:
        log_step("start three Valkey primaries with a replica each")
        valkey = stack.enter_context(valkey_cluster())
        log_step("start a PostgreSQL primary with a synchronous replica")
        postgres = stack.enter_context(replicated_postgres(programs_folder() or DEBIAN_POSTGRES))
        await postgres.make_synchronous()
        await migrate_up(postgres.url, server_folder("migrations"))
        shows = await make_shows(postgres.url, count=SHARDS)
        environ = {
            "DATABASE_URL": postgres.url,
            "REDIS_URL": valkey.url,
            "MYSETLIST_VOTES_PER_DAY": str(VOTES_PER_DAY),
            "MYSETLIST_TRUSTED_PROXIES": "127.0.0.1",
        }
        log_step(f"start {NODES} nodes")
        nodes = [
            await stack.enter_async_context(NodeProcess.running(folder / f"node{number}", **environ))
            for number in range(NODES)
        ]
        balancer = await stack.enter_async_context(_balancer(folder / "nginx", [node.port for node in nodes]))
        log_step(f"{balancer.name} is in front of them")
        service = Service(nodes, valkey, postgres, balancer)
        report, well_after_s = await _vote_and_break(arguments, service, Probes(balancer.url, shows))
        differences = [str(one) for one in report["verify"]["differences"]]
        differences += [str(one) for one in await reconcile(postgres.url, valkey.url)]
        tracebacks = [f"{node.folder.name}: {text[:2_000]}" for node in nodes if (text := node.tracebacks())]
        committed_count = report["casts"]["committed"]
        log_step(f"{committed_count:,} votes of the crowd committed; lost or doubled: {len(differences)}")
        return {
            "ok": not differences and not tracebacks and None not in well_after_s.values(),
            "balancer": balancer.name,
            "votes": committed_count,
            "sent_again": report["casts"]["resent"],
            "reconnects": report["reconnects"],
            "well_after_s": well_after_s,
            "differences": differences,
            "tracebacks": tracebacks,
        }


async def _vote_and_break(
    arguments: argparse.Namespace, service: Service, probes: Probes
) -> tuple[dict[str, Any], dict[str, float | None]]:
    """The report of the crowd, and how long after each fault the service was well."""
    faults = service.faults()
    well_after_s: dict[str, float | None] = {}
    is_over = asyncio.Event()
    running: list[asyncio.Task[None]] = []

    async def break_things() -> None:
        for name, fault in faults.items():
            await asyncio.sleep(CALM_S)
            began_s = time.monotonic()
            await fault()
            well_after_s[name] = await probes.until_well_s(began_s)
            log_step(f"{name}: well again after {well_after_s[name]} s")
        await asyncio.sleep(CALM_S)
        is_over.set()

    async def on_step(step: str) -> None:
        if step == "counting":
            running.append(asyncio.create_task(probes.run(), name="probes"))
            running.append(asyncio.create_task(break_things(), name="faults"))
        elif step == "counted":
            await is_over.wait()
            running[0].cancel()
            await asyncio.gather(*running, return_exceptions=True)

    options = CrowdOptions(
        url=service.balancer.url, voters=arguments.voters, watchers=arguments.watchers, rate_per_s=arguments.rate,
        duration_s=len(faults) * (CALM_S + 4), verify=True, seed=arguments.seed, subscribe=True, natural=True, shared=True,
        settle_s=SETTLE_S, processes=1,
    )  # fmt: skip
    log_step(f"{arguments.voters} fans vote, {arguments.watchers} watch")
    return await run_crowd(options, on_step=on_step, show_progress=False), well_after_s


@asynccontextmanager
async def _balancer(folder: Path, ports: list[int]) -> AsyncIterator[Balancer | Proxy]:
    if installed("nginx") is None:
        async with TcpProxy.running(*ports) as proxy:
            yield Proxy(proxy)
        return
    folder.mkdir()
    nginx = Balancer("nginx", folder, ports)
    try:
        await nginx.start()
        yield nginx
    finally:
        await nginx.stop()


if __name__ == "__main__":
    main()
