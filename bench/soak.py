"""A service under load while its parts die, for as long as one likes: no acknowledged vote is lost or doubled, nothing grows.

    .venv/bin/python bench/soak.py [--minutes 10] [--voters 200] [--watchers 100] [--rate 400] [--seed 1]

Two nodes behind a balancer, on engines of their own. Each round, a minute, a new crowd votes and watches, and every few
seconds something happens that the seed chooses: a node is killed or told to stop and comes back, PostgreSQL or Valkey is
killed, every connection is cut. At the end of the round everybody's ballots, the tallies and what the watchers hold are
compared, then rows, counts and Valkey by `reconcile`. One node is never killed: its memory and files are what may not grow.

Says a line a round, prints one JSON object, and exits with 1 when a vote was lost or doubled, a watcher was left behind, a
node logged a traceback, or something grew. `make soak MINUTES=60` runs it for an hour.
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
from measure import VOTES_PER_DAY, data_folder, origin, say, tell

from server.cli.terminal import raise_file_limit
from server.embedded import EmbeddedEngines
from server.embedded.engines import EngineName
from server.load.crowd import CrowdOptions
from server.load.crowd import run as run_crowd
from server.settings import data_folder as server_folder
from server.store.migrations import migrate_up
from server.telemetry import configure_logging
from server.voting.reconcile import run as reconcile
from tests.support.node import NodeProcess
from tests.support.open_shows import make_shows
from tests.support.proxy import TcpProxy

SHOWS = 6
ROUND_S = 60.0
# What happens in a round is over early enough for everybody to come back.
FAULTS_END_S = 45.0
FAULT_EVERY_S = (3.0, 9.0)
AWAY_S_MAX = 3.0
SETTLE_S = 30.0
# In the second half: caches and pools that have a limit take a while to fill.
MEMORY_GROWTH_MAX = 1.15
FILES_GROWTH_MAX = 16


@dataclass
class Stage:
    """Everything there is to break. `steady` is never killed, `mortal` often."""

    engines: EmbeddedEngines
    balancer: TcpProxy
    steady: NodeProcess
    mortal: NodeProcess
    chance: random.Random
    happened: Counter[str] = field(default_factory=Counter)

    async def break_things(self, is_enough: asyncio.Event) -> None:
        """Until it is enough; then everything runs again."""
        kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "node killed": self._kill_node,
            "node stopped": self._stop_node,
            "postgres killed": partial(self._kill_engine, "postgres"),
            "valkey killed": partial(self._kill_engine, "valkey"),
            "connections cut": self._cut,
        }
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.chance.uniform(*FAULT_EVERY_S)):
                    await is_enough.wait()
            if is_enough.is_set():
                return
            name = self.chance.choice(list(kinds))
            self.happened[name] += 1
            await kinds[name]()

    async def _kill_node(self) -> None:
        await self.mortal.kill()
        await asyncio.sleep(self.chance.uniform(0, AWAY_S_MAX))
        await self.mortal.start()

    async def _stop_node(self) -> None:
        await self.mortal.terminate()
        await asyncio.sleep(self.chance.uniform(0, AWAY_S_MAX))
        await self.mortal.start()

    async def _kill_engine(self, name: EngineName) -> None:
        await self.engines.kill(name)
        await asyncio.sleep(self.chance.uniform(0, AWAY_S_MAX))
        await self.engines.revive(name)

    async def _cut(self) -> None:
        self.balancer.cut()


def main() -> None:
    """Soaks and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=10, help="one round each")
    parser.add_argument("--voters", type=int, default=200)
    parser.add_argument("--watchers", type=int, default=100)
    parser.add_argument("--rate", type=float, default=400.0, help="casts a second, all voters together")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    configure_logging("auto")
    raise_file_limit()
    with data_folder() as folder:
        found = asyncio.run(soak(folder, arguments))
    tell({"benchmark": "soak", **origin(), "settings": vars(arguments), **found})
    sys.exit(0 if found["ok"] else 1)


async def soak(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """All rounds.

    Gives: ok; wrong, in words; rounds, each with votes, faults, differences, and memory and files of the steady node
    """
    say("starting engines and two nodes")
    engines = await EmbeddedEngines.start(folder / "engines")
    try:
        await migrate_up(engines.database_url, server_folder("migrations"))
        await make_shows(engines.database_url, count=SHOWS)
        given = {
            "DATABASE_URL": engines.database_url,
            "REDIS_URL": engines.redis_url,
            "MYSETLIST_VOTES_PER_DAY": str(VOTES_PER_DAY),
        }
        async with AsyncExitStack() as stack:
            nodes = [
                await stack.enter_async_context(NodeProcess.running(folder / name, **given))
                for name in ("steady", "mortal")
            ]
            balancer = await stack.enter_async_context(TcpProxy.running(*(node.port for node in nodes)))
            stage = Stage(engines, balancer, *nodes, random.Random(arguments.seed))
            rounds = []
            for number in range(arguments.minutes):
                rounds.append(await one_round(stage, arguments, number))
                done = rounds[-1]
                fine = "nothing wrong" if not done["differences"] else f"{len(done['differences'])} DIFFERENCES"
                happened = ", ".join(f"{name} {count}x" for name, count in done["faults"].items())
                say(f"{number + 1}/{arguments.minutes}: {done['votes']:,} votes; {happened or 'no faults'}; {fine}")
            wrong = [f"round {place + 1}: {text}" for place, one in enumerate(rounds) for text in one["differences"]]
            wrong += [f"{node.folder.name} logged: {node.complaints()[:2_000]}" for node in nodes if node.complaints()]
            wrong += growth(rounds)
            return {"ok": not wrong, "wrong": wrong, "rounds": rounds}
    finally:
        await engines.stop()


async def one_round(stage: Stage, arguments: argparse.Namespace, number: int) -> dict[str, Any]:
    """A crowd for a minute, while things break."""
    stage.happened.clear()
    is_enough = asyncio.Event()
    breaking: list[asyncio.Task[None]] = []

    async def on_step(step: str) -> None:
        if step == "counting":
            breaking.append(asyncio.create_task(stage.break_things(is_enough), name="faults"))
            asyncio.get_running_loop().call_later(FAULTS_END_S, is_enough.set)
        elif step == "counted":
            is_enough.set()
            await asyncio.gather(*breaking)

    options = CrowdOptions(
        url=stage.balancer.url, voters=arguments.voters, watchers=arguments.watchers, rate_per_s=arguments.rate,
        duration_s=ROUND_S, verify=True, seed=arguments.seed * 1_000 + number, subscribe=True, natural=True,
        settle_s=SETTLE_S, processes=1,
    )  # fmt: skip
    report = await run_crowd(options, on_step=on_step, show_progress=False)
    differences = [str(one) for one in report["verify"]["differences"]]
    differences += [str(one) for one in await reconcile(stage.engines.database_url, stage.engines.redis_url)]
    steady = psutil.Process(stage.steady.pid)
    return {
        "votes": report["casts"]["committed"],
        "accepted_first": report["casts"]["accepted"],
        "resent": report["casts"]["resent"],
        "reconnects": report["reconnects"],
        "faults": dict(stage.happened),
        "differences": differences,
        "steady": {"rss_mb": round(steady.memory_info().rss / 1e6, 1), "files": steady.num_fds()},
    }


def growth(rounds: list[dict[str, Any]]) -> list[str]:
    """What was more at the end than it ever was in the first half, in words."""
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
