"""A hub and its pusher, with transports that record and a clock that only moves when a test moves it."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, ClassVar

from server.live.channel import Subscriber
from server.live.hub import Hub
from server.live.pusher import SLICE_SOCKETS, Pusher
from server.live.seating import Seating
from server.live.states import State
from server.live.watchers import WatcherCounts
from tests.support.clock import FakeClock
from tests.support.transport import RecordingTransport, whole_frames


class SocketTransport(RecordingTransport):
    """Writes to a real socket, and records what its peer reads. on_backed_up: called before bytes wait in it."""

    def __init__(self) -> None:
        super().__init__()
        self.ours, self.theirs = socket.socketpair()
        for end in (self.ours, self.theirs):
            end.setblocking(False)
        self._read = bytearray()
        self._taken: list[bytes] = []

    @property
    def frames(self) -> list[bytes]:
        """All whole frames that the peer has read."""
        while True:
            try:
                part = self.theirs.recv(1 << 16)
            except BlockingIOError:
                break
            if not part:
                break
            self._read += part
        frames = whole_frames(bytes(self._read))
        del self._read[: sum(map(len, frames))]
        self._taken += frames
        return self._taken

    @frames.setter
    def frames(self, frames: list[bytes]) -> None:
        self._taken = frames

    def write(self, data: bytes) -> None:
        """Sends at once."""
        assert not self.end, "written to after closing"
        assert self.ours.send(data) == len(data)

    def release(self) -> None:
        """Closes both ends."""
        self.ours.close()
        self.theirs.close()


class Watcher(Subscriber):
    """A subscriber with a transport that records. pusher: of a rig whose watchers have seats."""

    __slots__ = ("wire",)

    pusher: ClassVar[Pusher | None] = None
    with_sockets: ClassVar[list[SocketTransport]] = []

    def __init__(self) -> None:
        if Watcher.pusher is None:
            self.wire = RecordingTransport()
            super().__init__(self.wire)
        else:
            self.wire = connected = SocketTransport()
            Watcher.with_sockets.append(connected)
            super().__init__(connected, connected.ours.fileno())

    def back_up(self, waiting_bytes: int) -> None:
        """Lets bytes wait in its transport, or none any more."""
        if Watcher.pusher is not None:
            Watcher.pusher.serve_alone(self)
        self.wire.backed_up = waiting_bytes

    def close(self) -> None:
        """Closes, as a node does that has sent a close frame."""
        self.back_up(0)
        self.wire.close()

    def pushes(self) -> list[dict[str, Any]]:
        """All pushes written to it."""
        return self.wire.messages()

    def positions(self) -> list[int]:
        """Their positions."""
        return [push["at"] for push in self.pushes()]


class Rig:
    """A running hub and its clock. states: by kind and subject, for the loader; loads: the loads so far.

    seating: its watchers have seats whenever they may; None: they are served one by one
    """

    def __init__(self, slice_sockets: int = SLICE_SOCKETS, seating: Seating | None = None) -> None:
        self.clock = FakeClock()
        self.states: dict[tuple[str, int], State | Exception] = {}
        self.loads: list[tuple[str, int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.seating = seating
        self.pusher = Pusher(self.clock, seating=seating, slice_sockets=slice_sockets)
        self.hub = Hub(self._load, WatcherCounts(), self.pusher, self.clock)

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
        may_sit = watcher.descriptor >= 0 and not watcher.wire.backed_up and not watcher.behind_count
        if self.seating is not None and may_sit:
            self.seating.seat(watcher)
        return state

    async def half_pushed(self) -> list[Watcher]:
        """Six watchers, and a push at 101 that has reached the first slice of them."""
        watchers = [Watcher() for _ in range(6)]
        for watcher in watchers:
            await self.watch(watcher)
        self.vote(101, (1, 1, 0))
        while not any(watcher.wire.frames for watcher in watchers):
            await asyncio.sleep(0)
        return watchers

    def vote(self, at: int, *counts: tuple[int, int, int], after: int = 0) -> None:
        """Publishes new counts of show 7. Takes: after, the position that they follow; 0: they follow any."""
        self.hub.publish_tally(7, at, sum(up + down for _, up, down in counts), counts, after=after)

    def happen(self, at: int, previous_at: int) -> None:
        """Publishes the next event; its JSON is only its position."""
        self.hub.publish_activity((at, b"%d" % at), previous_at)
