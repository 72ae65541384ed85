"""Measures what the ledger costs: in the commit of votes, and in the sequencer with its statements.

    .venv/bin/python bench/ledger.py [--rounds 5] [--batches 10] [--batch 2000] [--shows 100] [--paced-s 10] [--rate 5000]

It starts a PostgreSQL of its own. By turns it commits batches with and without the ledger's notes, and appends after each turn with
them. Then the sequencer runs as on a node, beside commits of an even rate, and each commit waits for its signed checkpoint. It prints one
JSON object: the microseconds of CPU for each vote, and of a SHA-256 for comparison; the milliseconds from a commit to the signed checkpoint.
It asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections import deque
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import uvloop
from database import VotingDatabase, commit_batch, open_voting, seeded
from measure import cpu_s, data_folder, log_step, own_cpu_s, print_result, run_facts, spent

from server.clock import SystemClock
from server.embedded import EmbeddedEngines
from server.ledger.sequencer import Sequencer

COMMITS_PER_S = 10
SECRET = "a secret of benchmarks, and long enough"
HASHES = 200_000


def main() -> None:
    """Measures and prints the result."""
    arguments = parse()
    facts = run_facts()
    with data_folder() as folder:
        measured = uvloop.run(_measure(folder, arguments))
    print_result({"benchmark": "ledger", **facts, "settings": vars(arguments), **measured})


def parse(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The options; without `given` those of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shows", type=int, default=100)
    parser.add_argument("--warm-up", type=int, default=20, help="batches before the first measured one")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; each with a turn with notes and one without")
    parser.add_argument("--batches", type=int, default=10, help="batches in a turn")
    parser.add_argument("--batch", type=int, default=2_000, help="votes in a batch")
    parser.add_argument(
        "--fans", type=int, default=1_000, help="few: their names are known; many: most votes bring a new name"
    )
    parser.add_argument("--paced-s", type=int, default=10, help="how long commits come at an even rate")
    parser.add_argument("--rate", type=int, default=5_000, help="votes a second meanwhile")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(given)


async def _measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    engines = await EmbeddedEngines.start(folder)
    try:
        url, _ = await seeded(engines.database_url, "bench_ledger", arguments, votes=0)
        postgres = psutil.Process(engines.postgres_pid)
        target = await open_voting(url, arguments.seed, arguments.fans)
        owner = await asyncpg.connect(url)
        sequencer = Sequencer(url, SystemClock(), SECRET, "localhost")

        async def append() -> None:
            while await sequencer.append_next(owner):
                pass

        for _ in range(arguments.warm_up):
            await commit_batch(target, arguments.batch)
            await append()
        votes = arguments.batch * arguments.batches
        figures: dict[str, list[float]] = {}
        for number in range(arguments.rounds):
            for state in ("disable", "enable"):
                log_step(f"round {number + 1} of {arguments.rounds}: {state} notes")
                await owner.execute(f"alter table vote_analytics {state} trigger vote_analytics_ledger")
                before = cpu_s([postgres])
                for _ in range(arguments.batches):
                    await commit_batch(target, arguments.batch)
                commit_s = spent(before, cpu_s([postgres]))["postgres"]
                figures.setdefault(f"commit_{state}d", []).append(commit_s / votes * 1e6)
            size = await owner.fetchval("select coalesce(sum(size), 0)::bigint from ledger_logs")
            before, own_before_s = cpu_s([postgres]), own_cpu_s()
            await append()
            own_s, postgres_s = own_cpu_s() - own_before_s, spent(before, cpu_s([postgres]))["postgres"]
            entries = await owner.fetchval("select sum(size)::bigint from ledger_logs") - size
            figures.setdefault("append_python", []).append(own_s / entries * 1e6)
            figures.setdefault("append_postgres", []).append(postgres_s / entries * 1e6)
        delays_ms = sorted(await _delays_ms(owner, url, target, arguments))
        await owner.close()
        await target.database.close()
    finally:
        await engines.stop()
    medians = {name: statistics.median(values) for name, values in figures.items()}
    notes = medians["commit_enabled"] - medians["commit_disabled"]
    return {
        "us_per_vote": {name: round(value, 2) for name, value in medians.items()},
        "notes_us_per_vote": round(notes, 2),
        "ledger_us_per_vote": round(notes + medians["append_python"] + medians["append_postgres"], 2),
        "commit_to_checkpoint_ms": {
            "commits": len(delays_ms),
            **{f"p{part}": round(delays_ms[len(delays_ms) * part // 100]) for part in (50, 99)},
            "max": round(delays_ms[-1]),
        },
        "sha256_us": round(_sha256_us(), 2),
        "rounds": {name: [round(value, 2) for value in values] for name, values in figures.items()},
    }


async def _delays_ms(owner: Any, url: str, target: VotingDatabase, arguments: argparse.Namespace) -> list[float]:
    """The times from commits to the signed checkpoints that cover them [ms], to about five."""
    running = asyncio.create_task(Sequencer(url, SystemClock(), SECRET, "localhost").run())
    watching = await asyncpg.connect(url)
    waiting: deque[tuple[int, float]] = deque()  # the last note of a commit, and its instant
    delays_ms: list[float] = []
    is_over = False

    async def watch() -> None:
        while waiting or not is_over:
            first = await watching.fetchval("select min(id) from ledger_notes")
            while waiting and (first is None or waiting[0][0] < first):
                delays_ms.append((time.monotonic() - waiting.popleft()[1]) * 1_000)
            await asyncio.sleep(0.005)

    watcher = asyncio.create_task(watch())
    began_s = time.monotonic()
    for number in range(arguments.paced_s * COMMITS_PER_S):
        await asyncio.sleep(max(0.0, began_s + number / COMMITS_PER_S - time.monotonic()))
        await commit_batch(target, arguments.rate // COMMITS_PER_S)
        committed_s = time.monotonic()
        waiting.append((await owner.fetchval("select last_value from ledger_notes_id_seq"), committed_s))
    is_over = True
    await watcher
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await watching.close()
    return delays_ms


def _sha256_us() -> float:
    """A hash of a node, as a measure of this machine."""
    data = bytes(65)
    began_s = time.process_time()
    for _ in range(HASHES):
        sha256(data).digest()
    return (time.process_time() - began_s) / HASHES * 1e6


if __name__ == "__main__":
    main()
