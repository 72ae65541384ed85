"""Measures MySetlist beside other servers, in turns in one run: pushes to many watchers, and committed votes.

    .venv/bin/python bench/side_by_side.py [NAME…] [--watchers 5000] [--rounds 5] [--seconds 3] [--voters 1500] [--write]

`make bench-peers PEERS="mysetlist nchan" OPTIONS="--rounds 2"` does the same. Without names, all servers that are installed have
their turns; the script says which are missing and how to get them. Servers and engines run on the first core, the clients on the second.

In each round, one after the other: a calibration (bench/calibration.py); the floor, a `send()` loop in C (bench/floor.py); then each
server, started anew, with WATCHERS websockets and ten pushes a second of 90 bytes, or fewer when it has not delivered the push before;
then votes, as fast as they are acknowledged. A server's CPU of a frame is its CPU less that of the same time without pushes and with the
same watchers. MySetlist pushes what real votes cause, 20 a second, and their work counts as work of the frames. The ratio to the floor is
taken in each round.

It prints one JSON object, also when Ctrl-C ends it after some rounds. With --write it also writes docs/benchmarks.md, its charts and docs/benchmarks.json.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import uvloop
from calibration import calibrate
from measure import ROOT, Node, data_folder, log_step, print_result, run_facts
from peers.fanout import Arrivals, LinePusher, Turn, VotePusher, cores_without_watchers, measure_fanout, measure_floor
from peers.known import MYSETLIST, PEERS, Peer, Start, mysetlist_dialect
from peers.page import write_page
from peers.server import MeasuredNode, MeasuredServer, ServerFailed, free_port, pinned, two_cores
from peers.voting import SEED, measure_votes, node_polls, plain_polls
from picows import WSError

from server.cli.terminal import raise_file_limit
from server.embedded import EmbeddedEngines
from server.load.local_process import LocalProcess
from server.load.process import ProcessOptions

CASTS_PER_S = 20.0  # two for each push
CASTERS = 400
FAILURES = (ServerFailed, OSError, TimeoutError, WSError, psutil.Error)

# Of the figures of a turn, those of its line of progress.
_TOLD = {
    "cpu_us_per_frame",
    "memory_bytes_per_connection",
    "last_watcher_ms",
    "delivered",
    "cpu_us_per_vote",
    "votes_per_s",
}

Round = dict[str, Any]


def main() -> None:
    """Measures and prints the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", nargs="*", metavar="NAME", help=", ".join(one.name for one in PEERS))
    parser.add_argument("--watchers", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="measured time of a turn")
    parser.add_argument("--voters", type=int, default=1500, help="0: no votes")
    parser.add_argument("--write", action="store_true", help="writes docs/benchmarks.md from this run")
    arguments = parser.parse_args()
    known = {one.name for one in PEERS}
    if unknown := [name for name in arguments.peers if name not in known]:
        parser.error(f"no server is called {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    raise_file_limit()
    asked = [one for one in PEERS if not arguments.peers or one.name in arguments.peers]
    missing = {one.name: text for one in asked if (text := one.missing()) is not None}
    for text in missing.values():
        log_step(f"missing: {text}")
    facts = run_facts()
    comparison = Comparison([one for one in asked if one.name not in missing], arguments)
    try:
        uvloop.run(comparison.run())
    except KeyboardInterrupt:
        log_step(f"interrupted after {len(comparison.rounds)} rounds")
    if not comparison.rounds:
        raise SystemExit(1)
    result = {
        "benchmark": "side_by_side",
        **facts,
        "command": " ".join(["make bench-peers", *_make_arguments(sys.argv[1:])]),
        "settings": {name: value for name, value in vars(arguments).items() if name not in {"peers", "write"}},
        "versions": {one.name: one.version() for one in comparison.peers},
        "missing": sorted(missing),
        "rounds": comparison.rounds,
    }
    print_result(result)
    if arguments.write:
        write_page(result, ROOT / "docs")


def _make_arguments(given: list[str]) -> list[str]:
    names = [one for one in given if one in {peer.name for peer in PEERS}]
    options = [one for one in given if one not in names and one != "--write"]
    return [
        *([f'PEERS="{" ".join(names)}"'] if names else []),
        *([f'OPTIONS="{" ".join(options)}"'] if options else []),
    ]


class Comparison:
    """One run of all rounds.

    Owns: engines for the servers that need some, and for the calibration
    """

    def __init__(self, peers: list[Peer], arguments: argparse.Namespace) -> None:
        self.peers = peers
        self.rounds: list[Round] = []  # those that are complete
        self._arguments = arguments
        self._server_core, client_core = two_cores()
        self._turns = 0
        os.sched_setaffinity(0, {client_core})

    async def run(self) -> None:
        """Runs all rounds."""
        with data_folder() as folder:
            with pinned(self._server_core):
                engines = await EmbeddedEngines.start(folder)
            try:
                for number in range(1, self._arguments.rounds + 1):
                    self.rounds.append(await self._round(number, engines))
            finally:
                await engines.stop()

    async def _round(self, number: int, engines: EmbeddedEngines) -> Round:
        with pinned(self._server_core):
            calibration = await calibrate(engines.database_url)
        measured: Round = {"calibration": calibration, "fanout": {}, "votes": {}}
        if any(one.dialect for one in self.peers):
            measured["fanout"]["floor"] = await measure_floor(self._server_core, self._turn())
            self._say(number, "floor", measured["fanout"]["floor"])
        for peer in self.peers:
            if peer.dialect is not None:
                await self._try(number, peer, engines, measured["fanout"], self._fanout)
        for peer in self.peers:
            if peer.has_votes and self._arguments.voters:
                await self._try(number, peer, engines, measured["votes"], self._votes)
        return measured

    async def _try(
        self,
        number: int,
        peer: Peer,
        engines: EmbeddedEngines,
        figures: dict[str, Any],
        measure: Callable[[Peer, MeasuredServer], Awaitable[dict[str, Any]]],
    ) -> None:
        """One turn. A server that fails has no figures in this round, and the others go on."""
        try:
            async with self._started(peer, engines) as server:
                figures[peer.name] = await measure(peer, server)
        except FAILURES as error:
            log_step(f"round {number}: {peer.title} failed: {type(error).__name__}: {error}")
            return
        self._say(number, peer.name, figures[peer.name])

    def _say(self, number: int, name: str, figures: dict[str, Any]) -> None:
        told = ", ".join(f"{key} {value}" for key, value in figures.items() if value and key in _TOLD)
        log_step(f"round {number} of {self._arguments.rounds}: {name}: {told}")

    @asynccontextmanager
    async def _started(self, peer: Peer, engines: EmbeddedEngines) -> AsyncIterator[MeasuredServer]:
        with data_folder() as folder:
            server = await self._start(peer, engines, folder)
            try:
                yield server
            finally:
                await asyncio.to_thread(server.stop)

    async def _start(self, peer: Peer, engines: EmbeddedEngines, folder: Path) -> MeasuredServer:
        if peer.name == MYSETLIST:
            with pinned(self._server_core):
                return MeasuredNode(Node(folder, "--demo"))
        start = Start(folder, free_port(), engines.database_url, engines.redis_url)
        command = peer.command(start)
        pids = {"postgres": engines.postgres_pid, "valkey": engines.valkey_pid}
        used = [psutil.Process(pids[name]) for name in peer.engines]
        with pinned(self._server_core):
            program = peer.program(command, start.port, peer.environment, used)
        await program.wait_ready()
        return program

    def _turn(self) -> Turn:
        self._turns += 1
        # When thousands of ports of one address were closed within the last minute, the kernel searches long for a free one.
        network = f"127.{1 + os.getpid() % 250}.{self._turns % 250}"
        return Turn(self._arguments.watchers, self._arguments.seconds, network)

    async def _fanout(self, peer: Peer, server: MeasuredServer) -> dict[str, Any]:
        assert peer.dialect is not None
        arrivals = Arrivals()
        if peer.name != MYSETLIST:
            lines = LinePusher(server, arrivals, self._arguments.watchers)
            return await measure_fanout(server, peer.dialect, lines, arrivals, self._turn())
        poll = (await node_polls(server.url))[0]
        voters = LocalProcess(
            ProcessOptions(server.url, [poll], SEED, voters=CASTERS, rate_per_s=CASTS_PER_S, in_flight_max=4)
        )
        try:
            await voters.open()
            pusher = VotePusher(voters)
            alone = await cores_without_watchers(server, pusher, self._arguments.seconds)
            return await measure_fanout(
                server, mysetlist_dialect(poll.show_id), pusher, arrivals, self._turn(), without_watchers=alone
            )
        finally:
            await voters.close()

    async def _votes(self, peer: Peer, server: MeasuredServer) -> dict[str, Any]:
        polls = await node_polls(server.url) if peer.name == MYSETLIST else plain_polls()
        return await measure_votes(server, polls, self._arguments.voters, self._arguments.seconds)


if __name__ == "__main__":
    main()
