"""A running hub for the tests of the hub and of its positions, which hold for both ways to push."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest

from server.live.io_uring import IoUring, IoUringUnavailable
from server.live.pusher import SLICE_SOCKETS
from server.live.seating import Seating
from server.live.states import ActivityState, DocumentState, TallyState
from tests.support.hub_rig import Rig, Watcher


@pytest.fixture
def uring() -> Iterator[IoUring]:
    """A queue to the kernel; the test is skipped where the system has none."""
    try:
        opened = IoUring()
    except IoUringUnavailable as error:
        pytest.skip(str(error))
    yield opened
    opened.close()


@pytest.fixture
def seating(uring: IoUring) -> Seating:
    """A seating."""
    return Seating(uring)


@pytest.fixture(params=["one by one", "seated"])
def way(request: pytest.FixtureRequest) -> str:
    """The way to push."""
    way: str = request.param
    return way


@pytest.fixture
async def rig(request: pytest.FixtureRequest, way: str) -> AsyncIterator[Rig]:
    """A hub with two songs in show 7. Its parameter is the number of sockets in a slice."""
    seats = request.getfixturevalue("seating") if way == "seated" else None
    rig = Rig(getattr(request, "param", SLICE_SOCKETS), seats)
    rig.states["votes", 7] = TallyState(100, 0, [(1, 0, 0), (2, 0, 0)])
    rig.states["status", 7] = DocumentState(50, b'{"voting":"open"}')
    rig.states["activity", 0] = ActivityState(10, [(10, b"10")])
    Watcher.pusher = rig.pusher if seats else None
    running = asyncio.create_task(rig.pusher.run())
    yield rig
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    Watcher.pusher = None
    while Watcher.with_sockets:
        Watcher.with_sockets.pop().release()
