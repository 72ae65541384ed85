"""hub: which of this node's sockets watch which channel, and what the channel shows.

Owns:      channel -> subscribers and current state
Threads:   event loop only; every method but `prepare` is synchronous, so each is atomic
Limits:    BACKLOG_MAX (docs/limits.md)
Never:     awaits a socket; what changed is handed to the pusher
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from server.clock import Clock
from server.errors import Refused, StoreError
from server.live.channel import Channel, Subscriber, unsubscribed_json
from server.live.pusher import BUFFER_BYTES_MAX, Pusher
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
from server.protocol.embargo import Audience, Embargo
from server.telemetry import SUBSCRIPTIONS

BACKLOG_MAX = 1_000
# Time for those who waited for a channel's state to join it.
UNWATCHED_S = 5.0

# Reads a channel's state by kind and id; None: there is no such thing.
Load = Callable[[str, int], Awaitable[State | None]]
Known = TypeVar("Known")


class Hub:
    """All channels of a node. Takes: load, which reads a state that is not known yet."""

    def __init__(self, load: Load, clock: Clock, *, buffer_bytes_max: int = BUFFER_BYTES_MAX) -> None:
        self._load = load
        self.pusher = Pusher(clock, buffer_bytes_max=buffer_bytes_max)
        self._channels: dict[str, Channel] = {}
        self._watchers: dict[int, int] = {}  # show -> sockets that watch it
        self._songs: set[int] = set()  # subjects of the channels of single songs
        self._loads: set[asyncio.Task[None]] = set()

    # ── subscribers

    async def prepare(self, names: Iterable[str], since: Mapping[str, int]) -> dict[str, Refused]:
        """Reads the states of channels that are not known yet, each once for all who ask meanwhile.

        Takes:  since, positions by channel that were seen already; where this node is behind, it reads again
        Gives:  what refuses each of the others: not_found, or unavailable when a state cannot be read now
        Cancel: the reading goes on for whoever else asked
        """
        refused, under_way = await self._read(names, since)
        # A reading that was under way may have begun before what somebody holds was there; one that began since has not.
        behind = [name for name in under_way if name not in refused and self._is_behind(name, since)]
        if behind:
            refused_later, _ = await self._read(behind, since)
            refused |= refused_later
        return refused

    async def _read(self, names: Iterable[str], since: Mapping[str, int]) -> tuple[dict[str, Refused], list[str]]:
        """Gives: what refuses channels, and which of them were being read already."""
        refused: dict[str, Refused] = {}
        waits: dict[str, asyncio.Future[State | None]] = {}
        under_way: list[str] = []
        for name in names:
            try:
                channel = self._channels.get(name)
                if channel is not None and channel.loading is not None:
                    under_way.append(name)
                channel = channel or self._open(name)
            except Refused as error:
                refused[name] = error
                continue
            if channel.loading is None and self._is_behind(name, since):
                self._start_reading(channel)
            if channel.loading is not None:
                waits[name] = channel.loading
        for name, loading in waits.items():
            try:
                if await asyncio.shield(loading) is None:
                    refused[name] = no_such(name.partition(":")[0])
            except Refused as error:
                refused[name] = error
        return refused, under_way

    def _is_behind(self, name: str, since: Mapping[str, int]) -> bool:
        channel = self._channels.get(name)
        return channel is not None and channel.state is not None and since.get(name, 0) > channel.state.at

    def audience_of(self, name: str) -> tuple[Audience, int]:
        """Whom a prepared channel is shown to, and of which show (0: not a show's counts)."""
        channel = self._channels.get(name)
        state = None if channel is None else channel.state
        match state:
            case TallyState():
                assert channel is not None
                return state.embargo.audience, channel.subject
            case SongState():
                return state.embargo.audience, state.show_id
        return Audience.EVERYONE, 0

    def join(self, subscriber: Subscriber, name: str, belongs_to: Audience = Audience.EVERYONE) -> State | None:
        """Subscribes to a prepared channel: its state now, and every push after it.

        Takes: belongs_to, the audience that the subscriber was found to be of
        Gives: None: everybody left it while other channels were prepared, or it is for fewer now; prepare it again
        """
        channel = self._channels.get(name)
        if channel is None or channel.state is None or channel.state.embargo.audience > belongs_to:
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
        if channel.is_changed and isinstance(channel.state, ActivityState):
            # Its next push says what came since the last one, which this state has already: this one gets the whole.
            channel.put_behind(subscriber)
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

    def restrict(self, show_id: int, embargo: Embargo) -> None:
        """Shows a show's counts to another audience; when it is a smaller one, all but staff are taken off and told.

        They may have voted: then they subscribe again.
        """
        for name in (f"votes:{show_id}", *[f"song:{song}" for song in self._songs]):
            if self.audience_of(name)[1] == show_id:
                self._restrict(self._channels[name], embargo)

    def _restrict(self, channel: Channel, embargo: Embargo) -> None:
        assert channel.state is not None
        before = channel.state.embargo
        if embargo.revision < before.revision:
            return
        channel.state.embargo = embargo
        if embargo.audience > before.audience:
            for subscriber in [one for one in channel.subscribers if not one.sees_all]:
                self._take_off(subscriber, [channel.name])

    def review(self, subscriber: Subscriber) -> None:
        """A subscriber is somebody else from now on: what is not for everyone they have to ask for again."""
        if not subscriber.sees_all:
            hidden = [name for name in subscriber.channels if self.audience_of(name)[0] is not Audience.EVERYONE]
            if hidden:
                self._take_off(subscriber, hidden)

    def _take_off(self, subscriber: Subscriber, names: list[str]) -> None:
        for name in names:
            self.leave(subscriber, name)
        subscriber.notify(unsubscribed_json(names))

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

    def is_open(self, name: str) -> bool:
        """Whether a channel's state is known or being read: such a reading may have begun before what changed was there."""
        return name in self._channels

    def channels(self) -> list[Channel]:
        """All channels."""
        return list(self._channels.values())

    def revisions(self) -> dict[int, int]:
        """Shows of which counts or sets are shown -> the oldest revision of what is."""
        found = self.watched("setlist")
        for name, channel in self._channels.items():
            _, show_id = self.audience_of(name)
            if show_id and channel.state is not None:
                revision = channel.state.embargo.revision
                found[show_id] = min(revision, found.get(show_id, revision))
        return found

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
            self.pusher.schedule(channel)

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
                self._restrict(channel, state.embargo)
        elif state is None:
            self._close(channel)
        else:
            channel.state = state
            for change in channel.backlog:
                change(state)
            channel.backlog = []
            state.change()  # whoever joins is given these with the state, and not once more with the next push
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
        channel.is_closed = True
        del self._channels[channel.name]
        if channel.kind == "song":
            self._songs.discard(channel.subject)


def _watches(subscriber: Subscriber, show_id: int) -> bool:
    return any(f"{kind}:{show_id}" in subscriber.channels for kind in SHOW_KINDS)


def _of(state: State, kind: type[Known]) -> Known:
    assert isinstance(state, kind)
    return state
