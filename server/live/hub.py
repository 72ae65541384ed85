"""hub: which of this node's sockets watch which channel, and what the channel shows.

Owns:      channel -> subscribers and current state
Threads:   event loop only; every method but `prepare` and `run` is synchronous, so each is atomic
Limits:    PUSH_INTERVAL_S, SLICE_SOCKETS, BUFFER_BYTES_MAX, BACKLOG_MAX (docs/limits.md)
Never:     awaits a socket, builds a frame twice
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from server.clock import Clock
from server.errors import Refused, StoreError
from server.live.channel import Channel, Subscriber, WireFormat
from server.live.states import (
    ActivityState,
    AttendanceState,
    Counts,
    DocumentState,
    Event,
    SongState,
    State,
    TallyState,
    song_document,
)
from server.protocol.channels import SHOW_KINDS, no_such, parse_channel
from server.protocol.codes import Code
from server.protocol.limits import DEFAULT_LIMITS
from server.telemetry import FRAMES, FRAMES_SKIPPED, PUSH_LAG_SECONDS, SUBSCRIPTIONS
from server.tracing import Traces

# A little more than a tenth of a second, so that no second ever sees an eleventh push, however it is cut.
PUSH_INTERVAL_S = 0.105
# So many sockets are written in a row before casts and other work get their turn: about 4 ms.
SLICE_SOCKETS = 500
# A socket with more than this waiting in its buffer is behind: it skips states until it has caught up.
BUFFER_BYTES_MAX = DEFAULT_LIMITS.send_buffer_bytes  # unless it is set
BACKLOG_MAX = 1_000
# Time for those who waited for a channel's state to join it.
UNWATCHED_S = 5.0
LAGS_KEPT_MAX = 10_000

# Reads a channel's state by kind and id; None: there is no such thing.
Load = Callable[[str, int], Awaitable[State | None]]
Known = TypeVar("Known")


class Hub:
    """All channels of a node. Takes: load, which reads a state that is not known yet."""

    def __init__(self, load: Load, clock: Clock, *, buffer_bytes_max: int = BUFFER_BYTES_MAX) -> None:
        self._load = load
        self._buffer_bytes_max = buffer_bytes_max
        self._clock = clock
        self._channels: dict[str, Channel] = {}
        self._watchers: dict[int, int] = {}  # show -> sockets that watch it
        self._songs: set[int] = set()  # subjects of the channels of single songs
        self._due: list[Channel] = []
        self._has_due = asyncio.Event()
        self._loads: set[asyncio.Task[None]] = set()
        self.traces: Traces | None = None  # app gives some when they are wanted
        self.push_count = self.frame_count = self.skipped_count = 0
        self.lags: deque[int] = deque(maxlen=LAGS_KEPT_MAX)  # from commit to push [ms]; whoever reads them clears them

    # ── subscribers

    async def prepare(self, names: Iterable[str], since: Mapping[str, int]) -> dict[str, Refused]:
        """Reads the states of channels that are not known yet, each once for all who ask meanwhile.

        Takes:  since, positions by channel that were seen already; where this node is behind, it reads again
        Gives:  what refuses each of the others: not_found, or unavailable when a state cannot be read now
        Cancel: the reading goes on for whoever else asked
        """
        refused: dict[str, Refused] = {}
        waits: dict[str, asyncio.Future[State | None]] = {}
        for name in names:
            try:
                channel = self._channels.get(name) or self._open(name)
            except Refused as error:
                refused[name] = error
                continue
            if channel.state is not None and channel.loading is None and since.get(name, 0) > channel.state.at:
                self._start_reading(channel)
            if channel.loading is not None:
                waits[name] = channel.loading
        for name, loading in waits.items():
            try:
                if await asyncio.shield(loading) is None:
                    refused[name] = no_such(name.partition(":")[0])
            except Refused as error:
                refused[name] = error
        return refused

    def join(self, subscriber: Subscriber, name: str) -> State | None:
        """Subscribes to a prepared channel: its state now, and every push after it.

        Gives: None: everybody left it while other channels were prepared; prepare it again
        """
        channel = self._channels.get(name)
        if channel is None or channel.state is None:
            return None
        # Also when it subscribes again: it is given the newest state, and a push under way may be older.
        if channel.moved is not None:
            channel.moved.add(subscriber)
        if subscriber not in channel.subscribers:
            if channel.kind in SHOW_KINDS and not _watches(subscriber, channel.subject):
                self._watchers[channel.subject] = self._watchers.get(channel.subject, 0) + 1
            channel.subscribers.add(subscriber)
            subscriber.channels.add(name)
            SUBSCRIPTIONS.inc()
        return channel.state

    def leave(self, subscriber: Subscriber, name: str) -> None:
        """No more pushes of this channel."""
        channel = self._channels.get(name)
        if channel is None or subscriber not in channel.subscribers:
            return
        channel.subscribers.discard(subscriber)
        if channel.moved is not None:
            channel.moved.add(subscriber)
        if subscriber in channel.behind:
            channel.behind.discard(subscriber)
            subscriber.behind_count -= 1
        subscriber.channels.discard(name)
        if channel.kind in SHOW_KINDS and not _watches(subscriber, channel.subject):
            self._forget_watcher(channel.subject)
        SUBSCRIPTIONS.dec()
        if not channel.subscribers and channel.state is not None:
            self._close(channel)

    def leave_all(self, subscriber: Subscriber) -> None:
        """The socket is gone."""
        for name in list(subscriber.channels):
            self.leave(subscriber, name)

    def _forget_watcher(self, show_id: int) -> None:
        if self._watchers[show_id] == 1:
            del self._watchers[show_id]
        else:
            self._watchers[show_id] -= 1

    def watcher_count(self, show_id: int) -> int:
        """How many sockets watch at least one channel of a show."""
        return self._watchers.get(show_id, 0)

    def watchers(self, shows_max: int) -> dict[int, int]:
        """The same of all shows that are watched, of the first `shows_max` of them."""
        return dict(itertools.islice(self._watchers.items(), shows_max))

    def watched(self, kind: str) -> dict[int, int]:
        """Subjects of all channels of a kind whose state is known -> its position."""
        return {c.subject: c.state.at for c in self._channels.values() if c.kind == kind and c.state is not None}

    def channels(self) -> list[Channel]:
        """All channels."""
        return list(self._channels.values())

    def watched_tallies(self) -> dict[int, int]:
        """Shows of which counts are shown, all or a song's -> the oldest position of what is."""
        found = self.watched("votes")
        for song in self._songs:
            state = self._channels[f"song:{song}"].state
            if isinstance(state, SongState):
                found[state.show_id] = min(state.at, found.get(state.show_id, state.at))
        return found

    # ── changes

    def publish_tally(self, show_id: int, at: int, total: int, counts: Counts, committed_ms: int = 0) -> None:
        """New absolute counts of some songs of a show, and when they were committed [ms since 1970; 0: not said]."""
        name = f"votes:{show_id}"
        self._change(name, lambda state: _of(state, TallyState).apply(at, total, counts))
        channel = self._channels.get(name)
        if channel is not None and channel.is_changed and not channel.committed_ms:
            channel.committed_ms = committed_ms
        self._publish_songs(at, counts)

    def replace_tally(self, show_id: int, at: int, total: int, counts: Counts) -> None:
        """All counts of a show, read anew."""
        self._change(f"votes:{show_id}", lambda state: _of(state, TallyState).replace(at, total, counts))
        self._publish_songs(at, counts)

    def _publish_songs(self, at: int, counts: Counts) -> None:
        if self._songs:
            for song, up, down in counts:
                if song in self._songs:
                    self.replace_document(f"song:{song}", at, song_document(up, down))

    def replace_document(self, name: str, at: int, document: bytes) -> None:
        """A document channel's content, read anew."""
        self._change(name, lambda state: _of(state, DocumentState).replace(at, document))

    def publish_going(self, show_id: int, at: int, going: int) -> None:
        """How many go to a show."""
        self._change(f"attendance:{show_id}", lambda state: _of(state, AttendanceState).apply_going(at, going))

    def publish_watching(self, show_id: int, at: int, watching: int) -> None:
        """How many watch a show, on all nodes."""
        self._change(f"attendance:{show_id}", lambda state: _of(state, AttendanceState).apply_watching(at, watching))

    def publish_activity(self, event: Event, previous_at: int) -> None:
        """The next event; one that does not follow the last one known is dropped, and found by the comparison."""
        self._change("activity", lambda state: _of(state, ActivityState).apply(event, previous_at))

    def replace_activity(self, at: int, events: Sequence[Event]) -> None:
        """The last events, read anew."""
        self._change("activity", lambda state: _of(state, ActivityState).replace(at, events))

    def _change(self, name: str, change: Callable[[State], object]) -> None:
        channel = self._channels.get(name)
        if channel is None:
            return
        if channel.state is None:
            # Older ones are contained in the newer ones only if none is missing, so past the limit the newest stay:
            # the state being read is newer than what is dropped, or the once-a-second comparison finds the gap.
            channel.backlog = [*channel.backlog[-BACKLOG_MAX + 1 :], change]
        elif change(channel.state):
            if channel.is_changed:
                channel.conflated.inc()
            channel.is_changed = True
            self._schedule(channel)

    def _schedule(self, channel: Channel) -> None:
        """Has the channel pushed: at once if it has been quiet, else PUSH_INTERVAL_S after its last push."""
        if channel.is_waiting:
            return
        channel.is_waiting = True
        wait_s = channel.due_s - self._clock.monotonic_s()
        if wait_s <= 0:
            self._make_due(channel)
        else:
            asyncio.get_running_loop().call_later(wait_s, self._make_due, channel)

    def _make_due(self, channel: Channel) -> None:
        self._due.append(channel)
        self._has_due.set()

    def _open(self, name: str) -> Channel:
        # Registered before its state is read, so that no change can fall in between.
        channel = Channel(name, *parse_channel(name))
        self._channels[name] = channel
        if channel.kind == "song":
            self._songs.add(channel.subject)
        self._start_reading(channel)
        return channel

    def _start_reading(self, channel: Channel) -> None:
        channel.loading = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._read_state(channel, channel.loading), name=f"load-{channel.name}")
        self._loads.add(task)
        task.add_done_callback(self._loads.discard)

    async def _read_state(self, channel: Channel, loading: asyncio.Future[State | None]) -> None:
        try:
            state = await self._load(channel.kind, channel.subject)
        except StoreError:
            self._give_up(channel)
            loading.set_exception(
                Refused(Code.UNAVAILABLE, "Counts cannot be read right now. Try again.", retry_after_ms=1_000)
            )
            # Everybody who waited may have hung up by now; then nobody is left to tell, which is no error.
            loading.exception()
            return
        except BaseException:
            self._give_up(channel)
            loading.cancel()
            raise
        channel.loading = None
        if channel.state is not None:
            if state is not None:
                self._change(channel.name, lambda known: known.take(state))
        elif state is None:
            self._close(channel)
        else:
            channel.state = state
            for change in channel.backlog:
                change(state)
            channel.backlog = []
            asyncio.get_running_loop().call_later(UNWATCHED_S, self._forget_unwatched, channel)
        loading.set_result(state)

    def _give_up(self, channel: Channel) -> None:
        channel.loading = None
        if channel.state is None:
            self._close(channel)

    def _forget_unwatched(self, channel: Channel) -> None:
        if not channel.subscribers and self._channels.get(channel.name) is channel:
            self._close(channel)

    def _close(self, channel: Channel) -> None:
        del self._channels[channel.name]
        if channel.kind == "song":
            self._songs.discard(channel.subject)

    # ── pushing

    async def run(self) -> None:
        """Pushes what is due until cancelled."""
        while True:
            await self._has_due.wait()
            self._has_due.clear()
            due, self._due = self._due, []
            for channel in due:
                channel.is_waiting = False
                channel.due_s = self._clock.monotonic_s() + PUSH_INTERVAL_S
                if self._channels.get(channel.name) is channel:
                    await self._push(channel)

    async def _push(self, channel: Channel) -> None:
        started_s = self._clock.monotonic_s()
        state = channel.state
        assert state is not None
        change = b""
        if channel.is_changed:
            channel.is_changed = False
            change = state.change()
            subscribers = list(channel.subscribers)
        else:
            subscribers = list(channel.behind)
        whole = state.whole_fields() if channel.behind else b""
        frames = {
            wire: (wire.frame(channel.name, state.at, change), wire.frame(channel.name, state.at, whole))
            for wire in {subscriber.wire_format for subscriber in subscribers}
        }
        self.push_count += 1
        channel.push_count += 1
        committed_ms, channel.committed_ms = channel.committed_ms, 0
        channel.moved = set()
        for start in range(0, len(subscribers), SLICE_SOCKETS):
            if start:
                await asyncio.sleep(0)
            self._write_slice(channel, subscribers[start : start + SLICE_SOCKETS], frames)
        channel.moved = None
        if self.traces is not None and channel.kind == "votes":
            self.traces.pushed(channel.subject, state.at, started_s, len(subscribers))
        # The slices and what ran between them, which is what the last subscriber waited.
        channel.push_seconds.observe(self._clock.monotonic_s() - started_s)
        if committed_ms:
            channel.lag_ms = max(0, self._clock.now_ms() - committed_ms)
            self.lags.append(channel.lag_ms)
            PUSH_LAG_SECONDS.observe(channel.lag_ms / 1000)
        if channel.behind:
            # They get the whole state as soon as they can take it, even if nothing changes any more.
            self._schedule(channel)

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
                if subscriber not in behind:
                    behind.add(subscriber)
                    subscriber.behind_count += 1
                subscriber.skipped_count += 1
                skipped_count += 1
                continue
            frame, whole_frame = frames[subscriber.wire_format]
            if behind and subscriber in behind:
                behind.discard(subscriber)
                subscriber.behind_count -= 1
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


def _write_through(subscriber: Subscriber, frame: bytes) -> None:
    """Writes to a socket that has nothing waiting, past the transport: its queue costs a fifth of a push.

    The transport gets what the socket does not take, and goes on from there. An open transport owns the descriptor,
    so the number cannot mean another file.
    """
    try:
        written = os.write(subscriber.descriptor, frame)
    except BlockingIOError:
        written = 0
    except OSError:
        # The peer is gone, which the reading side finds out and ends.
        return
    if written < len(frame):
        subscriber.transport.write(frame[written:])


def _watches(subscriber: Subscriber, show_id: int) -> bool:
    return any(f"{kind}:{show_id}" in subscriber.channels for kind in SHOW_KINDS)


def _of(state: State, kind: type[Known]) -> Known:
    assert isinstance(state, kind)
    return state
