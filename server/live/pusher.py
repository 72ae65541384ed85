"""pusher: sends the changes of channels to thousands of sockets, conflated.

Owns:      channels that are due, counts of the frames sent
Threads:   event loop only
Limits:    PUSH_INTERVAL_S, SLICE_SOCKETS, BUFFER_BYTES_MAX (docs/limits.md)
Never:     awaits a socket, builds a frame twice

Subscribers with a seat (seating.py) come first: the kernel sends their frames in bulk. All others follow, one by one.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections import deque

from server.clock import Clock
from server.live.channel import Channel, Cohort, Subscriber, WireFormat
from server.live.seating import Seating
from server.protocol.limits import DEFAULT_LIMITS
from server.telemetry import FRAMES, FRAMES_SKIPPED, PUSH_LAG_SECONDS
from server.tracing import Traces

# A little more than a tenth of a second, so that no stretch of one second ever has eleven pushes.
PUSH_INTERVAL_S = 0.105
# Sockets written in a row before casts and other work get their turn: 2 to 4 ms. At most io_uring.ENTRIES_MAX.
SLICE_SOCKETS = 512
# A socket with more than this waiting in its buffer is behind: it skips states until it has caught up.
BUFFER_BYTES_MAX = DEFAULT_LIMITS.send_buffer_bytes
LAGS_KEPT_MAX = 10_000

# The kernel has sent nothing and might have later: the transport gets the frame. After any other error the peer is gone.
_NOT_NOW = frozenset({-errno.EAGAIN, -errno.EINTR, -errno.ENOBUFS, -errno.ENOMEM, -errno.EBUSY})


class Push:
    """One push of one channel: the frames, each built when the first subscriber gets it."""

    def __init__(self, channel: Channel) -> None:
        state = channel.state
        assert state is not None
        self.channel = channel
        self.at = state.at
        self.change = state.change() if channel.is_changed else None
        self.whole: bytes | None = None  # for subscribers that are behind, if there are any
        self._frames: dict[tuple[WireFormat, bytes], bytes] = {}
        self.committed_ms, channel.committed_ms = channel.committed_ms, 0

    def change_frame(self, wire: WireFormat) -> bytes:
        """The frame for subscribers that have every push so far."""
        return b"" if self.change is None else self._frame(wire, self.change)

    def frame_for(self, subscriber: Subscriber) -> bytes:
        """What a subscriber gets; nothing if it has the state already. One that was behind is not any more."""
        channel = self.channel
        if channel.moved and subscriber in channel.moved:
            return b""
        wire = subscriber.wire_format
        if self.whole is None or subscriber not in channel.behind:
            return self.change_frame(wire)
        channel.take_back(subscriber)
        return self._frame(wire, self.whole)

    def _frame(self, wire: WireFormat, fields: bytes) -> bytes:
        frame = self._frames.get((wire, fields))
        if frame is None:
            frame = self._frames[wire, fields] = wire.frame(self.channel.name, self.at, fields)
        return frame


class Pusher:
    """Sends changed channels to their subscribers, each at most once in PUSH_INTERVAL_S. Takes: seating, if the system has it."""

    def __init__(
        self,
        clock: Clock,
        *,
        seating: Seating | None = None,
        buffer_bytes_max: int = BUFFER_BYTES_MAX,
        slice_sockets: int = SLICE_SOCKETS,
    ) -> None:
        self._clock = clock
        self.seating = seating
        self._buffer_bytes_max = buffer_bytes_max
        self._slice_sockets = slice_sockets
        self._due: list[Channel] = []
        self._has_due = asyncio.Event()
        self.traces: Traces | None = None  # server/node sets it when tracing is on
        self.push_count = self.frame_count = self.skipped_count = 0
        # The times from commit to push [ms]; the summary of the node (fleet.py) reads and clears them.
        self.lags: deque[int] = deque(maxlen=LAGS_KEPT_MAX)

    def serve_alone(self, subscriber: Subscriber) -> None:
        """Must be called when bytes wait in the transport of a subscriber, before it is closed, and when its channels have changed."""
        if self.seating is not None:
            if subscriber.channels:
                self.seating.unseat(subscriber)
            else:
                self.seating.forget(subscriber)

    def schedule(self, channel: Channel) -> None:
        """Schedules a push of a channel: at once if it has been quiet, else PUSH_INTERVAL_S after its last push."""
        if channel.is_waiting:
            return
        channel.is_waiting = True
        wait_s = channel.due_s - self._clock.monotonic_s()
        if wait_s <= 0:
            self._make_due(channel)
        else:
            self._clock.call_later(wait_s, self._make_due, channel)

    def _make_due(self, channel: Channel) -> None:
        self._due.append(channel)
        self._has_due.set()

    async def run(self) -> None:
        """Pushes due channels until cancelled."""
        while True:
            await self._has_due.wait()
            self._has_due.clear()
            due, self._due = self._due, []
            for channel in due:
                channel.is_waiting = False
                channel.due_s = self._clock.monotonic_s() + PUSH_INTERVAL_S
            await self._push([channel for channel in due if not channel.is_closed])

    async def _push(self, channels: list[Channel]) -> None:
        started_s = self._clock.monotonic_s()
        pushes = [self._begin(channel) for channel in channels]
        if self.seating is not None:
            await self._push_to_seats(self.seating, pushes)
        await self._push_to_others(pushes)
        for push in pushes:
            self._end(push, started_s)

    def _begin(self, channel: Channel) -> Push:
        push = Push(channel)
        channel.is_changed = False
        joined, channel.joined = channel.joined, {}
        # From now on the hub adds subscribers that join or leave during this push.
        channel.moved = {subscriber for subscriber, at in joined.items() if at == push.at}
        for subscriber in joined:
            self.serve_alone(subscriber)
            if subscriber not in channel.moved:
                # It has a part of the changes already. The whole state is right for it, whatever the channel shows.
                channel.put_behind(subscriber)
        if channel.behind:
            assert channel.state is not None
            push.whole = channel.state.whole_fields()
        self.push_count += 1
        channel.push_count += 1
        return push

    def _end(self, push: Push, started_s: float) -> None:
        channel = push.channel
        channel.moved = None
        if self.traces is not None and channel.kind == "votes":
            self.traces.pushed(channel.subject, push.at, started_s, len(channel.subscribers))
        # This includes other work between the slices: it is the time that the last subscriber waited.
        channel.push_seconds.observe(self._clock.monotonic_s() - started_s)
        if push.committed_ms:
            channel.lag_ms = max(0, self._clock.now_ms() - push.committed_ms)
            self.lags.append(channel.lag_ms)
            PUSH_LAG_SECONDS.observe(channel.lag_ms / 1000)
        if channel.behind:
            # These subscribers get the whole state as soon as they can take it, even if nothing changes any more.
            self.schedule(channel)

    # ── subscribers with a seat

    async def _push_to_seats(self, seating: Seating, pushes: list[Push]) -> None:
        frames: dict[Cohort, list[bytes]] = {}
        for push in pushes:
            if push.change is not None:
                for cohort in seating.cohorts_of(push.channel.name):
                    frames.setdefault(cohort, []).append(push.change_frame(Subscriber.wire_format))
        counts: dict[Cohort, int] = {}
        for cohort, parts in frames.items():
            cohort.begin(b"".join(parts))
            counts[cohort] = len(cohort)
        room = self._slice_sockets
        for cohort in frames:
            while cohort.begun_count < len(cohort.subscribers):
                start = cohort.begun_count
                cohort.begun_count = min(start + room, len(cohort.subscribers))
                seating.uring.queue(cohort.sends.rows(start, cohort.begun_count))
                room -= cohort.begun_count - start
                if not room:
                    self._submit(seating)
                    room = self._slice_sockets
                    await asyncio.sleep(0)
        if room < self._slice_sockets:
            self._submit(seating)
        for cohort, parts in frames.items():
            self._count((counts[cohort] - cohort.missed_count) * len(parts), 0)
            cohort.end()

    def _submit(self, seating: Seating) -> None:
        for slot, result in seating.uring.submit():
            subscriber = seating.at_slot(slot)
            assert subscriber.cohort is not None
            frame = subscriber.cohort.frame
            seating.unseat(subscriber)
            if (result >= 0 or result in _NOT_NOW) and not subscriber.transport.is_closing():
                subscriber.transport.write(frame[max(result, 0) :])

    # ── subscribers without

    async def _push_to_others(self, pushes: list[Push]) -> None:
        together: dict[Subscriber, list[Push]] = {}
        turns: list[tuple[Subscriber, list[Push]]] = []
        for push in pushes:
            alone = [push]
            for subscriber in self._others(push):
                if not subscriber.takes_pushes_together:
                    turns.append((subscriber, alone))
                elif subscriber in together:
                    together[subscriber] = [*together[subscriber], push]
                else:
                    together[subscriber] = alone
        turns += together.items()
        if self.seating is not None:
            self.seating.served.clear()
        for start in range(0, len(turns), self._slice_sockets):
            if start:
                await asyncio.sleep(0)
            self._write_slice(turns[start : start + self._slice_sockets])

    def _others(self, push: Push) -> set[Subscriber]:
        channel = push.channel
        if push.change is None:
            return channel.behind
        if self.seating is None:
            return channel.subscribers
        return (channel.subscribers & self.seating.unseated) - self.seating.served

    def _write_slice(self, turns: list[tuple[Subscriber, list[Push]]]) -> None:
        seating = self.seating
        skipped_count = written_count = 0
        for subscriber, pushes in turns:
            transport = subscriber.transport
            if transport.is_closing():
                continue
            waiting_bytes = transport.get_write_buffer_size()
            if waiting_bytes > self._buffer_bytes_max:
                skipped_count += _skip(subscriber, pushes)
                continue
            frames = [frame for push in pushes if (frame := push.frame_for(subscriber))]
            written_count += len(frames)
            frame = frames[0] if len(frames) == 1 else b"".join(frames)
            is_idle = not waiting_bytes and subscriber.descriptor >= 0
            if frame and is_idle:
                is_idle = _write_through(subscriber, frame)
            elif frame:
                transport.write(frame)
            has_all = subscriber.channels and not subscriber.behind_count
            if seating is not None and is_idle and has_all and subscriber.cohort is None:
                seating.seat(subscriber)
        self._count(written_count, skipped_count)

    def _count(self, written_count: int, skipped_count: int) -> None:
        self.frame_count += written_count
        self.skipped_count += skipped_count
        FRAMES.inc(written_count)
        FRAMES_SKIPPED.inc(skipped_count)


def _skip(subscriber: Subscriber, pushes: list[Push]) -> int:
    """Leaves a subscriber without these pushes, to get the whole state later. Gives: how many it would have got."""
    count = 0
    for push in pushes:
        channel = push.channel
        if not channel.moved or subscriber not in channel.moved:
            channel.put_behind(subscriber)
            count += 1
    subscriber.skipped_count += count
    return count


def _write_through(subscriber: Subscriber, frame: bytes) -> bool:
    """Writes to a socket with an empty buffer directly: the transport's queue would cost a fifth of a push.

    The transport gets the bytes that the socket does not take. An open transport owns the descriptor, so its number
    cannot belong to another file.

    Gives: whether the socket took everything
    """
    try:
        written = os.write(subscriber.descriptor, frame)
    except BlockingIOError:
        written = 0
    except OSError:
        # The peer is gone. The reading side notices it and ends the connection.
        return False
    if written < len(frame):
        subscriber.transport.write(frame[written:])
        return False
    return True
