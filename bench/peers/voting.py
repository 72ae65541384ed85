"""One turn of one server with votes: committed votes a second, and the servers' CPU for each."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from measure import own_cpu_s, spent

from server.client.http import HttpClient
from server.load.counts import merged
from server.load.local_process import LocalProcess
from server.load.process import PollSpec, ProcessOptions
from server.load.requests import fetch_shows

from .server import MeasuredServer

IN_FLIGHT = 2  # unanswered casts allowed to a voter
WARM_UP_S = 2.0
SETTLE_S = 10.0
# For a server without shows of its own: as many as the sample data has.
SHOWS = 63
SONGS = 20
SEED = 1


def plain_polls() -> list[PollSpec]:
    """Shows for a server that has none."""
    return [PollSpec(show, [show * 100 + song for song in range(SONGS)], None) for show in range(1, SHOWS + 1)]


async def node_polls(url: str) -> list[PollSpec]:
    """The shows of a node that take votes, the one with the most songs first."""
    http = HttpClient(url)
    try:
        shows = list((await fetch_shows(http, await http.open_shows())).values())
    finally:
        await http.close()
    shows.sort(key=lambda show: (-len(show.tally()), show.id))
    return [
        PollSpec(show.id, [song.id for setlist in show.predicted() for song in setlist.songs], show.votes_per_user_max)
        for show in shows
    ]


async def measure_votes(server: MeasuredServer, polls: list[PollSpec], voters: int, seconds: float) -> dict[str, Any]:
    """Lets the voters vote as fast as their votes are acknowledged."""
    crowd = LocalProcess(ProcessOptions(server.url, polls, SEED, voters=voters, in_flight_max=IN_FLIGHT))
    try:
        await crowd.open()
        await crowd.start_casting()
        await asyncio.sleep(WARM_UP_S)
        await crowd.clear_counts()
        before, own_s, began_s = server.cpu_s(), own_cpu_s(), time.monotonic()
        await asyncio.sleep(seconds)
        cpu, own_s, took_s = spent(before, server.cpu_s()), own_cpu_s() - own_s, time.monotonic() - began_s
        counts = merged([(await crowd.result())["counts"]])
        await crowd.settle(SETTLE_S)
    finally:
        await crowd.close()
    votes = max(1, counts.committed)
    latency = counts.latency.summary()
    return {
        "votes_per_s": round(counts.committed / took_s, 1),
        "cpu_us_per_vote": round(sum(cpu.values()) / votes * 1e6, 2),
        **{f"{name}_us_per_vote": round(value / votes * 1e6, 2) for name, value in cpu.items()},
        "acknowledgement_p50_ms": latency["p50"],
        "acknowledgement_p99_ms": latency["p99"],
        "server_cores": round(sum(cpu.values()) / took_s, 3),
        "client_cores": round(own_s / took_s, 3),
        "errors": dict(counts.errors),
    }
