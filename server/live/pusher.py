"""pusher: sends the changes of channels to thousands of sockets, conflated.

Owns:      channels that are due, counts of the frames sent
Threads:   event loop only
Limits:    PUSH_INTERVAL_S, SLICE_SOCKETS, BUFFER_BYTES_MAX (docs/limits.md)
Never:     awaits a socket, builds a frame twice
"""

from __future__ import annotations

import asyncio
import os
from collections import deque

from server.clock import Clock
from server.live.channel import Channel, Subscriber, WireFormat
from server.protocol.limits import DEFAULT_LIMITS
from server.telemetry import FRAMES, FRAMES_SKIPPED, PUSH_LAG_SECONDS
from server.tracing import Traces

# A little more than a tenth of a second, so that no stretch of one second ever has eleven pushes.
PUSH_INTERVAL_S = 0.105
# Sockets written in a row before casts and other work get their turn: about 4 ms.
SLICE_SOCKETS = 500
# A socket with more than this waiting in its buffer is behind: it skips states until it has caught up.
BUFFER_BYTES_MAX = DEFAULT_LIMITS.send_buffer_bytes
LAGS_KEPT_MAX = 10_000


class Pusher:
    """Sends changed channels to their subscribers, each at most once in PUSH_INTERVAL_S."""

    def __init__(
        self, clock: Clock, *, buffer_bytes_max: int = BUFFER_BYTES_MAX, slice_sockets: int = SLICE_SOCKETS
    ) -> None:
        self._clock = clock
        self._buffer_bytes_max = buffer_bytes_max
        self._slice_sockets = slice_sockets
        self._due: list[Channel] = []
        self._has_due = asyncio.Event()
        self.traces: Traces | None = None  # server/node sets it when tracing is on
        self.push_count = self.frame_count = self.skipped_count = 0
        # The times from commit to push [ms]; the summary of the node (fleet.py) reads and clears them.
        self.lags: deque[int] = deque(maxlen=LAGS_KEPT_MAX)

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
                if not channel.is_closed:
                    await self._push(channel)

    async def _push(self, channel: Channel) -> None:
        started_s = self._clock.monotonic_s()
        state = channel.state
        assert state is not None
        change = state.change() if channel.is_changed else None
        subscribers = list(channel.behind if change is None else channel.subscribers)
        channel.is_changed = False
        joined, channel.joined = channel.joined, {}
        # From now on the hub adds subscribers that join or leave during this push.
        channel.moved = {subscriber for subscriber, at in joined.items() if at == state.at}
        for subscriber in joined.keys() - channel.moved:
            # It has a part of the changes already. The whole state is right for it, whatever the channel shows.
            channel.put_behind(subscriber)
        whole = state.whole_fields() if channel.behind else None
        frames = {
            wire: (_frame(wire, channel, change), _frame(wire, channel, whole))
            for wire in {subscriber.wire_format for subscriber in subscribers}
        }
        self.push_count += 1
        channel.push_count += 1
        committed_ms, channel.committed_ms = channel.committed_ms, 0
        for start in range(0, len(subscribers), self._slice_sockets):
            if start:
                await asyncio.sleep(0)
            self._write_slice(channel, subscribers[start : start + self._slice_sockets], frames)
        channel.moved = None
        if self.traces is not None and channel.kind == "votes":
            self.traces.pushed(channel.subject, state.at, started_s, len(subscribers))
        # This includes other work between the slices: it is the time that the last subscriber waited.
        channel.push_seconds.observe(self._clock.monotonic_s() - started_s)
        if committed_ms:
            channel.lag_ms = max(0, self._clock.now_ms() - committed_ms)
            self.lags.append(channel.lag_ms)
            PUSH_LAG_SECONDS.observe(channel.lag_ms / 1000)
        if channel.behind:
            # These subscribers get the whole state as soon as they can take it, even if nothing changes any more.
            self.schedule(channel)

    def _write_slice(
        self, channel: Channel, subscribers: list[Subscriber], frames: dict[WireFormat, tuple[bytes, bytes]]
    ) -> None:
        behind, moved = channel.behind, channel.moved
        skipped_count = written_count = 0
        for subscriber in subscribers:
            transport = subscriber.transport
            if transport.is_closing() or (moved and subscriber in moved):
                continue
            waiting_bytes = transport.get_write_buffer_size()
            if waiting_bytes > self._buffer_bytes_max:
                channel.put_behind(subscriber)
                subscriber.skipped_count += 1
                skipped_count += 1
                continue
            frame, whole_frame = frames[subscriber.wire_format]
            if behind and subscriber in behind:
                channel.take_back(subscriber)
                transport.write(whole_frame)
            elif waiting_bytes or subscriber.descriptor < 0:
                transport.write(frame)
            else:
                _write_through(subscriber, frame)
            written_count += 1
        self.frame_count += written_count
        self.skipped_count += skipped_count
        FRAMES.inc(written_count)
        FRAMES_SKIPPED.inc(skipped_count)


def _frame(wire: WireFormat, channel: Channel, fields: bytes | None) -> bytes:
    """A push of a channel's state; nothing for a form that no subscriber gets."""
    assert channel.state is not None
    return b"" if fields is None else wire.frame(channel.name, channel.state.at, fields)


def _write_through(subscriber: Subscriber, frame: bytes) -> None:
    """Writes to a socket with an empty buffer directly: the transport's queue would cost a fifth of a push.

    The transport gets the bytes that the socket does not take. An open transport owns the descriptor, so its number
    cannot belong to another file.
    """
    try:
        written = os.write(subscriber.descriptor, frame)
    except BlockingIOError:
        written = 0
    except OSError:
        # The peer is gone. The reading side notices it and ends the connection.
        return
    if written < len(frame):
        subscriber.transport.write(frame[written:])
