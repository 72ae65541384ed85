"""The hub and the pusher, with transports that record and a clock that only moves when a test moves it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

from server.errors import StoreUnavailable
from server.live.channel import Subscriber
from server.live.hub import UNWATCHED_S, Hub
from server.live.pusher import BUFFER_BYTES_MAX, PUSH_INTERVAL_S, SLICE_SOCKETS, Pusher
from server.live.states import ActivityState, DocumentState, State, TallyState
from server.live.watchers import WatcherCounts
from server.protocol.embargo import Audience, Embargo
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

    def vote(self, at: int, *counts: tuple[int, int, int]) -> None:
        """Publishes new counts of show 7."""
        self.hub.publish_tally(7, at, sum(up + down for _, up, down in counts), counts)

    def happen(self, at: int, previous_at: int) -> None:
        """Publishes the next event; its JSON is only its position."""
        self.hub.publish_activity((at, b"%d" % at), previous_at)


@pytest.fixture
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """A hub with two songs in show 7. Its parameter is the number of sockets in a slice."""
    rig = Rig(getattr(request, "param", SLICE_SOCKETS))
    rig.states["votes", 7] = TallyState(100, 0, [(1, 0, 0), (2, 0, 0)])
    rig.states["status", 7] = DocumentState(50, b'{"voting":"open"}')
    rig.states["activity", 0] = ActivityState(10, [(10, b"10")])
    running = asyncio.create_task(rig.hub.pusher.run())
    yield rig
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


# ── joining


async def test_a_state_is_loaded_once_for_all_clients(rig: Rig) -> None:
    """A thousand clients that open a page together cost one loading."""
    rig.gate.clear()
    asking = [asyncio.create_task(rig.hub.prepare(["votes:7"], {})) for _ in range(1000)]
    await rig.settle()
    rig.gate.set()
    assert await asyncio.gather(*asking) == [{}] * 1000
    assert rig.loads == [("votes", 7)]


async def test_a_change_while_joining_is_not_lost(rig: Rig) -> None:
    """A change that comes while the state is loaded is in the state or pushed after it; an older one is dropped."""
    rig.gate.clear()
    asking = asyncio.create_task(rig.hub.prepare(["votes:7"], {}))
    await rig.settle()
    rig.vote(99, (1, 9, 9))
    rig.vote(101, (1, 5, 0))
    rig.gate.set()
    await asking
    watcher = Watcher()
    state = rig.hub.join(watcher, "votes:7")
    assert state is not None
    assert (state.at, json.loads(state.whole())["tally"]) == (101, [[1, 5, 0], [2, 0, 0]])


async def test_an_event_while_joining_is_sent_once(rig: Rig) -> None:
    """It is in the state, so the first push has only the events after it."""
    rig.gate.clear()
    asking = asyncio.create_task(rig.hub.prepare(["activity"], {}))
    await rig.settle()
    rig.happen(11, 10)
    rig.gate.set()
    await asking
    watcher = Watcher()
    state = rig.hub.join(watcher, "activity")
    assert state is not None
    assert json.loads(state.whole()) == {"events": [10, 11]}
    rig.happen(12, 11)
    await rig.settle()
    assert watcher.pushes() == [{"ch": "activity", "at": 12, "events": [12]}]


@pytest.mark.parametrize("again", [False, True])
async def test_a_subscriber_that_joins_before_a_push_gets_no_event_twice(rig: Rig, *, again: bool) -> None:
    """Its state has the events that wait for a push: it gets the whole state next, earlier subscribers get the new events."""
    there, watcher = Watcher(), Watcher()
    await rig.watch(there, "activity")
    if again:
        await rig.watch(watcher, "activity")
    rig.happen(11, 10)
    await rig.settle()
    watcher.wire.frames.clear()
    rig.happen(12, 11)
    state = await rig.watch(watcher, "activity")
    assert json.loads(state.whole()) == {"events": [10, 11, 12]}
    rig.happen(13, 12)
    await rig.pass_time(PUSH_INTERVAL_S)
    assert watcher.pushes() == [{"ch": "activity", "at": 13, "events": [10, 11, 12, 13], "gap": True}]
    assert [push["events"] for push in there.pushes()] == [[11], [12, 13]]
    assert watcher.behind_count == 0


async def test_an_older_change_is_dropped_after_joining(rig: Rig) -> None:
    """A late notification does no harm and is not pushed."""
    watcher = Watcher()
    await rig.watch(watcher)
    rig.vote(99, (1, 9, 9))
    await rig.settle()
    assert watcher.wire.frames == []


async def test_an_unknown_channel_is_refused_alone(rig: Rig) -> None:
    """Each channel of a list succeeds or fails by itself."""
    rig.states["votes", 8] = StoreUnavailable("away")
    refused = await rig.hub.prepare(["votes:7", "votes:9", "dreams:7", "votes:8", "status:7"], {})
    assert {name: error.code for name, error in refused.items()} == {
        "votes:9": "not_found", "dreams:7": "not_found", "votes:8": "unavailable",
    }  # fmt: skip
    assert refused["votes:8"].retry_after_ms is not None
    assert rig.hub.join(Watcher(), "votes:9") is None
    rig.states["votes", 8] = TallyState(1, 0, [])
    assert await rig.hub.prepare(["votes:8"], {}) == {}


@pytest.mark.parametrize(("newest", "load_count"), [(130, 2), (100, 2)])
async def test_a_loading_that_began_too_early_is_repeated(rig: Rig, newest: int, load_count: int) -> None:
    """A client that holds a newer state than a loading under way can have seen does not get an older one: the state is
    loaded once more, and only once, even when no newer one exists.
    """
    rig.gate.clear()
    early = asyncio.create_task(rig.hub.prepare(["status:7"], {}))
    await rig.settle()
    rig.states["status", 7] = DocumentState(newest, b'{"voting":"closed"}')
    late = asyncio.create_task(rig.hub.prepare(["status:7"], {"status:7": 120}))
    await rig.settle()
    rig.gate.set()
    assert [await early, await late] == [{}, {}]
    state = rig.hub.join(Watcher(), "status:7")
    assert state is not None
    assert (state.at, len(rig.loads)) == (max(newest, 50), load_count)


async def test_counts_that_become_hidden_before_a_client_joins(rig: Rig) -> None:
    """A show's counts become staff-only between the check and the join: only staff joins. An older rule changes nothing."""
    assert await rig.hub.prepare(["votes:7"], {}) == {}
    rig.hub.restrict(7, Embargo(2, Audience.STAFF))
    rig.hub.restrict(7, Embargo(1, Audience.EVERYONE))
    assert rig.hub.join(Watcher(), "votes:7", Audience.VOTERS) is None
    assert rig.hub.join(Watcher(), "votes:7", Audience.STAFF) is not None


async def test_a_loading_outlives_the_client_that_started_it(rig: Rig) -> None:
    """The first client leaves while the state is loaded; the second still gets it."""
    rig.gate.clear()
    first = asyncio.create_task(rig.hub.prepare(["votes:7"], {}))
    await rig.settle()
    second = asyncio.create_task(rig.hub.prepare(["votes:7"], {}))
    await rig.settle()
    first.cancel()
    rig.gate.set()
    assert await second == {}
    assert rig.loads == [("votes", 7)]


async def test_a_channel_without_watchers_is_forgotten(rig: Rig) -> None:
    """At once when the last subscriber leaves; after a while when no client joined."""
    watcher = Watcher()
    await rig.watch(watcher)
    rig.hub.leave(watcher, "votes:7")
    assert rig.hub.watched("votes") == {}
    await rig.hub.prepare(["status:7"], {})
    assert rig.hub.watched("status") == {7: 50}
    await rig.pass_time(UNWATCHED_S + 1)
    assert rig.hub.watched("status") == {}


async def test_leaving_everything(rig: Rig) -> None:
    """A closed socket is in no channel any more, and nothing is written to it."""
    watcher, other = Watcher(), Watcher()
    for name in ("votes:7", "status:7"):
        await rig.watch(watcher, name)
    await rig.watch(other)
    rig.hub.leave_all(watcher)
    rig.vote(101, (1, 1, 0))
    await rig.settle()
    assert (watcher.channels, watcher.wire.frames) == (set(), [])
    assert other.positions() == [101]
    assert rig.hub.watched("status") == {}


# ── pushing


async def test_a_quiet_channel_is_pushed_at_once(rig: Rig) -> None:
    """The first vote after a pause is pushed without a wait."""
    watcher = Watcher()
    await rig.watch(watcher)
    rig.vote(101, (1, 1, 0))
    await rig.settle()
    assert watcher.pushes() == [{"ch": "votes:7", "at": 101, "tally": [[1, 1, 0]], "total": 1}]


async def test_a_busy_channel_is_pushed_once_an_interval(rig: Rig) -> None:
    """Thousands of changes in two seconds give at most ten pushes a second, and the last push is the newest state."""
    watcher = Watcher()
    await rig.watch(watcher)
    for n in range(2_000):
        rig.vote(101 + n, (1, n + 1, 0))
        await rig.settle()
        await rig.pass_time(0.001)
    await rig.pass_time(1)
    assert 10 <= len(watcher.wire.frames) <= 21
    assert watcher.pushes()[-1] == {"ch": "votes:7", "at": 2_100, "tally": [[1, 2_000, 0]], "total": 2_000}


async def test_pushes_keep_their_distance(rig: Rig) -> None:
    """Two pushes of a channel are an interval apart; another channel does not wait for it."""
    watcher = Watcher()
    await rig.watch(watcher)
    await rig.watch(watcher, "status:7")
    rig.vote(101, (1, 1, 0))
    await rig.settle()
    rig.vote(102, (1, 2, 0))
    await rig.settle()
    rig.hub.replace_document("status:7", 51, b'{"voting":"locked"}')
    await rig.settle()
    assert [push["ch"] for push in watcher.pushes()] == ["votes:7", "status:7"]
    await rig.pass_time(PUSH_INTERVAL_S * 0.9)
    assert len(watcher.wire.frames) == 2
    await rig.pass_time(PUSH_INTERVAL_S * 0.2)
    assert [push["at"] for push in watcher.pushes()] == [101, 51, 102]


async def test_one_frame_for_all(rig: Rig) -> None:
    """The very same bytes are written to every socket."""
    watchers = [Watcher() for _ in range(1_200)]
    for watcher in watchers:
        await rig.watch(watcher)
    rig.vote(101, (1, 1, 0))
    await rig.settle()
    assert [len(watcher.wire.frames) for watcher in watchers] == [1] * len(watchers)
    assert len({id(watcher.wire.frames[0]) for watcher in watchers}) == 1


async def test_nothing_is_written_to_a_closing_socket(rig: Rig) -> None:
    """It gets no push; the others get it."""
    gone, there = Watcher(), Watcher()
    await rig.watch(gone)
    await rig.watch(there)
    gone.wire.close()
    rig.vote(101, (1, 1, 0))
    await rig.settle()
    assert (gone.wire.frames, there.positions()) == ([], [101])


async def test_a_socket_that_is_behind_skips_and_then_gets_the_whole(rig: Rig) -> None:
    """It loses nothing: its next push is complete, and comes even when nothing changes any more."""
    slow, quick = Watcher(), Watcher()
    await rig.watch(slow)
    await rig.watch(quick)
    slow.wire.backed_up = BUFFER_BYTES_MAX + 1
    rig.vote(101, (1, 1, 0))
    await rig.pass_time(PUSH_INTERVAL_S)
    rig.vote(102, (2, 0, 3))
    await rig.pass_time(PUSH_INTERVAL_S * 2)
    assert slow.wire.frames == []
    assert slow.behind_count == 1
    slow.wire.backed_up = 0
    await rig.pass_time(PUSH_INTERVAL_S * 2)
    assert slow.pushes() == [{"ch": "votes:7", "at": 102, "tally": [[1, 1, 0], [2, 0, 3]], "total": 3}]
    assert slow.behind_count == 0
    assert [push["tally"] for push in quick.pushes()] == [[[1, 1, 0]], [[2, 0, 3]]]
    rig.vote(103, (1, 2, 0))
    await rig.pass_time(PUSH_INTERVAL_S * 2)
    assert slow.pushes()[-1]["tally"] == [[1, 2, 0]]


async def test_a_socket_that_leaves_while_behind_is_no_longer_behind(rig: Rig) -> None:
    """Otherwise an event stream would never get an event id again."""
    slow = Watcher()
    await rig.watch(slow)
    slow.wire.backed_up = BUFFER_BYTES_MAX + 1
    rig.vote(101, (1, 1, 0))
    await rig.settle()
    assert slow.behind_count == 1
    rig.hub.leave(slow, "votes:7")
    assert slow.behind_count == 0


# ── positions


async def sliced_push(rig: Rig) -> tuple[list[Watcher], Callable[[], Watcher]]:
    """Six watchers in slices of one, stopped after the first write of a push at 101; gives one not written to yet."""
    watchers = [Watcher() for _ in range(6)]
    for watcher in watchers:
        await rig.watch(watcher)
    rig.vote(101, (1, 1, 0))
    while not any(watcher.wire.frames for watcher in watchers):
        await asyncio.sleep(0)
    return watchers, lambda: next(watcher for watcher in watchers if not watcher.wire.frames)


@pytest.mark.parametrize("rig", [1], indirect=True)
@pytest.mark.parametrize("how", ["join", "leave and join", "subscribe again"])
async def test_a_push_under_way_never_follows_a_newer_state(rig: Rig, how: str) -> None:
    """A subscriber that gets the state at 105 while a push at 101 is being written does not get that push."""
    _, waiting = await sliced_push(rig)
    rig.vote(105, (1, 5, 0))
    watcher = Watcher() if how == "join" else waiting()
    if how == "leave and join":
        rig.hub.leave(watcher, "votes:7")
    state = await rig.watch(watcher)
    assert state.at == 105
    await rig.pass_time(PUSH_INTERVAL_S * 3)
    assert all(position >= 105 for position in watcher.positions())
    rig.vote(106, (1, 6, 0))
    await rig.pass_time(PUSH_INTERVAL_S * 2)
    assert watcher.positions()[-1] == 106


class Crowd:
    """Watchers of show 7 that come, go and get stuck, and the counts that each must hold."""

    def __init__(self, rig: Rig, rng: random.Random) -> None:
        self.rig = rig
        self.rng = rng
        self.watchers = [Watcher() for _ in range(9)]
        self.counts = {1: [0, 0], 2: [0, 0]}
        self.at = 100
        self._held: dict[Watcher, dict[int, list[int]]] = {}
        self._seen = dict.fromkeys(self.watchers, 0)

    @property
    def total(self) -> int:
        """The number of votes."""
        return sum(map(sum, self.counts.values()))

    def read(self, watcher: Watcher) -> None:
        """Takes over the pushes; no position may be older than the one before."""
        for push in watcher.pushes():
            assert push["at"] >= self._seen[watcher]
            self._seen[watcher] = push["at"]
            if watcher in self._held:
                self._held[watcher].update({song: [up, down] for song, up, down in push["tally"]})
        watcher.wire.frames.clear()

    def vote(self, _: Watcher) -> None:
        """One vote, sometimes at the position of the vote before."""
        song = self.rng.choice([1, 2])
        self.counts[song][self.rng.choice([0, 1])] += 1
        self.at += self.rng.randint(0, 3)
        self.rig.hub.publish_tally(7, self.at, self.total, [(song, self.counts[song][0], self.counts[song][1])])

    def late_vote(self, _: Watcher) -> None:
        """A very late notification."""
        self.rig.hub.publish_tally(7, 99, 999, [(1, 999, 999)])

    async def join(self, watcher: Watcher) -> None:
        """Subscribes, also when it is subscribed already."""
        rows = [(song, up, down) for song, (up, down) in self.counts.items()]
        self.rig.states["votes", 7] = TallyState(self.at, self.total, rows)
        state = await self.rig.watch(watcher)
        self.read(watcher)
        assert state.at >= self._seen[watcher]
        self._seen[watcher] = state.at
        self._held[watcher] = {song: [up, down] for song, up, down in json.loads(state.whole())["tally"]}

    def leave(self, watcher: Watcher) -> None:
        """Unsubscribes."""
        self.rig.hub.leave(watcher, "votes:7")
        self.read(watcher)
        self._held.pop(watcher, None)

    def get_stuck(self, watcher: Watcher) -> None:
        """Stops or resumes reading."""
        watcher.wire.backed_up = self.rng.choice([0, BUFFER_BYTES_MAX + 1])

    async def yield_once(self, _: Watcher) -> None:
        """Lets a push get one slice further."""
        await asyncio.sleep(0)

    async def wait(self, _: Watcher) -> None:
        """Lets time pass."""
        await self.rig.pass_time(self.rng.random() * 0.2)

    def check(self) -> None:
        """Every watcher holds the current counts."""
        for watcher in self.watchers:
            self.read(watcher)
            assert self._held.get(watcher, self.counts) == self.counts


@pytest.mark.parametrize("rig", [2], indirect=True)
@pytest.mark.parametrize("seed", range(20))
async def test_positions_never_go_back_and_all_watchers_converge(rig: Rig, seed: int) -> None:
    """Random votes, joins, leaves, repeated subscriptions and stuck sockets, at every point of a sliced push."""
    rng = random.Random(seed)
    crowd = Crowd(rig, rng)
    moves = [crowd.vote, crowd.vote, crowd.late_vote, crowd.join, crowd.join, crowd.leave, crowd.get_stuck,
             crowd.yield_once, crowd.yield_once, crowd.wait]  # fmt: skip
    for _ in range(300):
        done = rng.choice(moves)(rng.choice(crowd.watchers))
        if done is not None:
            await done
    for watcher in crowd.watchers:
        watcher.wire.backed_up = 0
    await rig.pass_time(PUSH_INTERVAL_S * 4)
    crowd.check()
