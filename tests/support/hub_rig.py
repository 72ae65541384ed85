"""A hub and its pusher, with transports that record and a clock that only moves when a test moves it."""

from __future__ import annotations

import asyncio
from typing import Any

from server.live.channel import Subscriber
from server.live.hub import Hub
from server.live.pusher import SLICE_SOCKETS, Pusher
from server.live.states import State
from server.live.watchers import WatcherCounts
from tests.support.clock import FakeClock
from tests.support.transport import RecordingTransport


class Watcher(Subscriber):
    """A subscriber with a transport that records."""

    __slots__ = ("wire",)

    def __init__(self) -> None:
        self.wire = RecordingTransport()
        super().__init__(self.wire)

    def pushes(self) -> list[dict[str, Any]]:
        """All pushes written to it."""
        return self.wire.messages()

    def positions(self) -> list[int]:
        """Their positions."""
        return [push["at"] for push in self.pushes()]


class Rig:
    """A running hub and its clock. states: by kind and subject, for the loader; loads: the loads so far."""

    def __init__(self, slice_sockets: int = SLICE_SOCKETS) -> None:
        self.clock = FakeClock()
        self.states: dict[tuple[str, int], State | Exception] = {}
        self.loads: list[tuple[str, int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.hub = Hub(self._load, WatcherCounts(), Pusher(self.clock, slice_sockets=slice_sockets), self.clock)

    async def _load(self, kind: str, subject: int) -> State | None:
        self.loads.append((kind, subject))
        state = self.states.get((kind, subject))
        await self.gate.wait()
        if isinstance(state, Exception):
            raise state
        return state

    async def settle(self) -> None:
        """Lets all tasks run as far as they can without time passing."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def pass_time(self, seconds: float) -> None:
        """Moves the clock on, from timer to timer."""
        await self.settle()
        end_s = self.clock.monotonic_s() + seconds
        while self.clock.next_timer_s <= end_s:
            self.clock.advance(max(0.0, self.clock.next_timer_s - self.clock.monotonic_s()))
            await self.settle()
        self.clock.advance(end_s - self.clock.monotonic_s())

    async def watch(self, watcher: Watcher, name: str = "votes:7") -> State:
        """Subscribes."""
        assert await self.hub.prepare([name], {}) == {}
        state = self.hub.join(watcher, name)
        assert state is not None
        return state

    def vote(self, at: int, *counts: tuple[int, int, int], after: int = 0) -> None:
        """Publishes new counts of show 7. Takes: after, the position that they follow; 0: they follow any."""
        self.hub.publish_tally(7, at, sum(up + down for _, up, down in counts), counts, after=after)

    def happen(self, at: int, previous_at: int) -> None:
        """Publishes the next event; its JSON is only its position."""
        self.hub.publish_activity((at, b"%d" % at), previous_at)
