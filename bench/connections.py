"""Measures many connections on one process: their rate and cost when they open, and the time until all have reconnected.

    .venv/bin/python bench/connections.py [--connections 20000] [--at-once 200]

1. All clients connect and subscribe to four channels: connections a second, counted when they have the states; memory of each.
2. Votes are cast: the number of clients that get the final tally, and the time after the last answer.
3. All connections are cut, and all clients reconnect at once: the time until the last one has its states, and the number of
   PostgreSQL's queries meanwhile.

The clients use many addresses of 127.0.0.0/8, and new ones for step 3: when thousands of ports of one address are taken, or
were closed within the last minute, the kernel searches longer for a free port than the node works. bench/fanout.py measures
the time of a vote to the last of 5,000 watchers. This script prints one JSON object and asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import time
from collections.abc import Sequence
from typing import Any

import aiohttp
import asyncpg
import orjson
import uvloop
from clients import PATIENCE_S, BenchClient, Dialect, open_all
from measure import Node, log_step, node, own_cpu_s, print_result, run_facts, spent

from server.cli.terminal import raise_file_limit
from server.client.http import HttpClient
from server.client.wire import SUBPROTOCOL
from server.load.requests import fetch_shows

SPARE_FILES = 2_000
IDLE_S = 5.0  # measures the queries of the node's own loops
_AT = re.compile(rb'"at":(\d+)')


def main() -> None:
    """Measures and prints the result."""
    arguments = parse()
    raise_file_limit(arguments.connections + SPARE_FILES)
    facts = run_facts()
    with node() as server:
        measured = uvloop.run(measure(server, arguments))
    print_result({"benchmark": "connections", **facts, "settings": vars(arguments), **measured})


def parse(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The options; without `given` those of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=20_000)
    parser.add_argument("--at-once", type=int, default=200, help="connections that open at the same time")
    return parser.parse_args(given)


class TallyClient(BenchClient):
    """A client that keeps the position of its first channel."""

    __slots__ = ("_channels", "_pushed", "at")

    def __init__(self, channels: list[str]) -> None:
        subscribe = orjson.dumps({"id": 1, "op": "subscribe", "channels": channels})
        super().__init__(Dialect("/ws", SUBPROTOCOL, ((subscribe, b'{"re":'),)))
        self._channels = channels
        self._pushed = b'{"ch":"%b"' % channels[0].encode()
        self.at = 0

    def on_open(self, answer: bytes) -> None:
        """Takes the states of its channels."""
        states = orjson.loads(answer)["ok"]["channels"]
        assert all("state" in states[name] for name in self._channels), states
        self.at = states[self._channels[0]]["at"]

    def on_push(self, payload: bytes) -> None:
        """Takes a push."""
        if payload.startswith(self._pushed):
            found = _AT.search(payload)
            assert found is not None
            self.at = int(found[1])


async def measure(server: Node, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measures all three steps."""
    http = HttpClient(server.url)
    database = await asyncpg.connect(server.database_url())
    try:
        shows = list((await fetch_shows(http, await http.open_shows())).values())
        # A song that was played takes no votes any more.
        unplayed = ((show, song.id) for show in shows for song in show.predicted()[0].songs if song.played_at is None)
        show, song = next(unplayed)
        other = next(one for one in shows if one is not show)
        channels = [f"votes:{show.id}", f"status:{show.id}", f"setlist:{show.id}", f"votes:{other.id}"]
        clients = [TallyClient(channels) for _ in range(arguments.connections)]
        memory_before, cpu_before, own_before_s = _memory(server), server.cpu_s(), own_cpu_s()
        log_step("all clients connect")
        network = f"127.{1 + os.getpid() % 250}"
        accept_s = await open_all(clients, server.url, arguments.at_once, f"{network}.1")
        cpu = spent(cpu_before, server.cpu_s())
        memory = {name: value - memory_before[name] for name, value in _memory(server).items()}
        client_cpu_s = own_cpu_s() - own_before_s
        log_step("votes are cast")
        final_count, final_s = await _final_tally(server.url, show.id, song, clients)
        log_step("idle")
        before = await _queries(database)
        await asyncio.sleep(IDLE_S)
        idle_per_s = (await _queries(database) - before) / IDLE_S
        log_step("all connections are cut; all clients reconnect")
        before = await _queries(database)
        for client in clients:
            client.close()
        herd_s = await open_all(clients, server.url, arguments.at_once, f"{network}.2")
        herd_queries = await _queries(database) - before
    finally:
        await database.close()
        await http.close()
    count = arguments.connections
    return {
        "accept_per_s": round(count / accept_s, 1),
        "accept_cpu_us": {"server": round(cpu["server"] / count * 1e6), "client": round(client_cpu_s / count * 1e6)},
        "memory_bytes_per_connection": {name: round(value / count) for name, value in memory.items()},
        "with_final_tally": final_count,
        "final_tally_ms": round(final_s * 1000, 1),
        "herd_return_s": round(herd_s, 2),
        "herd_queries": herd_queries,
        "herd_queries_of_idle_loops": round(idle_per_s * herd_s),
    }


async def _final_tally(url: str, show: int, song: int, clients: list[TallyClient]) -> tuple[int, float]:
    """Casts three votes. Gives the number of clients that reach the last one's position, and the time they take [s]."""
    async with aiohttp.ClientSession(url) as http:
        at = 0
        for choice in ("up", "down", "up"):
            async with http.post("/api/session") as response:
                token = (await response.json())["token"]
            headers = {"Authorization": f"Bearer {token}"}
            body = {"votes": [[song, choice]]}
            async with http.post(f"/api/shows/{show}/votes", json=body, headers=headers) as response:
                at = (await response.json())["at"]
    answered_s = time.monotonic()
    # Polled, not signalled: this waits once, for thousands of clients.
    while (waiting := sum(client.at < at for client in clients)) and time.monotonic() < answered_s + PATIENCE_S:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return len(clients) - waiting, time.monotonic() - answered_s


async def _queries(database: Any) -> int:
    count: int = await database.fetchval(
        "select coalesce(sum(calls), 0)::bigint from pg_stat_statements"
        " where dbid = (select oid from pg_database where datname = current_database())"
    )
    return count


def _memory(server: Node) -> dict[str, int]:
    """The memory of the server process: resident, and unique to it."""
    return {"rss": server.server_rss_bytes(), "uss": server.process.memory_full_info().uss}


if __name__ == "__main__":
    main()
