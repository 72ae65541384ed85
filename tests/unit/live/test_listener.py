"""The listener: what it makes of notifications."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.live.listener import Listener
from server.live.pusher import PUSH_INTERVAL_S
from server.live.states import TallyState
from tests.support.hub_rig import Rig, Watcher


@pytest.fixture
def listener(rig: Rig) -> Listener:
    """A listener that publishes to the rig's hub; nothing comes from a database."""
    nothing: Any = None
    return Listener(
        "", rig.hub, nothing, rig.clock, committed=nothing, refused=nothing, on_fleet_request=nothing, fetch_positions=nothing,
        shard_count=16,
    )  # fmt: skip


def part(number: int, at: int, *counts: tuple[int, int, int], after: int = 100) -> str:
    """One of two parts of a notification of show 7."""
    return json.dumps({"show": 7, "after": after, "at": at, "part": number, "parts": 2, "total": 2, "tally": counts})


async def test_a_position_is_published_whole(rig: Rig, listener: Listener) -> None:
    """A notification in two parts is one push, also when the push could be sent after the first part."""
    watcher = Watcher()
    await rig.watch(watcher)
    listener._on_votes(part(0, 101, (1, 1, 0)))
    await rig.pass_time(PUSH_INTERVAL_S)
    assert watcher.pushes() == []
    listener._on_votes(part(1, 101, (2, 1, 0)))
    await rig.settle()
    assert watcher.pushes() == [{"ch": "votes:7", "at": 101, "tally": [[1, 1, 0], [2, 1, 0]], "total": 2}]


async def test_parts_without_the_others_are_dropped(rig: Rig, listener: Listener) -> None:
    """Half a notification publishes nothing; the next one follows a position that the channel does not have."""
    watcher = Watcher()
    await rig.watch(watcher)
    rig.states["votes", 7] = TallyState(103, 3, [(1, 1, 0), (2, 2, 0)])
    listener._on_votes(part(1, 101, (2, 1, 0)))
    listener._on_votes(part(0, 102, (1, 1, 0), after=101))
    listener._on_votes(part(1, 103, (2, 2, 0), after=102))
    await rig.settle()
    assert watcher.pushes() == []
    listener._on_votes(part(0, 103, (1, 1, 0), after=102))
    listener._on_votes(part(1, 103, (2, 2, 0), after=102))
    await rig.settle()
    assert watcher.pushes() == [{"ch": "votes:7", "at": 103, "tally": [[1, 1, 0], [2, 2, 0]], "total": 3}]
