"""Measures upgrades in place: what the clients of a node notice while a new process takes its sockets over, and back again.

    .venv/bin/python bench/upgrade.py [--connections 10000] [--voters 50] [--votes-per-s 5] [--upgrades 2] [--workers 1]

Every client watches the votes and the status of one show. The voters cast all the time, each on a websocket of its own, and wait
for each answer. An upgrade of the same version to itself takes the way that an upgrade to another one takes, and the way back.

It prints one JSON object: for each upgrade the sockets that closed, the longest time between two pushes that any client saw
(beside it the same in calm), and the longest wait for an answer to a cast; at the end, whether each cast was answered once and the
rows hold each voter's last choice. It asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import orjson
import uvloop
from measure import Node, data_folder, log_step, print_result, run_facts
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from server.cli.terminal import raise_file_limit
from server.client.http import HttpClient
from server.client.websocket import websocket_url
from server.client.wire import SUBPROTOCOL
from server.load.requests import fetch_shows
from server.node.upgrades import RunFile, ask_for_upgrade, running_nodes

PER_ADDRESS = 1_000
AT_ONCE = 200
PATIENCE_S = 120.0
SPARE_FILES = 500
CALM_S = 5.0


def main() -> None:
    """Measures and prints the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--voters", type=int, default=50)
    parser.add_argument("--votes-per-s", type=float, default=5.0)
    parser.add_argument("--upgrades", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    raise_file_limit(arguments.connections + arguments.voters + SPARE_FILES)
    facts = run_facts()
    with data_folder() as folder:
        server = Node(folder, "--demo", "--workers", str(arguments.workers))
        try:
            measured = uvloop.run(_measure(server, folder, arguments))
        finally:
            server.stop()
    print_result({"benchmark": "upgrade", **facts, "settings": vars(arguments), **measured})


class Watcher(WSListener):
    """One client. longest_s: the longest time between two pushes since `forget`."""

    __slots__ = ("_channels", "_pushed_s", "_ready", "_transport", "is_closed", "longest_s")

    def __init__(self, channels: list[str]) -> None:
        self._channels = channels
        self._ready: asyncio.Future[None] | None = None
        self._transport: WSTransport | None = None
        self._pushed_s = 0.0
        self.longest_s = 0.0
        self.is_closed = False

    async def open(self, url: str, address: str) -> None:
        """Connects; returns when it has the states."""
        self._ready = asyncio.get_running_loop().create_future()
        self._transport, _ = await ws_connect(
            lambda: self, url, extra_headers={"Sec-WebSocket-Protocol": SUBPROTOCOL}, local_addr=(address, 0),
            websocket_handshake_timeout=PATIENCE_S,
        )  # fmt: skip
        self._transport.send(WSMsgType.TEXT, orjson.dumps({"id": 1, "op": "subscribe", "channels": self._channels}))
        await self._ready

    def forget(self) -> None:
        """Begins to measure."""
        self._pushed_s = time.monotonic()
        self.longest_s = 0.0

    def waits_s(self) -> float:
        """The longest time between two pushes, or since the last one."""
        return max(self.longest_s, time.monotonic() - self._pushed_s)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Takes pushes of votes."""
        if frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
            return
        if frame.msg_type == WSMsgType.CLOSE:
            self.is_closed = True
            return
        payload = frame.get_payload_as_bytes()
        if self._ready is not None:
            self._ready.set_result(None)
            self._ready = None
        elif payload.startswith(b'{"ch":"votes'):
            now_s = time.monotonic()
            self.longest_s = max(self.longest_s, now_s - self._pushed_s)
            self._pushed_s = now_s

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        """Counts."""
        self.is_closed = True


class Voter:
    """Casts one vote after another. last: its last acknowledged choice; twice: answers that came more than once."""

    def __init__(self, show: int, song: int, token: str) -> None:
        self._show, self._song, self._token = show, song, token
        self.last = ""
        self.cast_count = self.answer_count = self.twice = 0
        self.longest_s = 0.0
        self.is_closed = False

    async def run(self, url: str, every_s: float, stop: asyncio.Event) -> None:
        """Votes until it is told to stop."""
        async with aiohttp.ClientSession() as http, http.ws_connect(url, protocols=[SUBPROTOCOL]) as socket:
            await socket.send_json({"id": 0, "op": "hello", "token": self._token})
            await socket.receive_json()
            answered: set[int] = set()
            while not stop.is_set():
                self.cast_count += 1
                choice = ("up", "down")[self.cast_count % 2]
                votes = [[self._song, choice]]
                request = {"id": self.cast_count, "op": "cast", "show": self._show, "votes": votes}
                began_s = time.monotonic()
                await socket.send_json(request)
                while self.cast_count not in answered:
                    message = await socket.receive()
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        self.is_closed = True
                        return
                    reply = orjson.loads(message.data)
                    if "re" not in reply:
                        continue
                    self.twice += reply["re"] in answered
                    answered.add(reply["re"])
                    if "ok" in reply:
                        self.answer_count += 1
                        self.last = choice
                self.longest_s = max(self.longest_s, time.monotonic() - began_s)
                await asyncio.sleep(every_s)


async def _measure(server: Node, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    url = websocket_url(server.url)
    http = HttpClient(server.url)
    try:
        shows = (await fetch_shows(http, await http.open_shows())).values()
    finally:
        await http.close()
    # A song that was played takes no votes any more.
    show, song = next((show, song.id) for show in shows for song in show.predicted()[0].songs if song.played_at is None)
    watchers = [Watcher([f"votes:{show.id}", f"status:{show.id}"]) for _ in range(arguments.connections)]
    log_step("all clients connect")
    opening = asyncio.Semaphore(AT_ONCE)

    async def open_one(number: int, watcher: Watcher) -> None:
        async with opening:
            await watcher.open(url, f"127.77.0.{1 + number // PER_ADDRESS}")

    await asyncio.gather(*(open_one(number, watcher) for number, watcher in enumerate(watchers)))
    tokens = {}
    async with aiohttp.ClientSession(server.url) as session:
        for _ in range(arguments.voters):
            async with session.post("/api/session", cookies={}) as response:
                answer = await response.json()
            session.cookie_jar.clear()
            tokens[answer["user"]["id"]] = answer["token"]
    voters = {user: Voter(show.id, song, token) for user, token in tokens.items()}
    stop = asyncio.Event()
    every_s = arguments.voters / arguments.votes_per_s
    async with asyncio.TaskGroup() as tasks:
        for voter in voters.values():
            tasks.create_task(voter.run(url, every_s, stop))
            await asyncio.sleep(every_s / arguments.voters)
        log_step("calm")
        calm = await _watch(watchers, list(voters.values()), asyncio.sleep(CALM_S))
        upgrades = []
        for number in range(arguments.upgrades):
            log_step(f"upgrade {number + 1}")
            [node] = running_nodes(folder)
            upgrades.append(await _watch(watchers, list(voters.values()), _upgrade(folder, node)))
        stop.set()
    lost = sum(voter.cast_count - voter.answer_count for voter in voters.values())
    return {
        "calm": calm,
        "upgrades": upgrades,
        "casts": sum(voter.cast_count for voter in voters.values()),
        "casts_without_an_answer": lost,
        "casts_answered_twice": sum(voter.twice for voter in voters.values()),
        "rows_that_differ": await _differences(folder, song, voters),
    }


async def _upgrade(folder: Path, node: RunFile) -> dict[str, Any]:
    began_s = time.monotonic()
    after = await ask_for_upgrade(folder, node)
    command_s = time.monotonic() - began_s
    # The last sockets get their first push.
    await asyncio.sleep(2.0)
    return {
        "with_start_s": round(command_s, 2),
        "hand_over_s": sum(one.took_s for one in after.last),
        "moved": sum(one.moved_count for one in after.last),
        "drained": sum(one.drained_count for one in after.last),
        "reason": after.last[-1].reason,
    }


async def _watch(watchers: list[Watcher], voters: list[Voter], meanwhile: Any) -> dict[str, Any]:
    """What the clients notice meanwhile."""
    clients: list[Watcher | Voter] = [*watchers, *voters]
    closed_before = sum(one.is_closed for one in clients)
    for watcher in watchers:
        watcher.forget()
    for voter in voters:
        voter.longest_s = 0.0
    found = await meanwhile
    waits_ms = sorted(round(watcher.waits_s() * 1000) for watcher in watchers)
    return {
        **(found or {}),
        "closed": sum(one.is_closed for one in clients) - closed_before,
        "push_gap_ms": {
            "median": statistics.median(waits_ms), "p99": waits_ms[len(waits_ms) * 99 // 100], "longest": waits_ms[-1],
        },
        "longest_answer_ms": round(max(voter.longest_s for voter in voters) * 1000),
    }  # fmt: skip


async def _differences(folder: Path, song: int, voters: dict[int, Voter]) -> int:
    database = await asyncpg.connect(orjson.loads((folder / "engines.json").read_bytes())["database_url"])
    try:
        rows = await database.fetch(
            "select user_id, choice::text from votes where setlist_song_id = $1 and user_id = any ($2)",
            song,
            list(voters),
        )
        counted = await database.fetchrow(
            "select up_count, down_count, count(*) filter (where v.choice = 'up') as ups,"
            " count(*) filter (where v.choice = 'down') as downs"
            "  from setlist_songs s join votes v on v.setlist_song_id = s.id where s.id = $1 group by s.id",
            song,
        )
    finally:
        await database.close()
    held = {row["user_id"]: row["choice"] for row in rows}
    assert counted is not None
    differing = [user for user, voter in voters.items() if held.get(user) != voter.last]
    is_counted = (counted["up_count"], counted["down_count"]) == (counted["ups"], counted["downs"])
    return len(differing) + (not is_counted)


if __name__ == "__main__":
    main()
