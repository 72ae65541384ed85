"""Subscribers with a seat: what a push does to them, and what takes the seat away. Each has a real socket."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

import pytest

from server.live.channel import GAPS_KEPT
from server.live.io_uring import ENTRY_BYTES
from server.live.pusher import BUFFER_BYTES_MAX, PUSH_INTERVAL_S
from tests.support.hub_rig import Rig, SocketTransport, Watcher

pytestmark = pytest.mark.parametrize("way", ["seated"], indirect=True)


def seated(*watchers: Watcher) -> list[bool]:
    """Which of these have a seat."""
    return [watcher.cohort is not None for watcher in watchers]


async def pushed(rig: Rig, at: int) -> None:
    """One push at a position."""
    rig.vote(at, (1, at - 100, 0))
    await rig.pass_time(PUSH_INTERVAL_S)


async def test_a_subscriber_gets_its_seat_with_the_first_push(rig: Rig) -> None:
    """The push reaches it one by one, the next ones from its seat; both count as frames."""
    watcher = Watcher()
    assert await rig.hub.prepare(["votes:7"], {}) == {}
    rig.hub.join(watcher, "votes:7")
    assert seated(watcher) == [False]
    await pushed(rig, 101)
    assert seated(watcher) == [True]
    await pushed(rig, 102)
    assert (watcher.positions(), rig.pusher.frame_count) == ([101, 102], 2)


async def test_two_changed_channels_are_one_write(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscriber of both gets both frames with one send; one that watches one of them gets that frame only."""
    both, one = Watcher(), Watcher()
    for name in ("votes:7", "status:7"):
        await rig.watch(both, name)
    await rig.watch(one, "status:7")
    sent: list[int] = []
    assert rig.seating is not None
    queue = rig.seating.uring.queue

    def count(rows: memoryview) -> None:
        sent.append(len(rows) // ENTRY_BYTES)
        queue(rows)

    monkeypatch.setattr(rig.seating.uring, "queue", count)
    rig.vote(101, (1, 1, 0))
    rig.hub.replace_document("status:7", 51, b'{"voting":"locked"}')
    await rig.settle()
    assert sum(sent) == 2
    assert [push["ch"] for push in both.pushes()] == ["votes:7", "status:7"]
    assert [push["ch"] for push in one.pushes()] == ["status:7"]
    assert rig.pusher.frame_count == 3


async def test_two_changed_channels_are_one_write_without_a_seat(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for subscribers that are served one by one."""
    watcher = Watcher()
    for name in ("votes:7", "status:7"):
        await rig.watch(watcher, name)
    watcher.back_up(0)
    writes: list[int] = []
    write = os.write

    def count(descriptor: int, data: bytes) -> int:
        writes.append(descriptor)
        return write(descriptor, data)

    monkeypatch.setattr("server.live.pusher.os.write", count)
    rig.vote(101, (1, 1, 0))
    rig.hub.replace_document("status:7", 51, b'{"voting":"locked"}')
    await rig.settle()
    assert [push["ch"] for push in watcher.pushes()] == ["votes:7", "status:7"]
    assert len(writes) == 1


async def test_a_stalled_socket_holds_nobody_up_and_misses_nothing(rig: Rig) -> None:
    """The kernel takes nothing for it: its transport gets the frame, the others have theirs, and it has no seat for now."""
    slow, quick = Watcher(), Watcher()
    for watcher in (slow, quick):
        await rig.watch(watcher)
    assert isinstance(slow.wire, SocketTransport)
    frames: list[bytes] = []
    slow.wire.write = frames.append  # type: ignore[method-assign, assignment]
    with suppress(BlockingIOError):
        while slow.wire.ours.send(b"\x8a\x00" * 4096):
            pass
    await pushed(rig, 101)
    assert quick.positions() == [101]
    assert seated(slow, quick) == [False, True]
    assert [b'"at":101' in frame for frame in frames] == [True]


@pytest.mark.parametrize("has_seat", [True, False])
async def test_a_socket_that_takes_a_part_gets_the_rest_from_its_transport(rig: Rig, *, has_seat: bool) -> None:
    """No byte is lost or sent twice, and it has no seat until its transport is empty."""
    slow, quick = Watcher(), Watcher()
    for watcher in (slow, quick):
        await rig.watch(watcher)
    assert isinstance(slow.wire, SocketTransport)
    slow.wire.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    rest: list[bytes] = []
    slow.wire.write = rest.append  # type: ignore[method-assign, assignment]
    if not has_seat:
        slow.back_up(0)
    rig.vote(101, *[(song, 1, 0) for song in range(4_000)])
    await rig.settle()
    assert seated(slow, quick) == [False, True]
    taken = slow.wire.theirs.recv(1 << 20)
    assert taken
    assert rest
    assert taken + b"".join(rest) == quick.wire.frames[0]


async def test_a_subscriber_that_is_behind_in_one_channel_has_no_seat(rig: Rig) -> None:
    """It has skipped a state of the votes. A push of the status reaches it, and then the whole tally."""
    slow = Watcher()
    for name in ("votes:7", "status:7"):
        await rig.watch(slow, name)
    slow.back_up(BUFFER_BYTES_MAX + 1)
    rig.vote(101, (1, 1, 0))
    await rig.settle()
    slow.back_up(0)
    rig.hub.replace_document("status:7", 51, b'{"voting":"locked"}')
    await rig.settle()
    assert seated(slow) == [False]
    rig.vote(102, (2, 0, 1))
    await rig.pass_time(PUSH_INTERVAL_S * 2)
    assert [push.get("tally") for push in slow.pushes()] == [None, [[1, 1, 0], [2, 0, 1]]]


@pytest.mark.parametrize("rig", [2], indirect=True)
async def test_bytes_that_wait_in_the_transport_come_before_a_push_under_way(rig: Rig) -> None:
    """A reply is written to a subscriber in the middle of a push. It gets this push after the reply, and once."""
    watchers = await rig.half_pushed()
    has, waits = ([watcher for watcher in watchers if bool(watcher.wire.frames) is done] for done in (True, False))
    assert (len(has), len(waits)) == (2, 4)
    for watcher in (has[0], waits[0]):
        rig.pusher.serve_alone(watcher)
    await rig.settle()
    assert [watcher.positions() for watcher in watchers] == [[101]] * 6
    assert rig.pusher.frame_count == 6
    await pushed(rig, 102)
    assert [watcher.positions() for watcher in watchers] == [[101, 102]] * 6


@pytest.mark.parametrize("rig", [2], indirect=True)
@pytest.mark.parametrize("when", ["before its turn", "after its turn"])
async def test_other_channels_in_the_middle_of_a_push(rig: Rig, when: str) -> None:
    """A subscriber that watches one channel more gets the push under way once, and both channels from then on."""
    watchers = await rig.half_pushed()
    has_it = when == "after its turn"
    mover = next(watcher for watcher in watchers if bool(watcher.wire.frames) is has_it)
    await rig.hub.prepare(["status:7"], {})
    rig.hub.join(mover, "status:7")
    rig.hub.replace_document("status:7", 51, b'{"voting":"locked"}')
    await rig.settle()
    await pushed(rig, 102)
    assert [(push["ch"], push["at"]) for push in mover.pushes()] == [
        ("votes:7", 101), ("status:7", 51), ("votes:7", 102),
    ]  # fmt: skip
    assert [watcher.positions() for watcher in watchers if watcher is not mover] == [[101, 102]] * 5


async def test_a_socket_that_has_left_is_let_go(rig: Rig) -> None:
    """The peer sees the end of the connection at once, and whoever gets the descriptor's number gets no push."""
    leaver, stays = Watcher(), Watcher()
    for watcher in (leaver, stays):
        await rig.watch(watcher)
    await pushed(rig, 101)
    assert isinstance(leaver.wire, SocketTransport)
    number = leaver.wire.ours.fileno()
    rig.hub.leave_all(leaver)
    leaver.wire.ours.close()
    assert leaver.positions() == [101]
    assert leaver.wire.theirs.recv(10) == b""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert number in (ours.fileno(), theirs.fileno())
        for end in (ours, theirs):
            end.setblocking(False)
        await pushed(rig, 102)
        for end in (ours, theirs):
            with pytest.raises(BlockingIOError):
                end.recv(10)
    assert stays.positions() == [101, 102]


async def test_many_that_leave_make_no_gaps_for_ever(rig: Rig) -> None:
    """The rows close up when a quarter of them is empty, and everyone that is left gets the push."""
    watchers = [Watcher() for _ in range(4 * GAPS_KEPT)]
    for watcher in watchers:
        await rig.watch(watcher)
    cohort = watchers[0].cohort
    assert cohort is not None
    for watcher in watchers[::2]:
        rig.hub.leave_all(watcher)
    assert (len(cohort), len(cohort.subscribers)) == (2 * GAPS_KEPT, 4 * GAPS_KEPT)
    await pushed(rig, 101)
    assert len(cohort.subscribers) == 2 * GAPS_KEPT
    assert [watcher.positions() for watcher in watchers] == [[], [101]] * (2 * GAPS_KEPT)
    for watcher in watchers[1::2]:
        rig.hub.leave_all(watcher)
    assert rig.seating is not None
    assert list(rig.seating.cohorts_of("votes:7")) == []


async def test_a_peer_that_has_gone_loses_its_seat_and_no_one_else_a_push(rig: Rig) -> None:
    """The reading side ends its connection."""
    gone, there = Watcher(), Watcher()
    for watcher in (gone, there):
        await rig.watch(watcher)
    assert isinstance(gone.wire, SocketTransport)
    gone.wire.theirs.close()
    rig.vote(101, (1, 1, 0))
    await rig.settle()
    assert seated(gone, there) == [False, True]
    assert there.positions() == [101]
