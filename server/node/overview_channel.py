"""The channel `overview`: while somebody watches it, one overview a second."""

from __future__ import annotations

import asyncio

import msgspec

from server.admin.overview import Overviews
from server.clock import Clock
from server.live.hub import Hub
from server.live.states import OverviewState
from server.protocol.positions import SEQ_BITS

EVERY_S = 1.0


class OverviewChannel:
    """Makes overviews for the administrators who watch. Its position is the time, so it grows on every node."""

    def __init__(self, hub: Hub, overviews: Overviews, clock: Clock) -> None:
        self._hub = hub
        self._overviews = overviews
        self._clock = clock

    async def load(self, _subject: int = 0) -> OverviewState:
        """The overview now."""
        overview = await self._overviews.overview()
        return OverviewState(self._clock.now_ms() << SEQ_BITS, msgspec.json.encode(overview))

    async def run(self) -> None:
        """Publishes until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            if self._hub.watched("overview"):
                state = await self.load()
                self._hub.replace_document("overview", state.at, state.whole())
