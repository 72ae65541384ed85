"""hub: the channels of this node, their subscribers and their states.

Owns:      channel -> subscribers and current state
Threads:   event loop only; every method but `prepare` is synchronous, so each is atomic
Limits:    BACKLOG_MAX (docs/limits.md)
Never:     awaits a socket; it hands changed channels to the pusher
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from server.clock import Clock
from server.errors import Refused, StoreError
from server.live.channel import Channel, Loaded, Subscriber, unsubscribed_json
from server.live.pusher import Pusher
from server.live.states import (
    ActivityState,
    AttendanceState,
    Counts,
    DocumentState,
    Event,
    OverviewState,
    SongState,
    State,
    TallyState,
    song_document,
)
from server.live.unknown_channels import UnknownChannels
from server.live.watchers import WatcherCounts
from server.protocol.channels import SHOW_KINDS, no_such, parse_channel
from server.protocol.codes import Code
from server.protocol.embargo import Audience, Embargo
from server.telemetry import SUBSCRIPTIONS

BACKLOG_MAX = 1_000
# The time in which clients that waited for a channel's state can join it.
UNWATCHED_S = 5.0

# Loads a channel's state by kind and id; None: the id names nothing. Raises: StoreUnavailable
Load = Callable[[str, int], Awaitable[State | None]]
Known = TypeVar("Known")


class Hub:
    """All channels of a node. Takes: load, for states that are not known yet; watchers, which it keeps up to date."""

    def __init__(self, load: Load, watchers: WatcherCounts, pusher: Pusher, clock: Clock) -> None:
        self._load = load
        self._watchers = watchers
        self.pusher = pusher
        self._clock = clock
        self._channels: dict[str, Channel] = {}
        self._songs: set[int] = set()  # subjects of the channels of single songs
        self._loads: set[asyncio.Task[None]] = set()
        self._unknown = UnknownChannels(clock)

    # ── subscribers

    def must_load(self, names: Iterable[str]) -> bool:
        """Whether `prepare` would begin to load a state that is not known yet."""
        return any(name not in self._channels and name not in self._unknown for name in names)

    async def prepare(self, names: Iterable[str], since: Mapping[str, int]) -> dict[str, Refused]:
        """Loads the states of channels that are not known yet, each once for all clients that ask meanwhile.

        Takes:  since, by channel the position that the client holds; a channel that is older here is loaded again
        Gives:  by channel its refusal: not_found, or unavailable when its state cannot be loaded now
        Cancel: the loading goes on for the other clients
        """
        refused, under_way = await self._wait_for_states(names, since)
        # A loading that was under way may have begun before the client's state existed; one that began since has not.
        behind = [name for name in under_way if name not in refused and self._is_behind(name, since)]
        if behind:
            refused_later, _ = await self._wait_for_states(behind, since)
            refused |= refused_later
        return refused

    async def _wait_for_states(
        self, names: Iterable[str], since: Mapping[str, int]
    ) -> tuple[dict[str, Refused], list[str]]:
        """Gives: refusals by channel, and the channels whose loading was under way already."""
        refused: dict[str, Refused] = {}
        waits: dict[str, asyncio.Future[Loaded]] = {}
        under_way: list[str] = []
        for name in names:
            try:
                channel = self._channels.get(name)
                if channel is not None and channel.loading is not None:
                    under_way.append(name)
                if channel is None and name in self._unknown:
                    raise no_such(name.partition(":")[0])
                channel = channel or self._open(name)
            except Refused as error:
                # Its frames hold this dictionary: only a search for circles of references would free them.
                refused[name] = error.with_traceback(None)
                continue
            if channel.loading is None and self._is_behind(name, since):
                self._start_loading(channel)
            if channel.loading is not None:
                waits[name] = channel.loading
        for name, loading in waits.items():
            state = await asyncio.shield(loading)
            if state is None:
                refused[name] = no_such(name.partition(":")[0])
            elif state == "unreadable":
                message = "This channel cannot be read right now. Try again."
                refused[name] = Refused(Code.UNAVAILABLE, message, retry_after_ms=1_000)
            elif isinstance(state, TallyState | SongState) and state.without_log and self._is_behind(name, since):
                # The client keeps its counts: positions never go back.
                message = "The newest counts cannot be read right now. Try again."
                refused[name] = Refused(Code.UNAVAILABLE, message, retry_after_ms=1_000)
        return refused, under_way

    def _is_behind(self, name: str, since: Mapping[str, int]) -> bool:
        channel = self._channels.get(name)
        return channel is not None and channel.state is not None and since.get(name, 0) > channel.state.at

    def audience_of(self, name: str) -> tuple[Audience, int]:
        """The audience of a prepared channel, and the show whose counts it has (0: it has none)."""
        channel = self._channels.get(name)
        state = None if channel is None else channel.state
        match state:
            case TallyState():
                assert channel is not None
                return state.embargo.audience, channel.subject
            case SongState():
                return state.embargo.audience, state.show_id
            case OverviewState():
                return Audience.ADMINS, 0
            case None | DocumentState() | AttendanceState() | ActivityState():
                return Audience.EVERYONE, 0
        # A state that nobody has decided about is for staff only.
        return Audience.STAFF, 0

    def join(
        self, subscriber: Subscriber, name: str, belongs_to: Audience = Audience.EVERYONE, *, is_visit: bool = True
    ) -> State | None:
        """Subscribes to a prepared channel: gives its state now; every later push follows.

        Takes: belongs_to, the audience to which the subscriber belongs; is_visit, whether it begins to watch the show
        Gives: None: the channel was closed while others were prepared, or its audience is smaller now; prepare it again
        """
        channel = self._channels.get(name)
        if channel is None or channel.state is None or channel.state.embargo.audience > belongs_to:
            return None
        # Also when it subscribes again: it gets the newest state, and a push under way may be older.
        if channel.moved is not None:
            channel.moved.add(subscriber)
        if subscriber not in channel.subscribers:
            if channel.kind in SHOW_KINDS and not subscriber.watches(channel.subject):
                self._watchers.add(channel.subject, is_visit=is_visit)
            channel.subscribers.add(subscriber)
            subscriber.channels.add(channel.name)  # not its own copy of the string
            SUBSCRIPTIONS.inc()
        self.pusher.serve_alone(subscriber)
        channel.take_back(subscriber)
        if channel.is_changed:
            channel.joined[subscriber] = channel.state.at
        return channel.state

    def leave(self, subscriber: Subscriber, name: str) -> None:
        """Unsubscribes from a channel."""
        channel = self._channels.get(name)
        if channel is None or subscriber not in channel.subscribers:
            return
        channel.subscribers.discard(subscriber)
        if channel.moved is not None:
            channel.moved.add(subscriber)
        channel.take_back(subscriber)
        channel.joined.pop(subscriber, None)
        subscriber.channels.discard(name)
        self.pusher.serve_alone(subscriber)
        if channel.kind in SHOW_KINDS and not subscriber.watches(channel.subject):
            self._watchers.remove(channel.subject)
        SUBSCRIPTIONS.dec()
        if not channel.subscribers and channel.state is not None:
            self._close(channel)

    def restrict(self, show_id: int, embargo: Embargo) -> None:
        """Changes the audience of a show's counts. A smaller one unsubscribes and notifies everybody but staff.

        Fans who have voted may subscribe again.
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
            for subscriber in [one for one in channel.subscribers if one.audience < Audience.STAFF]:
                self._take_off(subscriber, [channel.name])

    def review(self, subscriber: Subscriber) -> None:
        """Unsubscribes from channels that its role alone does not open, because the subscriber has another identity now."""
        hidden = [name for name in subscriber.channels if self.audience_of(name)[0] > subscriber.audience]
        if hidden:
            self._take_off(subscriber, hidden)

    def _take_off(self, subscriber: Subscriber, names: list[str]) -> None:
        for name in names:
            self.leave(subscriber, name)
        subscriber.notify(unsubscribed_json(names))

    def leave_all(self, subscriber: Subscriber) -> None:
        """Unsubscribes from everything."""
        for name in list(subscriber.channels):
            self.leave(subscriber, name)

    # ── what is watched

    def watched(self, kind: str) -> dict[int, int]:
        """Subject -> position, of all channels of a kind whose state is known."""
        return {c.subject: c.state.at for c in self._channels.values() if c.kind == kind and c.state is not None}

    def channel(self, name: str) -> Channel | None:
        """A channel whose state is known or being loaded; that loading may have begun before the latest change."""
        return self._channels.get(name)

    def channels(self) -> list[Channel]:
        """All channels, those that are being loaded too."""
        return list(self._channels.values())

    def revisions(self) -> dict[int, int]:
        """Show -> its oldest revision, of all shows whose counts or sets are watched; of a status the refresher knows it."""
        found = self.watched("setlist")
        for name, channel in self._channels.items():
            _, show_id = self.audience_of(name)
            if show_id and channel.state is not None:
                revision = channel.state.embargo.revision
                found[show_id] = min(revision, found.get(show_id, revision))
        return found

    def watched_tallies(self) -> dict[int, int]:
        """Show -> its oldest position, of all shows whose counts are watched, all of them or a song's; -1: it is behind."""
        found = self.watched("votes")
        for show_id in found:
            state = self._channels[f"votes:{show_id}"].state
            if isinstance(state, TallyState) and state.is_behind:
                found[show_id] = -1
        for song in self._songs:
            state = self._channels[f"song:{song}"].state
            if isinstance(state, SongState):
                found[state.show_id] = min(state.at, found.get(state.show_id, state.at))
        return found

    # ── changes

    def publish_tally(
        self, show_id: int, at: int, total: int, counts: Counts, *, after: int, committed_ms: int = 0
    ) -> None:
        """Publishes new absolute counts of some songs of a show.

        Takes: after, the position of the show's change before this one: a channel that has missed it is loaded again
               before it shows this position; committed_ms [since 1970; 0: unknown]
        """
        name = f"votes:{show_id}"
        self._change(name, lambda state: _of(state, TallyState).apply(after, at, total, counts))
        channel = self._channels.get(name)
        if channel is not None:
            if channel.is_changed and not channel.committed_ms:
                channel.committed_ms = committed_ms
            self._catch_up(channel)
        self._publish_songs(at, counts)

    def _catch_up(self, channel: Channel) -> None:
        """Loads a state again that has missed a change. If that fails, the next change or comparison does it."""
        state = channel.state
        if isinstance(state, TallyState) and state.is_behind and channel.loading is None and not channel.is_closed:
            self._start_loading(channel)

    def replace_tally(self, show_id: int, at: int, total: int, counts: Counts) -> bool:
        """Publishes all counts of a show, loaded again.

        Gives: False: other songs are shown at this position already, so these counts need a later one
        """
        name = f"votes:{show_id}"
        self._change(name, lambda state: _of(state, TallyState).replace(at, total, counts))
        self._publish_songs(at, counts)
        channel = self._channels.get(name)
        state = None if channel is None else channel.state
        return not (isinstance(state, TallyState) and state.is_behind and state.at == at)

    def _publish_songs(self, at: int, counts: Counts) -> None:
        if self._songs:
            for song, up, down in counts:
                if song in self._songs:
                    self.replace_document(f"song:{song}", at, song_document(up, down))

    def replace_document(self, name: str, at: int, document: bytes) -> None:
        """Publishes the content of a document channel, loaded again."""
        self._change(name, lambda state: _of(state, DocumentState).replace(at, document))

    def publish_going(self, show_id: int, at: int, going: int) -> None:
        """Publishes how many fans go to a show."""
        self._change(f"attendance:{show_id}", lambda state: _of(state, AttendanceState).apply_going(at, going))

    def publish_watching(self, show_id: int, at: int, watching: int) -> None:
        """Publishes how many connections watch a show, on all nodes."""
        self._change(f"attendance:{show_id}", lambda state: _of(state, AttendanceState).apply_watching(at, watching))

    def publish_activity(self, event: Event, previous_at: int) -> None:
        """Publishes the next event. One that does not follow the last known event is dropped; the comparison finds it."""
        self._change("activity", lambda state: _of(state, ActivityState).apply(event, previous_at))

    def replace_activity(self, at: int, events: Sequence[Event]) -> None:
        """Publishes the last events, loaded again."""
        self._change("activity", lambda state: _of(state, ActivityState).replace(at, events))

    def _change(self, name: str, change: Callable[[State], object]) -> None:
        channel = self._channels.get(name)
        if channel is None:
            return
        if channel.state is None:
            # Past the limit the oldest changes go: the state that is being loaded is newer than they are, or the
            # once-a-second comparison finds what is missing.
            channel.backlog = [*channel.backlog[-BACKLOG_MAX + 1 :], change]
        elif change(channel.state):
            if channel.is_changed:
                channel.conflated.inc()
            channel.is_changed = True
            self.pusher.schedule(channel)

    def _open(self, name: str) -> Channel:
        # Registered before its state is loaded, so that no change can be lost in between.
        channel = Channel(name, *parse_channel(name))
        self._channels[name] = channel
        if channel.kind == "song":
            self._songs.add(channel.subject)
        self._start_loading(channel)
        return channel

    def _start_loading(self, channel: Channel) -> None:
        channel.loading = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._load_state(channel, channel.loading), name=f"load-{channel.name}")
        self._loads.add(task)
        task.add_done_callback(self._loads.discard)

    async def _load_state(self, channel: Channel, loading: asyncio.Future[Loaded]) -> None:
        missed_at = _missed_at(channel)
        try:
            state = await self._load(channel.kind, channel.subject)
        except StoreError:
            self._give_up(channel)
            loading.set_result("unreadable")
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
            self._unknown.add(channel.name)
        else:
            channel.state = state
            for change in channel.backlog:
                change(state)
            channel.backlog = []
            state.change()  # clients that join get these with the state; the next push must not repeat them
            self._clock.call_later(UNWATCHED_S, self._forget_unwatched, channel)
        loading.set_result(state)
        if _missed_at(channel) > missed_at:
            # A change came that the loaded state may not have.
            self._catch_up(channel)

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


def _missed_at(channel: Channel) -> int:
    return channel.state.missed_at if isinstance(channel.state, TallyState) else 0


def _of(state: State, kind: type[Known]) -> Known:
    assert isinstance(state, kind)
    return state
