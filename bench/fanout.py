"""Measures the server's cost of sending a vote to every watcher, relative to a bare `send()` loop in the same run.

    .venv/bin/python bench/fanout.py [--watchers 5000] [--rate 2000] [--push-rate 20] [--seconds 15] [--seed 1] [--workers 1]

1. A node without clients: the server's idle CPU.
2. Few votes, enough for ten pushes a second, and no watchers.
3. The same few votes with all watchers on the show: the server's CPU for each frame that they receive.
4. Many votes and the same watchers: the time until the last watcher has a vote, and the server's CPU with all work included.
5. The floor: the same watchers and frames of the same size, from a loop that only sends.

`ratio_to_floor` is 3 minus 1: an upper bound, because it includes the few votes. `ratio_to_floor_lower` is 3 minus 2: a
lower bound, because the server handles votes in batches that grow while it is busy with pushes, so the same votes cost
less in 3 than in 2. With many votes in both, this error is larger than the measured value (it once gave 0.6 us a frame
over a floor of 4.2); therefore the votes are few. When the bounds are far apart, the machine changed its speed between the
phases; `is_credible` says so. A ratio below 1 is possible where the kernel sends to many sockets with one call (ADR 42);
`MYSETLIST_IO_URING=off` measures the other way.

The watchers run in a process of their own, the voters in this one. The script prints one JSON object and asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import uvloop
from measure import Node, log_step, node, print_result, run_facts, spent

from server.cli.terminal import raise_file_limit
from server.client.http import HttpClient
from server.load.child_process import ChildProcess
from server.load.counts import merged
from server.load.local_process import LocalProcess
from server.load.process import CrowdProcess, PollSpec, ProcessOptions
from server.load.report import last_watcher
from server.load.requests import fetch_shows

WARM_UP_S = 2.0
SETTLE_S = 10.0
LAST_PUSH_S = 1.0
ACCEPT_TIMEOUT_S = 60.0
BOUNDS_APART_MAX = 0.4


def main() -> None:
    """Measures and prints the result."""
    arguments = parse()
    raise_file_limit()
    facts = run_facts()
    with node("--workers", str(arguments.workers)) as server:
        measured = uvloop.run(measure(server, arguments))
    print_result({"benchmark": "fanout", **facts, "settings": vars(arguments), **measured})


def parse(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The options; without `given` those of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--watchers", type=int, default=5000)
    parser.add_argument("--voters", type=int, default=400)
    parser.add_argument("--rate", type=float, default=2000.0, help="casts a second for the measurement of latency")
    parser.add_argument(
        "--push-rate", type=float, default=20.0, help="casts a second for the measurement of a frame's cost"
    )
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args(given)


async def measure(server: Node, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measures all phases, and the floor."""
    measured = await _measure(server, arguments)
    log_step("the floor")
    floor = await _floor(arguments.watchers, arguments.seconds, measured["frame_bytes_mean"])
    floor_us = floor["cpu_us_per_send"]
    upper, lower = (measured[f"server_cpu_us_per_frame{bound}"] / floor_us for bound in ("", "_lower"))
    return {
        "ratio_to_floor": round(upper, 3),
        "ratio_to_floor_lower": round(lower, 3),
        "is_credible": upper - lower < BOUNDS_APART_MAX,
        **measured,
        "floor": floor,
    }


async def _measure(server: Node, arguments: argparse.Namespace) -> dict[str, Any]:
    http = HttpClient(server.url)
    try:
        shows = await fetch_shows(http, await http.open_shows())
    finally:
        await http.close()
    # The show with the most songs has the largest frames.
    show = max(shows.values(), key=lambda one: (len(one.tally()), -one.id))
    songs = [song.id for setlist in show.predicted() for song in setlist.songs]
    polls = [PollSpec(show.id, songs, show.votes_per_user_max)]
    few, many = (
        LocalProcess(
            ProcessOptions(
                server.url, polls, arguments.seed, voters=arguments.voters, first_voter=first, rate_per_s=rate,
                in_flight_max=4,
            )
        )
        for first, rate in ((0, arguments.push_rate), (arguments.voters, arguments.rate))
    )  # fmt: skip
    watchers = ChildProcess(ProcessOptions(server.url, polls, arguments.seed, watchers=arguments.watchers))
    try:
        await few.open()
        await many.open()
        log_step("idle")
        idle = await _phase(server, None, [], arguments.seconds)
        log_step("few votes, no watchers")
        baseline = await _phase(server, few, [], arguments.seconds)
        log_step("watchers connect")
        rss_before = server.server_rss_bytes()
        began_s = time.monotonic()
        await watchers.open()
        connect_s = time.monotonic() - began_s
        rss_bytes = server.server_rss_bytes() - rss_before
        log_step("few votes, all watchers")
        pushed = await _phase(server, few, [watchers], arguments.seconds)
        log_step("many votes, all watchers")
        busy = await _phase(server, many, [watchers], arguments.seconds)
    finally:
        await asyncio.gather(few.close(), many.close(), watchers.close())
    counts = pushed["results"][1]["counts"]
    frames = max(1, counts["frames"])
    idle_s, without_s = (one["cpu_s"]["server"] * pushed["seconds"] / one["seconds"] for one in (idle, baseline))
    own_s = pushed["cpu_s"]["server"]
    return {
        "show_songs": len(songs),
        # Header included: 2 bytes, 4 from 126 bytes of payload on.
        "frame_bytes_mean": _on_the_wire(round(counts["frame_bytes"] / frames)),
        "server_cpu_us_per_frame": round((own_s - idle_s) / frames * 1e6, 3),
        "server_cpu_us_per_frame_lower": round((own_s - without_s) / frames * 1e6, 3),
        "server_cpu_us_per_frame_gross": round(own_s / frames * 1e6, 3),
        "connected": busy["results"][1]["connected"],
        "connects_per_s": round(arguments.watchers / connect_s, 1),
        "server_memory_bytes_per_connection": round(rss_bytes / max(1, arguments.watchers)),
        "idle": _phase_report(idle),
        "few_votes_no_watchers": _phase_report(baseline),
        "few_votes": _phase_report(pushed),
        "many_votes": _phase_report(busy),
    }


def _phase_report(phase: dict[str, Any]) -> dict[str, Any]:
    """Formats one phase for the report; without watchers their numbers are left out."""
    results, seconds = phase["results"], phase["seconds"]
    summary = {
        "votes_per_s": phase["votes_per_s"],
        "acknowledgement_ms": phase["acknowledgement_ms"],
        "cpu_cores_used": {name: round(value / seconds, 3) for name, value in phase["cpu_s"].items()},
    }
    if len(results) > 1:
        watched = results[1]
        summary["frames"] = watched["counts"]["frames"]
        summary["frames_per_s_per_watcher_mean"] = round(watched["view_frames"] / max(1, watched["views"]) / seconds, 2)
        summary["frames_per_s_per_watcher_max"] = watched["per_s_max"]
        summary["last_watcher_ms"] = last_watcher(merged([one["counts"] for one in results]), results)
    return summary


def _on_the_wire(payload_bytes: int) -> int:
    return payload_bytes + (2 if payload_bytes < 126 else 4)


async def _phase(
    server: Node, voters: LocalProcess | None, others: list[ChildProcess], seconds: float
) -> dict[str, Any]:
    """Measures one phase of voting; the results of the voters come first. Without voters the node is idle."""
    processes: list[CrowdProcess] = [*([voters] if voters else []), *others]
    await asyncio.gather(*(process.start_casting() for process in processes))
    await asyncio.sleep(WARM_UP_S)
    await asyncio.gather(*(process.clear_counts() for process in processes))
    before, began_s = server.cpu_s(), time.monotonic()
    await asyncio.sleep(seconds)
    after, ended_s = server.cpu_s(), time.monotonic()
    counted = await asyncio.gather(*(process.result() for process in processes))
    await asyncio.gather(*(process.settle(SETTLE_S) for process in processes))
    # Pushes of the last casts arrive later; the counts are those of the measured time.
    await asyncio.sleep(LAST_PUSH_S)
    reached = await asyncio.gather(*(process.result() for process in processes))
    results = [one | {"timelines": later["timelines"]} for one, later in zip(counted, reached, strict=True)]
    counts = merged([one["counts"] for one in results])
    return {
        "results": results,
        "seconds": ended_s - began_s,
        "cpu_s": spent(before, after),
        "votes_per_s": round(counts.votes / (ended_s - began_s), 1),
        "acknowledgement_ms": counts.latency.summary(),
    }


async def _floor(watchers: int, seconds: float, frame_bytes: int) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("floor.py")),
        str(watchers),
        str(seconds),
        str(frame_bytes),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    readers = ChildProcess(ProcessOptions(f"http://127.0.0.1:{port}", [PollSpec(1, [1], None)], 1, watchers=watchers))
    try:
        async with asyncio.timeout(ACCEPT_TIMEOUT_S + 2 * seconds):
            await readers.open()
            result: dict[str, Any] = orjson.loads(await process.stdout.read())
        await process.wait()
        received = (await readers.result())["counts"]["frames"]
    finally:
        await readers.close()
        if process.returncode is None:
            process.kill()
            await process.wait()
    return {**result, "frames_received": received}


if __name__ == "__main__":
    main()
