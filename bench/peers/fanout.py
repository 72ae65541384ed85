"""One turn of one server with pushes: memory of a connection, CPU of a delivered frame, time until the last watcher has it."""

from __future__ import annotations

import asyncio
import re
import statistics
import sys
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import orjson
from clients import BenchClient, Dialect, open_all
from measure import ROOT, own_cpu_s, spent

from server.load.local_process import LocalProcess

from .known import FLOOR_DIALECT
from .server import MeasuredServer, ServerFailed, pinned

PUSHES_PER_S = 10
PAYLOAD_BYTES = 90
AT_ONCE = 100  # connections that open at the same time
SETTLE_S = 0.3
IDLE_S = 1.0
WARM_UP_S = 0.6
QUIET_S = 0.25  # so long without a frame: the last push has arrived
GRACE_S = 3.0
DELIVERY_TIMEOUT_S = 10.0
_POLL_S = 0.005
_NUMBER = re.compile(rb'"(?:n|at)":(\d+)')

now_s = time.monotonic


@dataclass(frozen=True, slots=True)
class Turn:
    """The settings of a turn. network: the first three numbers of the clients' addresses, which no other turn has."""

    watchers: int
    seconds: float
    network: str


class Arrival:
    """One push: how many watchers have it, and when the first and the last got it [monotonic s]."""

    __slots__ = ("count", "first_s", "last_s", "number", "payload_bytes")

    def __init__(self, number: int, payload_bytes: int) -> None:
        self.number = number
        self.payload_bytes = payload_bytes
        self.count = 0
        self.first_s = self.last_s = now_s()


class Arrivals:
    """The pushes that arrive at all watchers. A push is the same text for all of them, so only its first frame is read."""

    def __init__(self) -> None:
        self._by_number: dict[int, Arrival] = {}
        self._by_payload: dict[
            bytes, list[Arrival]
        ] = {}  # a server that is behind may put several pushes into one frame

    def take(self, payload: bytes) -> None:
        """Counts one frame."""
        arrived = self._by_payload.get(payload)
        if arrived is None:
            arrived = self._by_payload[payload] = self._read(payload)
        for arrival in arrived:
            arrival.count += 1
            arrival.last_s = now_s()

    def _read(self, payload: bytes) -> list[Arrival]:
        numbers = [int(found) for found in _NUMBER.findall(payload)]
        return [
            self._by_number.setdefault(number, Arrival(number, round(len(payload) / len(numbers))))
            for number in numbers
        ]

    def last(self) -> int:
        """The number of the last push so far."""
        return max(self._by_number, default=0)

    def frames(self) -> int:
        """All pushes that arrived so far, each as often as it arrived."""
        return sum(one.count for one in self._by_number.values())

    def count(self, number: int) -> int:
        """The watchers that have this push."""
        arrival = self._by_number.get(number)
        return arrival.count if arrival is not None else 0

    def after(self, number: int) -> list[Arrival]:
        """The pushes after this one, in their order."""
        return sorted((one for one in self._by_number.values() if one.number > number), key=lambda one: one.number)


class Watcher(BenchClient):
    """One of the clients."""

    __slots__ = ("on_push",)

    def __init__(self, dialect: Dialect, arrivals: Arrivals) -> None:
        super().__init__(dialect)
        self.on_push = arrivals.take  # type: ignore[method-assign]  # one call less for each frame


class Pusher(Protocol):
    """What makes a server push."""

    async def start(self) -> None:
        """Starts."""

    async def clear(self) -> int:
        """Forgets what was published so far; gives the number of the last push, if it knows."""

    async def stop(self) -> None:
        """Ends."""

    async def published(self) -> list[tuple[int, float]]:
        """Number of the push, and when it was published [monotonic s]."""


class LinePusher:
    """Publishes PAYLOAD_BYTES bytes, PUSHES_PER_S times a second, but never before all watchers have the push before.

    So a server that is too slow is measured at its own pace, and not with a queue that only grows.
    """

    def __init__(self, server: MeasuredServer, arrivals: Arrivals, watchers: int) -> None:
        self._server = server
        self._arrivals = arrivals
        self._watchers = watchers
        self._number = 0
        self._published: list[tuple[int, float]] = []
        self._is_pushing = False
        self._pushing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts."""
        self._is_pushing = True
        self._pushing = asyncio.create_task(self._push())

    async def _push(self) -> None:
        while self._is_pushing:
            self._number += 1
            began_s = now_s()
            self._published.append((self._number, began_s))
            await self._server.publish(payload(self._number))
            until_s = began_s + DELIVERY_TIMEOUT_S
            # Polled: an event would cost a comparison for every frame.
            while self._arrivals.count(self._number) < self._watchers and now_s() < until_s:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_S)
            await asyncio.sleep(max(0.0, began_s + 1 / PUSHES_PER_S - now_s()))

    async def clear(self) -> int:
        """Forgets what was published so far, when everybody has it."""
        await self.stop()
        self._published.clear()
        await self.start()
        return self._number

    async def stop(self) -> None:
        """Ends when everybody has the last push."""
        self._is_pushing = False
        if self._pushing is not None:
            await self._pushing

    async def published(self) -> list[tuple[int, float]]:
        """What was published."""
        return self._published


class VotePusher:
    """Lets voters vote, which makes MySetlist push. A push is "published" when the vote that it shows was cast."""

    def __init__(self, voters: LocalProcess) -> None:
        self._voters = voters

    async def start(self) -> None:
        """Starts."""
        await self._voters.start_casting()

    async def clear(self) -> int:
        """Forgets the votes so far."""
        await self._voters.clear_counts()
        return 0

    async def stop(self) -> None:
        """Ends."""
        await self._voters.settle(GRACE_S)

    async def published(self) -> list[tuple[int, float]]:
        """The position of each vote, and when it was cast."""
        samples = (await self._voters.result())["counts"]["samples"]
        return [(position, sent_s) for _, position, sent_s in samples]


def payload(number: int) -> bytes:
    """A JSON object of PAYLOAD_BYTES bytes."""
    head = b'{"n":%d,"text":"' % number
    return head + b"x" * (PAYLOAD_BYTES - len(head) - 2) + b'"}'


async def cores_without_watchers(server: MeasuredServer, pusher: Pusher, seconds: float) -> float:
    """The cores that a server uses for what makes it push, while nobody watches."""
    await pusher.start()
    await asyncio.sleep(WARM_UP_S)
    before, began_s = server.cpu_s(), now_s()
    await asyncio.sleep(seconds)
    cores = spent(before, server.cpu_s())["server"] / (now_s() - began_s)
    await pusher.stop()
    return cores


async def measure_fanout(
    server: MeasuredServer,
    dialect: Dialect,
    pusher: Pusher,
    arrivals: Arrivals,
    turn: Turn,
    *,
    without_watchers: float | None = None,
) -> dict[str, Any]:
    """Connects the watchers, pushes, and takes the figures of this turn.

    Takes:  without_watchers, what `cores_without_watchers` gave
    Raises: ServerFailed: no push arrived
    """
    clients = [Watcher(dialect, arrivals) for _ in range(turn.watchers)]
    memory_before = server.memory_bytes()
    try:
        connect_s = await open_all(clients, server.url, AT_ONCE, turn.network)
        await asyncio.sleep(SETTLE_S)
        memory_bytes = server.memory_bytes() - memory_before
        before, began_s = server.cpu_s(), now_s()
        await asyncio.sleep(IDLE_S)
        idle = {name: value / (now_s() - began_s) for name, value in spent(before, server.cpu_s()).items()}
        await pusher.start()
        await asyncio.sleep(WARM_UP_S)
        # Late frames of a push before are counted, but it is not timed.
        first, frames = max(await pusher.clear(), arrivals.last()), arrivals.frames()
        before, began_s, own_s = server.cpu_s(), now_s(), own_cpu_s()
        await asyncio.sleep(turn.seconds)
        await pusher.stop()
        await _wait_quiet(arrivals)
        cpu, seconds, own_s = spent(before, server.cpu_s()), now_s() - began_s, own_cpu_s() - own_s
    finally:
        for client in clients:
            client.close()
    frames = arrivals.frames() - frames
    if not arrivals.after(first):
        raise ServerFailed(f"no push reached a watcher within {seconds:.0f} s")
    lower = {}
    if without_watchers is not None:
        # Pushes last as long as the measurement; the wait for the last ones has no votes.
        lower["cpu_us_per_frame_lower"] = round(
            (cpu["server"] - without_watchers * turn.seconds - idle["server"] * (seconds - turn.seconds))
            / frames
            * 1e6,
            3,
        )
    return {
        "cpu_us_per_frame": round((cpu["server"] - idle["server"] * seconds) / frames * 1e6, 3),
        "cpu_us_per_frame_gross": round(cpu["server"] / frames * 1e6, 3),
        **lower,
        "engines_us_per_frame": round((cpu["postgres"] + cpu["valkey"]) / frames * 1e6, 3),
        "idle_cores": round(sum(idle.values()), 4),
        "client_cores": round(own_s / seconds, 3),
        "memory_bytes_per_connection": round(memory_bytes / turn.watchers),
        "connects_per_s": round(turn.watchers / connect_s),
        "frames": frames,
        **_timing(arrivals.after(first), await pusher.published(), turn),
    }


async def _wait_quiet(arrivals: Arrivals) -> None:
    until_s = now_s() + GRACE_S
    frames = -1
    while frames != arrivals.frames() and now_s() < until_s:
        frames = arrivals.frames()
        await asyncio.sleep(QUIET_S)


def _timing(pushes: Sequence[Arrival], published: Sequence[tuple[int, float]], turn: Turn) -> dict[str, Any]:
    """The times of the pushes that reached all watchers, from their publishing and from their first watcher."""
    if not pushes:
        return {"pushes_per_s": 0.0, "payload_bytes": 0, "delivered": 0.0, "last_watcher_ms": None, "spread_ms": None}
    whole = [one for one in pushes if one.count == turn.watchers]
    numbers = [one.number for one in whole]
    # A push that somebody skipped is reached with the next one.
    places = ((bisect_left(numbers, number), at_s) for number, at_s in published)
    last_ms = [(whole[place].last_s - at_s) * 1000 for place, at_s in places if place < len(whole)]
    # A server so slow that one push takes the whole time: the next would begin when the last watcher has it.
    gaps_s = [after.first_s - one.first_s for one, after in pairwise(pushes)] or [one / 1000 for one in last_ms]
    return {
        "pushes_per_s": round(1 / statistics.mean(gaps_s), 1) if gaps_s else 0.0,
        "payload_bytes": round(statistics.mean(one.payload_bytes for one in pushes)),
        "delivered": round(sum(one.count for one in pushes) / len(pushes) / turn.watchers, 4),
        "last_watcher_ms": round(statistics.median(last_ms), 1) if last_ms else None,
        "spread_ms": round(statistics.median((one.last_s - one.first_s) * 1000 for one in whole), 1) if whole else None,
    }


async def measure_floor(core: int, turn: Turn) -> dict[str, Any]:
    """The floor of this round: a `send()` loop to the same watchers, ten times a second (bench/floor.py)."""
    arrivals = Arrivals()
    with pinned(core):
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(ROOT / "bench" / "floor.py"), str(turn.watchers), str(turn.seconds), str(PAYLOAD_BYTES + 2),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
    assert process.stdout is not None
    clients = [Watcher(FLOOR_DIALECT, arrivals) for _ in range(turn.watchers)]
    try:
        port = int(await process.stdout.readline())
        await open_all(clients, f"http://127.0.0.1:{port}", AT_ONCE, turn.network)
        measured = orjson.loads(await process.stdout.read())
        await _wait_quiet(arrivals)
    finally:
        for client in clients:
            client.close()
        if process.returncode is None:
            process.terminate()
        await process.wait()
    timing = _timing(arrivals.after(0), [], turn)
    return {
        "language": measured["language"],
        "cpu_us_per_frame": measured["cpu_us_per_send"],
        "frames": measured["sends"],
        **timing,
    }
