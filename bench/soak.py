"""Runs a service under load while its parts die: no acknowledged vote may be lost or doubled, and nothing may grow.

    .venv/bin/python bench/soak.py [--minutes 10] [--voters 200] [--watchers 100] [--rate 400] [--seed 1]

Two nodes run behind a load balancer, on engines of their own. In each round of one minute a new crowd votes and watches,
and every few seconds the seed chooses a fault: a node is killed, or stops and starts again; PostgreSQL or Valkey is killed;
every connection is cut. At the end of a round the crowd compares its ballots, the tallies and its watchers' counts, and
`reconcile` compares rows, counts and Valkey. Some watchers record every frame: each must have the counts of the log up to its
position (tests/support/frames.py). One node is never killed: its memory and its open files must not grow.

The script prints a line for each round and one JSON object at the end. It exits with 1 if a vote was lost or doubled, a
watcher has wrong counts, a frame is no state that was, a node logged a traceback, or something grew. `make soak MINUTES=60` runs it for an hour.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import redis.asyncio
from measure import VOTES_PER_DAY, data_folder, log_step, print_result, run_facts

from server.cli.terminal import raise_file_limit
from server.embedded import EmbeddedEngines
from server.embedded.engines import EngineName
from server.load.crowd import CrowdOptions
from server.load.crowd import run as run_crowd
from server.settings import data_folder as server_folder
from server.store.migrations import migrate_up
from server.telemetry import configure_logging
from server.voting.reconcile import run as reconcile
from tests.support import frames
from tests.support.node_process import NodeProcess
from tests.support.open_shows import make_shows
from tests.support.proxy import TcpProxy

SHOWS = 6
ROUND_S = 60.0
# The faults of a round end early enough for all clients to reconnect.
FAULTS_END_S = 45.0
FAULT_EVERY_S = (3.0, 9.0)
DOWN_S_MAX = 3.0
SETTLE_S = 30.0
# Growth is measured against the first half: limited caches and pools take a while to fill.
MEMORY_GROWTH_MAX = 1.15
FILES_GROWTH_MAX = 16


@dataclass
class Service:
    """The parts that faults hit. `steady` is never killed, `mortal` often."""

    engines: EmbeddedEngines
    balancer: TcpProxy
    steady: NodeProcess
    mortal: NodeProcess
    rng: random.Random
    watchers: list[frames.FrameWatcher]
    ledgers: dict[int, frames.Ledger]
    log_bytes: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    async def break_things(self, is_over: asyncio.Event) -> None:
        """Causes faults until `is_over` is set; each fault ends with all parts running again."""
        kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "node killed": self._kill_node,
            "node stopped": self._stop_node,
            "postgres killed": partial(self._kill_engine, "postgres"),
            "valkey killed": partial(self._kill_engine, "valkey"),
            "connections cut": self._cut,
        }
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.rng.uniform(*FAULT_EVERY_S)):
                    await is_over.wait()
            if is_over.is_set():
                return
            name = self.rng.choice(list(kinds))
            self.faults[name] += 1
            await kinds[name]()

    async def _kill_node(self) -> None:
        await self.mortal.kill()
        await asyncio.sleep(self.rng.uniform(0, DOWN_S_MAX))
        await self.mortal.start()

    async def _stop_node(self) -> None:
        await self.mortal.terminate()
        await asyncio.sleep(self.rng.uniform(0, DOWN_S_MAX))
        await self.mortal.start()

    async def _kill_engine(self, name: EngineName) -> None:
        await self.engines.kill(name)
        await asyncio.sleep(self.rng.uniform(0, DOWN_S_MAX))
        await self.engines.revive(name)
        await self.keep_log()

    async def keep_log(self) -> None:
        """Has Valkey keep its append-only file as it is: the frames are compared with the entries in it."""
        async with redis.asyncio.Redis.from_url(self.engines.redis_url) as valkey:
            await valkey.config_set("auto-aof-rewrite-percentage", 0)

    def wrong_frames(self) -> tuple[int, list[str]]:
        """The number of frames since the last call, and what is wrong with them."""
        entries, self.log_bytes = frames.logged(self.engines.valkey_log_path, self.log_bytes)
        for ledger in self.ledgers.values():
            ledger.add(entries)
        count = sum(len(watcher.frames) for watcher in self.watchers)
        wrong = frames.wrong_frames(self.watchers, self.ledgers)
        for watcher in self.watchers:
            watcher.frames.clear()
            watcher.wrong.clear()
        for ledger in self.ledgers.values():
            ledger.forget()
        return count, wrong

    async def _cut(self) -> None:
        self.balancer.cut()


def main() -> None:
    """Runs the soak and prints the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=10, help="number of rounds")
    parser.add_argument("--voters", type=int, default=200)
    parser.add_argument("--watchers", type=int, default=100)
    parser.add_argument("--rate", type=float, default=400.0, help="casts a second of all voters")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    configure_logging("auto")
    raise_file_limit()
    with data_folder() as folder:
        found = asyncio.run(soak(folder, arguments))
    print_result({"benchmark": "soak", **run_facts(), "settings": vars(arguments), **found})
    sys.exit(0 if found["ok"] else 1)


async def soak(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Runs all rounds.

    Gives:  ok; wrong, one line each; rounds, each with votes, faults, differences, and memory and files of the steady node
    """
    log_step("start engines and two nodes")
    engines = await EmbeddedEngines.start(folder / "engines")
    try:
        await migrate_up(engines.database_url, server_folder("migrations"))
        shows = await make_shows(engines.database_url, count=SHOWS)
        environ = {
            "DATABASE_URL": engines.database_url,
            "REDIS_URL": engines.redis_url,
            "MYSETLIST_VOTES_PER_DAY": str(VOTES_PER_DAY),
        }
        async with AsyncExitStack() as stack:
            steady = await stack.enter_async_context(NodeProcess.running(folder / "steady", **environ))
            mortal = await stack.enter_async_context(NodeProcess.running(folder / "mortal", **environ))
            balancer = await stack.enter_async_context(TcpProxy.running(steady.port, mortal.port))
            watchers = await stack.enter_async_context(frames.watching([steady, mortal], shows, seed=arguments.seed))
            ledgers = {show.id: frames.Ledger(show) for show in shows}
            service = Service(engines, balancer, steady, mortal, random.Random(arguments.seed), watchers, ledgers)
            await service.keep_log()
            rounds = []
            for number in range(arguments.minutes):
                rounds.append(await one_round(service, arguments, number))
                done = rounds[-1]
                verdict = "all counts right" if not done["differences"] else f"{len(done['differences'])} DIFFERENCES"
                faults = ", ".join(f"{name} {count}x" for name, count in done["faults"].items())
                log_step(
                    f"{number + 1}/{arguments.minutes}: {done['votes']:,} votes; {faults or 'no faults'}; {verdict}"
                )
            wrong = [f"round {place + 1}: {text}" for place, one in enumerate(rounds) for text in one["differences"]]
            wrong += [
                f"{node.folder.name} logged: {node.tracebacks()[:2_000]}"
                for node in (steady, mortal)
                if node.tracebacks()
            ]
            wrong += growth(rounds)
            return {"ok": not wrong, "wrong": wrong, "rounds": rounds}
    finally:
        await engines.stop()


async def one_round(service: Service, arguments: argparse.Namespace, number: int) -> dict[str, Any]:
    """Runs a crowd for a minute while faults happen, and compares all counts."""
    service.faults.clear()
    is_over = asyncio.Event()
    breaking: list[asyncio.Task[None]] = []

    async def on_step(step: str) -> None:
        if step == "counting":
            breaking.append(asyncio.create_task(service.break_things(is_over), name="faults"))
            asyncio.get_running_loop().call_later(FAULTS_END_S, is_over.set)
        elif step == "counted":
            is_over.set()
            await asyncio.gather(*breaking)

    options = CrowdOptions(
        url=service.balancer.url, voters=arguments.voters, watchers=arguments.watchers, rate_per_s=arguments.rate,
        duration_s=ROUND_S, verify=True, seed=arguments.seed * 1_000 + number, subscribe=True, natural=True,
        settle_s=SETTLE_S, processes=1,
    )  # fmt: skip
    report = await run_crowd(options, on_step=on_step, show_progress=False)
    differences = [str(one) for one in report["verify"]["differences"]]
    differences += [str(one) for one in await reconcile(service.engines.database_url, service.engines.redis_url)]
    frame_count, wrong_frames = service.wrong_frames()
    differences += wrong_frames
    steady = psutil.Process(service.steady.pid)
    return {
        "votes": report["casts"]["committed"],
        "accepted_first": report["casts"]["accepted"],
        "resent": report["casts"]["resent"],
        "reconnects": report["reconnects"],
        "frames": frame_count,
        "faults": dict(service.faults),
        "differences": differences,
        "steady": {"rss_mb": round(steady.memory_info().rss / 1e6, 1), "files": steady.num_fds()},
    }


def growth(rounds: list[dict[str, Any]]) -> list[str]:
    """Names the measures that are higher at the end than at any time in the first half."""
    if len(rounds) < 4:
        return []
    half, last = [one["steady"] for one in rounds[: len(rounds) // 2]], rounds[-1]["steady"]
    memory_mb, files = max(one["rss_mb"] for one in half), max(one["files"] for one in half)
    found = []
    if last["rss_mb"] > memory_mb * MEMORY_GROWTH_MAX:
        found.append(f"memory grew from {memory_mb} to {last['rss_mb']} MB")
    if last["files"] > files + FILES_GROWTH_MAX:
        found.append(f"open files grew from {files} to {last['files']}")
    return found


if __name__ == "__main__":
    main()
