"""Runs a service under load while its parts die, and checks everything that every fan and every watcher was told.

    .venv/bin/python bench/soak.py [--minutes 10] [--rate 10000] [--seed 1] [--faults all|none|lasting|"NAME, NAME"] [--keep FOLDER]

Two nodes run on engines of their own, with a proxy between every two parts and PgBouncer for the requests of one of them. Fans vote and
watchers watch; each records what it sends and hears (tests/history). The seed chooses faults from a table (tests/history/faults.py): first
each alone, then pairs. Each must be seen to have bitten. At the end of a round of one minute everything is answered and drained, and
a process of its own checks the round: each vote of a fan on a song is linearizable, each commit wrote what the log says once, each
frame has the counts of the log up to its position, no watcher goes back, all converge. `reconcile` compares rows, counts and Valkey. At
the end `mysetlist audit` recounts every show from the public ledger.

The script prints a line for each fault and round, and one JSON object at the end. It exits with 1 if a rule is violated, a fault did not
bite, a node logged a traceback, or something grew. The same seed chooses the same faults. docs/soak.md explains the checks.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import psutil
import redis
from measure import ROOT, data_folder, log_step, print_result, run_facts

from server.cli.terminal import raise_file_limit
from server.telemetry import configure_logging
from server.voting.reconcile import run as reconcile
from tests.history.audits import Audits
from tests.history.faults import ENDING, FAULTS, FAULTS_OF_FLEET, Fault, described
from tests.history.fleet import Fleet
from tests.history.service import Service
from tests.history.stage import Stage
from tests.support.node_process import NodeProcess

SHOWS = 8
SONGS = 12
ROUND_S = 60.0
# The last fault of a round begins early enough for all clients to come back.
FAULTS_UNTIL_S = 50.0
PAUSE_S = (0.5, 3.0)
# Growth of a process is measured against the first half of its life: limited caches and pools take a while to fill.
ROUNDS_MIN = 6
MEMORY_GROWTH_MAX = 1.15
FILES_GROWTH_MAX = 16
# A node finds out in this time that a client is gone without a word (server/live).
GONE_S = 90.0


class Schedule:
    """The faults in their order: each of the table once, then pairs; the seed alone decides."""

    def __init__(self, names: list[str], seed: int) -> None:
        self._random = random.Random(f"{seed}:faults")
        self._names = names
        self._alone = self._random.sample(names, len(names))
        self.step = 0

    def next(self) -> list[str]:
        """One fault, or two at once."""
        self.step += 1
        if self._alone:
            return [self._alone.pop()]
        return self._random.sample(self._names, min(2, len(self._names)))


class CheckerProcess:
    """`python -m tests.history --follow`: it checks one round while the next one runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, *, may_lose: bool) -> CheckerProcess:
        """Starts it."""
        flags = ["--may-lose"] if may_lose else []
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.history", "--follow", *flags, cwd=ROOT, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, limit=1 << 24,
            )
        )  # fmt: skip

    async def check(self, window: Path) -> dict[str, Any]:
        """What it says of a window."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{window}\n".encode())
        line = await self._process.stdout.readline()
        assert line, "the checker has ended"
        return dict(orjson.loads(line))

    async def end(self) -> None:
        """Ends it."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


@dataclass
class Soak:
    """One run. wrong: everything that is wrong, one text each."""

    service: Stage
    table: dict[str, Fault]
    arguments: argparse.Namespace
    folder: Path
    schedule: Schedule | None
    checker: CheckerProcess
    audits: Audits
    rounds: list[dict[str, Any]] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    checking: asyncio.Task[None] | None = None

    async def round(self, number: int) -> None:
        """Votes and faults for a minute; then everything is drained and handed to the checker."""
        service = self.service
        began_s = time.monotonic()
        await service.all_parts("go")
        await self._break_things(number, began_s)
        await asyncio.sleep(max(0.0, began_s + self.arguments.seconds - time.monotonic()))
        seconds = time.monotonic() - began_s
        window, said = await service.window()
        differences = [str(one) for one in await reconcile(service.database_url, service.redis_url)]
        await service.shorten_log()
        path = self.folder / f"window-{number:03}"
        window.save(path)
        if not all(one["is_quiet"] and one["is_there"] for one in said):
            log_step(f"round {number}: not everybody was quiet or had heard the end: {said}")
        acknowledged = int((window.casts["outcome"] <= 2).sum())
        self.rounds.append({
            "votes": acknowledged,
            "outcomes": {name: int(count) for name, count in _outcomes(window.casts["outcome"]).items()},
            "seconds": round(seconds, 1), "votes_per_s": round(acknowledged / seconds),
            "nodes": {name: measured(node, service.places) for name, node in service.nodes.items()},
        })  # fmt: skip
        self.wrong += [f"round {number}: {text}" for text in differences]
        await self.until_checked()
        self.checking = asyncio.create_task(self._check(number, path), name="checking")
        log_step(f"round {number}: {acknowledged:,} votes acknowledged, {round(acknowledged / seconds):,} a second")
        for name, one in self.rounds[-1]["nodes"].items():
            log_step(f"  node {name}: {one['memory_mb']} MB, {one['files']}")

    async def _break_things(self, number: int, began_s: float) -> None:
        if self.schedule is None:
            return
        rng = random.Random(f"{self.arguments.seed}:{number}:pauses")
        until_s = began_s + min(FAULTS_UNTIL_S, self.arguments.seconds - 2)
        while time.monotonic() < until_s:
            await asyncio.sleep(rng.uniform(*PAUSE_S))
            names = self.schedule.next()
            begun_s = time.monotonic()
            said = await asyncio.gather(*(self._break(name, self.schedule.step) for name in names))
            fault: dict[str, Any] = {
                "round": number,
                "faults": dict(zip(names, said, strict=True)),
                "seconds": round(time.monotonic() - begun_s, 1),
            }
            self.faults.append(fault)
            log_step(
                f"  {self.schedule.step}: "
                + "; ".join(f"{name}: {what or 'DID NOT BITE'}" for name, what in fault["faults"].items())
            )
            self.wrong += [
                f"round {number}: '{name}' did not bite" for name, what in fault["faults"].items() if not what
            ]

    async def _start_dead_nodes(self, names: list[str]) -> None:
        """No fault may end a node by other means than its own."""
        for name, node in self.service.nodes.items():
            code = node.exit_code
            if code is not None:
                said = node.log_path.read_text()[-1_500:]
                self.wrong.append(f"after {names} node {name} had ended with {code}: {said}")
                log_step(self.wrong[-1])
                await node.start()

    async def _break(self, name: str, step: int) -> str:
        rng = random.Random(f"{self.arguments.seed}:{step}:{name}")
        try:
            return await self.table[name].act(self.service, rng)
        except (AssertionError, TimeoutError, OSError, asyncpg.PostgresError, redis.RedisError, psutil.Error) as error:
            self.wrong.append(f"step {step}: '{name}' went wrong: {type(error).__name__}: {error}")
            return f"went wrong: {error}"

    async def _check(self, number: int, path: Path) -> None:
        found = await self.checker.check(path)
        self.rounds[number - 1]["checked"] = {name: found[name] for name in found if name != "wrong"}
        self.wrong += [f"round {number}: {text}" for text in found["wrong"]]
        log_step(
            f"round {number}, checked in {found['seconds']} s: {found['votes']:,} casts, {found['logged']:,} votes in the log,"
            f" {found['rows']:,} changes, {found['frames']:,} frames; " + (f"{len(found['wrong'])} RULES VIOLATED" if found["wrong"] else "all right")
        )  # fmt: skip
        if not self.arguments.keep and not found["wrong"]:
            shutil.rmtree(path)

    async def leaked(self) -> list[str]:
        """Connections of clients that nodes keep although nobody has them any more."""
        wanted = self.arguments.fans + self.arguments.watchers
        until_s = time.monotonic() + GONE_S
        while (held := sum(clients_of(node) for node in self.service.nodes.values())) > wanted:
            if time.monotonic() > until_s:
                return [f"the nodes hold {held} connections of {wanted} clients"]
            await asyncio.sleep(1)
        return []

    async def until_checked(self) -> None:
        """Waits for the check of the last round."""
        if self.checking is not None:
            await self.checking


def clients_of(node: NodeProcess) -> int:
    """The connections of clients that a node holds."""
    sockets = psutil.Process(node.pid).net_connections("tcp")
    return sum(one.laddr.port == node.port and one.status != psutil.CONN_LISTEN for one in sockets)


def measured(node: NodeProcess, places: dict[int, str]) -> dict[str, Any]:
    """What a node holds: memory and open files by kind. Takes: places, what is at a port of this machine."""
    process = psutil.Process(node.pid)
    kinds: Counter[str] = Counter()
    for one in process.net_connections("tcp"):
        if one.laddr.port == node.port:
            kinds["listening" if one.status == psutil.CONN_LISTEN else "clients"] += 1
        else:
            kinds[places.get(one.raddr.port, "other addresses") if len(one.raddr) else "other addresses"] += 1
    kinds["other files"] = process.num_fds() - kinds.total()
    return {"pid": node.pid, "memory_mb": round(process.memory_info().rss / 1e6, 1), "files": dict(kinds)}


def _outcomes(codes: Any) -> Counter[str]:
    return Counter(("", "committed", "accepted", "refused", "unknown")[code] for code in codes.tolist())


def main() -> None:
    """Runs the soak and prints the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=10, help="number of rounds")
    parser.add_argument("--seconds", type=float, default=ROUND_S, help="of a round")
    parser.add_argument("--fans", type=int, default=600)
    parser.add_argument("--watchers", type=int, default=60)
    parser.add_argument("--processes", type=int, default=1, help="of the crowd")
    parser.add_argument("--rate", type=float, default=10_000.0, help="votes a second that are cast, if they can be")
    parser.add_argument("--votes-per-cast", type=int, default=6, help="a cast has 1 to so many votes")
    parser.add_argument(
        "--faults",
        default="all",
        help="all, none, lasting (those that end no node, so that growth shows), or names with commas",
    )
    parser.add_argument("--fleet", action="store_true", help="a Valkey Cluster, PostgreSQL with a replica, three nodes")
    parser.add_argument("--list", action="store_true", help="print the faults, and how each is seen")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--until-wrong", action="store_true", help="end after the first round in which something is wrong"
    )
    parser.add_argument("--bare", action="store_true", help="do not measure how fast this machine is")
    parser.add_argument(
        "--keep", type=Path, help="keep the history in this folder; else only rounds with a violation stay"
    )
    arguments = parser.parse_args()
    table = FAULTS_OF_FLEET if arguments.fleet else FAULTS
    if arguments.list:
        print("\n".join([*described(table), "", *table]))
        return
    if arguments.faults in {"all", "none", "lasting"}:
        names = [
            name
            for name in table
            if arguments.faults == "all" or (arguments.faults == "lasting" and name not in ENDING)
        ]
    else:
        names = [name.strip() for name in arguments.faults.split(",")]
        if unknown := [name for name in names if name not in table]:
            parser.error(f"no such fault: {unknown[0]}. There are: {', '.join(table)}")
    configure_logging("auto", "warning")
    raise_file_limit()
    with data_folder() as folder:
        found = asyncio.run(soak(folder, arguments, table, names))
    facts = {} if arguments.bare else run_facts()
    settings = {name: str(value) for name, value in vars(arguments).items()}
    print_result({"benchmark": "soak", **facts, "settings": settings, **found})
    sys.exit(0 if found["ok"] else 1)


async def soak(
    folder: Path, arguments: argparse.Namespace, table: dict[str, Fault], names: list[str]
) -> dict[str, Any]:
    """Runs all rounds.

    Gives:  ok; wrong, one text each; votes, acknowledged ones; votes_per_s, over the time of casting; faults and rounds
    """
    # As for Ctrl-C: `timeout` must not leave engines behind.
    running = asyncio.current_task()
    assert running is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    log_step("start engines and nodes")
    windows = arguments.keep or folder / "windows"
    windows.mkdir(parents=True, exist_ok=True)
    stage = Fleet if arguments.fleet else Service
    checker = await CheckerProcess.start(may_lose=stage.may_lose)
    try:
        async with stage.running(folder, shows=SHOWS, songs=SONGS) as service:
            log_step(f"connect {arguments.fans} fans and {arguments.watchers} watchers")
            await service.open_crowd(
                processes=arguments.processes, fans=arguments.fans, watchers=arguments.watchers, rate=arguments.rate,
                votes_per_cast=arguments.votes_per_cast, seed=arguments.seed,
            )  # fmt: skip
            schedule = Schedule(names, arguments.seed) if names else None
            audits = Audits(service, random.Random(f"{arguments.seed}:receipts"))
            run = Soak(service, table, arguments, windows, schedule, checker, audits)
            for number in range(1, arguments.minutes + 1):
                await run.round(number)
                if arguments.until_wrong:
                    await run.until_checked()
                    run.wrong += [] if run.wrong else await audits.wrong()
                    if run.wrong:
                        break
            await run.until_checked()
            run.wrong += [*await run.leaked(), *([] if arguments.until_wrong else await run.audits.wrong())]
            logs = {name: node.tracebacks() for name, node in service.nodes.items()}
        wrong = [
            *run.wrong,
            *(f"node {name} logged: {text[-2_000:]}" for name, text in logs.items() if text),
            *growth(run.rounds),
        ]
        votes, seconds = sum(one["votes"] for one in run.rounds), sum(one["seconds"] for one in run.rounds)
        log_step(
            f"{votes:,} votes acknowledged, {votes / seconds:,.0f} a second; "
            + (f"{len(wrong)} THINGS ARE WRONG" if wrong else "all right")
        )
        for text in wrong:
            log_step(text)
        return {
            "ok": not wrong, "wrong": wrong, "votes": votes, "votes_per_s": round(votes / seconds), "rounds": run.rounds, "faults": run.faults,
        }  # fmt: skip
    finally:
        await checker.end()


def growth(rounds: list[dict[str, Any]]) -> list[str]:
    """Names the measures of a process of a node that are higher at the end than at any time in the first half of its life.

    Clients go from node to node, so their connections are not among its files (see Soak.leaked).
    """
    found = []
    for name in rounds[-1]["nodes"]:
        lived = [one["nodes"][name] for one in rounds]
        lived = [one for one in lived if one["pid"] == lived[-1]["pid"]]
        if len(lived) < ROUNDS_MIN:
            continue
        half, last = lived[: len(lived) // 2], lived[-1]
        memory_mb = max(one["memory_mb"] for one in half)
        if last["memory_mb"] > memory_mb * MEMORY_GROWTH_MAX:
            found.append(f"memory of node {name} grew from {memory_mb} to {last['memory_mb']} MB")
        files = max(half, key=_own_files)
        if _own_files(last) > _own_files(files) + FILES_GROWTH_MAX:
            found.append(f"open files of node {name} grew from {files['files']} to {last['files']}")
    return found


def _own_files(measure: dict[str, Any]) -> int:
    return int(sum(count for kind, count in measure["files"].items() if kind != "clients"))


if __name__ == "__main__":
    main()
