"""What it costs the server to bring a vote to every watcher, against a bare `send()` loop in the same run.

    .venv/bin/python bench/fanout.py [--watchers 5000] [--rate 2000] [--seconds 15] [--seed 1]

1. A node; a crowd votes on one show at the given rate and nobody watches: the server's CPU without fan-out.
2. The same votes with all watchers on that show: what it costs more, divided by the frames they received.
3. The floor: the same watchers, frames of the same size, from a loop that does nothing but send.

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
from measure import Node, node, origin, say, spent, tell

from server.client.counts import merged
from server.client.crowd import raise_file_limit, run_loop
from server.client.part import Part, PartOptions, PollSpec
from server.client.processes import CrowdPart, RemotePart
from server.client.report import last_watcher
from server.client.web import Web

WARM_UP_S = 2.0
SETTLE_S = 10.0
ACCEPT_PATIENCE_S = 60.0


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--watchers", type=int, default=5000)
    parser.add_argument("--voters", type=int, default=400)
    parser.add_argument("--rate", type=float, default=2000.0, help="casts a second")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    raise_file_limit()
    origin_now = origin()
    with node() as server:
        measured = run_loop(_measure(server, arguments))
    say("floor")
    floor = run_loop(_floor(arguments.watchers, arguments.seconds, measured["frame_bytes_mean"]))
    net_us, floor_us = measured["server_cpu_us_per_frame"], floor["cpu_us_per_send"]
    tell({
        "benchmark": "fanout",
        **origin_now,
        "settings": vars(arguments),
        "ratio_to_floor": round(net_us / floor_us, 3),
        "ratio_to_floor_gross": round(measured["server_cpu_us_per_frame_gross"] / floor_us, 3),
        **measured,
        "floor": floor,
    })  # fmt: skip


async def _measure(server: Node, arguments: argparse.Namespace) -> dict[str, Any]:
    web = Web(server.url)
    try:
        shows = await web.shows(await web.open_shows())
    finally:
        await web.close()
    # The longest setlist: the largest frames a push can have here.
    show = max(shows.values(), key=lambda one: (len(one.tally()), -one.id))
    songs = [song.id for setlist in show.predicted() for song in setlist.songs]
    polls = [PollSpec(show.id, songs, show.votes_per_user_max)]
    voters = Part(
        PartOptions(
            server.url, polls, arguments.seed, voters=arguments.voters, rate_per_s=arguments.rate, in_flight_max=4
        )
    )
    watchers = RemotePart(PartOptions(server.url, polls, arguments.seed, watchers=arguments.watchers))
    try:
        await voters.open()
        say("votes without watchers")
        baseline = await _votes(server, voters, [], arguments.seconds)
        say("watchers connect")
        rss_before = server.server_rss_bytes()
        began_s = time.monotonic()
        await watchers.open()
        connect_s = time.monotonic() - began_s
        rss_bytes = server.server_rss_bytes() - rss_before
        say("votes with watchers")
        watched = await _votes(server, voters, [watchers], arguments.seconds)
    finally:
        await asyncio.gather(voters.close(), watchers.close())
    result, counts = watched["results"][1], watched["results"][1]["counts"]
    frames = max(1, counts["frames"])
    seconds = watched["seconds"]
    own, without = watched["cpu_s"], baseline["cpu_s"]
    # Both runs vote at the same rate; what differs besides is the pushes.
    net_s = own["server"] - without["server"] * seconds / baseline["seconds"]
    return {
        "show_songs": len(songs),
        "frames": counts["frames"],
        # A server's frame has 4 bytes of header from 126 bytes of payload on.
        "frame_bytes_mean": round(counts["frame_bytes"] / frames) + 4,
        "server_cpu_us_per_frame": round(net_s / frames * 1e6, 3),
        "server_cpu_us_per_frame_gross": round(own["server"] / frames * 1e6, 3),
        "frames_per_s_per_watcher_mean": round(result["view_frames"] / max(1, result["views"]) / seconds, 2),
        "frames_per_s_per_watcher_max": result["per_s_max"],
        "last_watcher_ms": last_watcher(merged([one["counts"] for one in watched["results"]]), watched["results"]),
        "acknowledgement_ms": watched["acknowledgement_ms"],
        "votes_per_s": watched["votes_per_s"],
        "connected": result["connected"],
        "connects_per_s": round(arguments.watchers / connect_s, 1),
        "server_memory_bytes_per_connection": round(rss_bytes / max(1, arguments.watchers)),
        "cpu_cores_used": {name: round(value / seconds, 3) for name, value in own.items()},
        "baseline": {
            "votes_per_s": baseline["votes_per_s"],
            "acknowledgement_ms": baseline["acknowledgement_ms"],
            "cpu_cores_used": {
                name: round(value / baseline["seconds"], 3) for name, value in baseline["cpu_s"].items()
            },
        },
    }


async def _votes(server: Node, voters: Part, others: list[RemotePart], seconds: float) -> dict[str, Any]:
    """One measured stretch of voting; results of the voters first."""
    parts: list[CrowdPart] = [voters, *others]
    await asyncio.gather(*(part.begin() for part in parts))
    await asyncio.sleep(WARM_UP_S)
    await asyncio.gather(*(part.warmed_up() for part in parts))
    before, began_s = server.cpu_s(), time.monotonic()
    await asyncio.sleep(seconds)
    after, ended_s = server.cpu_s(), time.monotonic()
    counted = await asyncio.gather(*(part.result() for part in parts))
    await asyncio.gather(*(part.settle(SETTLE_S) for part in parts))
    # Pushes of the last casts arrive later; the counts are those of the measured stretch.
    reached = await asyncio.gather(*(part.result() for part in parts))
    results = [one | {"timelines": later["timelines"]} for one, later in zip(counted, reached, strict=True)]
    counts = merged([results[0]["counts"]])
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
    readers = RemotePart(PartOptions(f"http://127.0.0.1:{port}", [PollSpec(1, [1], None)], 1, watchers=watchers))
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
