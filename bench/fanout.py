"""What it costs the server to bring a vote to every watcher, against a bare `send()` loop in the same run.

    .venv/bin/python bench/fanout.py [--watchers 5000] [--rate 2000] [--push-rate 20] [--seconds 15] [--seed 1]

1. A node that nobody uses: the server's idle CPU.
2. Few votes, enough for ten pushes a second, while nobody watches.
3. The same few votes with all watchers on that show: the server's CPU for each frame they received.
4. Many votes, the same watchers: how long until the last watcher has one, and what the server needs with everything in.
5. The floor: the same watchers, frames of the same size, from a loop that does nothing but send.

`ratio_to_floor` takes 1 away from 3: an upper bound, the few votes are still in it. `ratio_to_floor_lower` takes 2 away:
a lower bound, because votes are handled in batches that grow while the server is busy with pushes, so the same votes
cost less in 3 than in 2. With many votes in both that error is larger than the thing measured (it once gave 0.6 us a
frame over a floor of 4.2), hence the few. The server makes at least the floor's calls, so a bound below 1 means that
the subtraction failed; `is_credible` says so.

Watchers run in a process of their own, the voters in this one. Prints one JSON object; asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import uvloop
from measure import Node, node, origin, say, spent, tell

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
ACCEPT_PATIENCE_S = 60.0


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--watchers", type=int, default=5000)
    parser.add_argument("--voters", type=int, default=400)
    parser.add_argument("--rate", type=float, default=2000.0, help="casts a second where latency is measured")
    parser.add_argument("--push-rate", type=float, default=20.0, help="casts a second where a frame's cost is measured")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    raise_file_limit()
    origin_now = origin()
    with node() as server:
        measured = uvloop.run(_measure(server, arguments))
    say("floor")
    floor = uvloop.run(_floor(arguments.watchers, arguments.seconds, measured["frame_bytes_mean"]))
    floor_us = floor["cpu_us_per_send"]
    upper, lower = (measured[f"server_cpu_us_per_frame{bound}"] / floor_us for bound in ("", "_lower"))
    tell({
        "benchmark": "fanout",
        **origin_now,
        "settings": vars(arguments),
        "ratio_to_floor": round(upper, 3),
        "ratio_to_floor_lower": round(lower, 3),
        "is_credible": lower >= 1.0,
        **measured,
        "floor": floor,
    })  # fmt: skip


async def _measure(server: Node, arguments: argparse.Namespace) -> dict[str, Any]:
    http = HttpClient(server.url)
    try:
        shows = await fetch_shows(http, await http.open_shows())
    finally:
        await http.close()
    # The longest setlist: the largest frames a push can have here.
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
        say("idle")
        idle = await _votes(server, None, [], arguments.seconds)
        say("few votes, no watchers")
        baseline = await _votes(server, few, [], arguments.seconds)
        say("watchers connect")
        rss_before = server.server_rss_bytes()
        began_s = time.monotonic()
        await watchers.open()
        connect_s = time.monotonic() - began_s
        rss_bytes = server.server_rss_bytes() - rss_before
        say("few votes, all watchers")
        pushed = await _votes(server, few, [watchers], arguments.seconds)
        say("many votes, all watchers")
        busy = await _votes(server, many, [watchers], arguments.seconds)
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
        "idle": _told(idle),
        "few_votes_no_watchers": _told(baseline),
        "few_votes": _told(pushed),
        "many_votes": _told(busy),
    }


def _told(stretch: dict[str, Any]) -> dict[str, Any]:
    """One stretch as the report has it; of the watchers only where there were any."""
    results, seconds = stretch["results"], stretch["seconds"]
    told = {
        "votes_per_s": stretch["votes_per_s"],
        "acknowledgement_ms": stretch["acknowledgement_ms"],
        "cpu_cores_used": {name: round(value / seconds, 3) for name, value in stretch["cpu_s"].items()},
    }
    if len(results) > 1:
        watched = results[1]
        told["frames"] = watched["counts"]["frames"]
        told["frames_per_s_per_watcher_mean"] = round(watched["view_frames"] / max(1, watched["views"]) / seconds, 2)
        told["frames_per_s_per_watcher_max"] = watched["per_s_max"]
        told["last_watcher_ms"] = last_watcher(merged([one["counts"] for one in results]), results)
    return told


def _on_the_wire(payload_bytes: int) -> int:
    return payload_bytes + (2 if payload_bytes < 126 else 4)


async def _votes(
    server: Node, voters: LocalProcess | None, others: list[ChildProcess], seconds: float
) -> dict[str, Any]:
    """One measured stretch of voting; results of the voters first; without voters, the node is left alone."""
    processes: list[CrowdProcess] = [*([voters] if voters else []), *others]
    await asyncio.gather(*(process.start_casting() for process in processes))
    await asyncio.sleep(WARM_UP_S)
    await asyncio.gather(*(process.clear_counts() for process in processes))
    before, began_s = server.cpu_s(), time.monotonic()
    await asyncio.sleep(seconds)
    after, ended_s = server.cpu_s(), time.monotonic()
    counted = await asyncio.gather(*(process.result() for process in processes))
    await asyncio.gather(*(process.settle(SETTLE_S) for process in processes))
    # Pushes of the last casts arrive later; the counts are those of the measured stretch.
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
        async with asyncio.timeout(ACCEPT_PATIENCE_S + 2 * seconds):
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
