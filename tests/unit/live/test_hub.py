"""The hub and the pusher: joining, pushing, sockets that are behind."""

from __future__ import annotations

import asyncio
import json

import pytest

from server.errors import StoreUnavailable
from server.live.hub import UNWATCHED_S
from server.live.pusher import BUFFER_BYTES_MAX, PUSH_INTERVAL_S
from server.live.states import DocumentState, TallyState
from server.protocol.embargo import Audience, Embargo
from tests.support.hub_rig import Rig, Watcher

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


@pytest.mark.parametrize("again", [False, True])
async def test_the_first_push_after_joining_has_a_newer_position(rig: Rig, *, again: bool) -> None:
    """A subscriber that joins between a change and its push has that state already, so the push is for the others."""
    there, watcher = Watcher(), Watcher()
    await rig.watch(there)
    if again:
        await rig.watch(watcher)
    rig.vote(101, (1, 1, 0))
    await rig.settle()
    watcher.wire.frames.clear()
    rig.vote(102, (1, 2, 0))
    state = await rig.watch(watcher)
    assert state.at == 102
    await rig.pass_time(PUSH_INTERVAL_S * 2)
    assert (there.positions(), watcher.positions()) == ([101, 102], [])
    rig.vote(103, (1, 3, 0))
    await rig.pass_time(PUSH_INTERVAL_S)
    assert (there.positions(), watcher.positions()) == ([101, 102, 103], [103])


async def test_a_subscriber_that_was_behind_and_subscribes_again_is_not_behind(rig: Rig) -> None:
    """The reply has the whole state, so no push repeats it."""
    slow = Watcher()
    await rig.watch(slow)
    slow.back_up(BUFFER_BYTES_MAX + 1)
    rig.vote(101, (1, 1, 0))
    await rig.settle()
    assert slow.behind_count == 1
    assert (await rig.watch(slow)).at == 101
    slow.back_up(0)
    await rig.pass_time(PUSH_INTERVAL_S * 3)
    assert (slow.behind_count, slow.wire.frames) == (0, [])


async def test_a_channel_that_missed_a_change_is_loaded_before_it_claims_a_position(rig: Rig) -> None:
    """The notification at 101 is lost. The one at 102 follows it, so its position is shown with the counts of both."""
    watcher = Watcher()
    await rig.watch(watcher)
    rig.states["votes", 7] = TallyState(102, 3, [(1, 1, 0), (2, 0, 2)])
    rig.gate.clear()
    rig.vote(102, (2, 0, 2), after=101)
    await rig.settle()
    assert watcher.pushes() == []
    rig.gate.set()
    await rig.settle()
    assert watcher.pushes() == [{"ch": "votes:7", "at": 102, "tally": [[1, 1, 0], [2, 0, 2]], "total": 3}]
    assert rig.loads == [("votes", 7)] * 2


@pytest.mark.parametrize("without_log", [False, True])
async def test_a_client_that_holds_more_than_can_be_read_now(rig: Rig, *, without_log: bool) -> None:
    """While Valkey is away, the client keeps its counts and comes back. A position that nobody knows is no reason for that."""
    rig.states["votes", 7] = TallyState(100, 1, [(1, 1, 0)], without_log=without_log)
    refused = await rig.hub.prepare(["votes:7"], {"votes:7": 105})
    assert [error.code for error in refused.values()] == ["unavailable"] * without_log
    assert await rig.hub.prepare(["votes:7"], {"votes:7": 99}) == {}


async def test_a_change_that_follows_no_known_state_is_loaded_when_it_came_during_a_loading(rig: Rig) -> None:
    """The loading that is under way may be too old, so another one follows; a position that is never there ends it."""
    watcher = Watcher()
    await rig.watch(watcher)
    rig.gate.clear()
    rig.vote(102, (2, 0, 1), after=101)
    await rig.settle()
    rig.vote(104, (2, 0, 2), after=103)
    rig.states["votes", 7] = TallyState(103, 3, [(1, 1, 0), (2, 0, 2)])
    rig.gate.set()
    await rig.settle()
    assert watcher.positions() == [103]
    assert rig.loads == [("votes", 7)] * 3


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
    watchers = [Watcher() for _ in range(1_200 if rig.seating is None else 300)]
    for watcher in watchers:
        await rig.watch(watcher)
    rig.vote(101, (1, 1, 0))
    await rig.settle()
    assert [len(watcher.wire.frames) for watcher in watchers] == [1] * len(watchers)
    assert len({watcher.wire.frames[0] for watcher in watchers}) == 1
    assert rig.seating is not None or len({id(watcher.wire.frames[0]) for watcher in watchers}) == 1


class CountingFormat:
    """A wire format that keeps what it encodes."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def frame(self, name: str, at: int, fields: bytes) -> bytes:
        """A push; kept."""
        self.frames.append(b"%b %d %b" % (name.encode(), at, fields))
        return self.frames[-1]


async def test_no_frame_is_built_that_nobody_gets(rig: Rig) -> None:
    """The changes for subscribers that are up to date, the whole for those that are behind; each only when there are any."""
    wire = CountingFormat()

    class Reader(Watcher):
        __slots__ = ()
        wire_format = wire

    slow = Reader()
    slow.descriptor = -1  # only websockets have seats
    await rig.watch(slow)
    rig.vote(101, (1, 1, 0))
    await rig.settle()
    slow.back_up(BUFFER_BYTES_MAX + 1)
    rig.vote(102, (1, 2, 0))
    await rig.pass_time(PUSH_INTERVAL_S * 1.5)
    slow.back_up(0)
    await rig.pass_time(PUSH_INTERVAL_S * 2)
    assert wire.frames == [
        b'votes:7 101 "tally":[[1,1,0]],"total":1',
        b'votes:7 102 "tally":[[1,2,0],[2,0,0]],"total":2',
    ]


async def test_a_state_that_nobody_has_decided_about_is_for_staff(rig: Rig) -> None:
    """A new class of states may have counts that an embargo hides, so it is hidden until the hub knows its audience."""

    class Unknown:
        at = 1
        embargo = Embargo(0, Audience.EVERYONE)

        def change(self) -> bytes:
            return b""

    rig.states["status", 7] = Unknown()  # type: ignore[assignment]
    assert await rig.hub.prepare(["status:7"], {}) == {}
    assert rig.hub.audience_of("status:7") == (Audience.STAFF, 0)


async def test_nothing_is_written_to_a_closing_socket(rig: Rig) -> None:
    """It gets no push; the others get it."""
    gone, there = Watcher(), Watcher()
    await rig.watch(gone)
    await rig.watch(there)
    gone.close()
    rig.vote(101, (1, 1, 0))
    await rig.settle()
    assert (gone.wire.frames, there.positions()) == ([], [101])


async def test_a_socket_that_is_behind_skips_and_then_gets_the_whole(rig: Rig) -> None:
    """It loses nothing: its next push is complete, and comes even when nothing changes any more."""
    slow, quick = Watcher(), Watcher()
    await rig.watch(slow)
    await rig.watch(quick)
    slow.back_up(BUFFER_BYTES_MAX + 1)
    rig.vote(101, (1, 1, 0))
    await rig.pass_time(PUSH_INTERVAL_S)
    rig.vote(102, (2, 0, 3))
    await rig.pass_time(PUSH_INTERVAL_S * 2)
    assert slow.wire.frames == []
    assert slow.behind_count == 1
    slow.back_up(0)
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
    slow.back_up(BUFFER_BYTES_MAX + 1)
    rig.vote(101, (1, 1, 0))
    await rig.settle()
    assert slow.behind_count == 1
    rig.hub.leave(slow, "votes:7")
    assert slow.behind_count == 0
