"""A running hub for the tests of the hub and of its positions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from server.live.pusher import SLICE_SOCKETS
from server.live.states import ActivityState, DocumentState, TallyState
from tests.support.hub_rig import Rig


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
