"""What the hub shows, read from the rooms that own it: counts from voting, setlists and status from the catalogue."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import orjson
import structlog

from server.catalog.calendar import advance
from server.catalog.shows import StatusRow, fetch_setlist_state, fetch_status_row
from server.clock import Clock
from server.errors import CacheError, StoreError
from server.live.hub import Hub
from server.live.states import DocumentState, State, TallyState
from server.store.database import Database
from server.voting.tallies import Tallies, Tally

log = structlog.get_logger()

TICK_S = 1.0
ADVANCE_EVERY_TICKS = 5


class Feeds:
    """Reads states for the hub, and reads them again when they may have changed."""

    def __init__(self, database: Database, tallies: Tallies, clock: Clock, *, buffer_bytes_max: int) -> None:
        self._database = database
        self._tallies = tallies
        self._clock = clock
        self._status_rows: dict[int, StatusRow] = {}  # of shows whose status is watched
        self.hub = Hub(self.load, clock, buffer_bytes_max=buffer_bytes_max)

    async def load(self, kind: str, show_id: int) -> State | None:
        """A channel's state; None: no such show.

        Raises: StoreUnavailable
        """
        if kind == "votes":
            tally = await self._tallies.read(show_id)
            return None if tally is None else TallyState(tally.at, tally.total, tally.counts)
        if kind == "setlist":
            setlists = await fetch_setlist_state(self._database, show_id)
            return None if setlists is None else DocumentState(setlists[0], orjson.dumps(setlists[1]))
        row = await fetch_status_row(self._database, show_id)
        if row is None:
            return None
        self._status_rows[show_id] = row
        at, state = row.state(self._now())
        return DocumentState(at, orjson.dumps(state))

    async def reload_tallies(self, show_ids: list[int]) -> None:
        """Reads counts anew from PostgreSQL and shows them."""
        for show_id in show_ids:
            self._show_tally(show_id, await self._tallies.read_committed(show_id))

    async def reload_show(self, show_id: int) -> None:
        """After a change to a show: its hot rules, its songs, setlists and status."""
        try:
            await self._tallies.revise([show_id])
        except CacheError as error:
            # The listener tries all shows again when Valkey is back: opening a shard makes it cold.
            log.warning("show.not_revised", show=show_id, error=str(error))
        await self._reload_documents(show_id)
        if show_id in self.hub.watched("votes"):
            # From Valkey if it can be: PostgreSQL may be behind what is shown, and what is older would be dropped.
            self._show_tally(show_id, await self._tallies.read(show_id))

    async def reload_all(self) -> None:
        """After notifications may have been missed."""
        try:
            await self._tallies.revise_all()
        except CacheError as error:
            log.warning("shows.not_revised", error=str(error))
        await self.reload_tallies(list(self.hub.watched("votes")))
        for show_id in self.hub.watched("setlist").keys() | self.hub.watched("status").keys():
            await self._reload_documents(show_id)

    async def poll_hot(self, show_ids: list[int]) -> None:
        """Counts from Valkey, while PostgreSQL is away."""
        for show_id, tally in (await self._tallies.read_hot(show_ids)).items():
            self._show_tally(show_id, tally)

    async def run(self) -> None:
        """What happens by time alone: windows open and close, shows begin and end. Until cancelled."""
        tick = 0
        while True:
            self._show_window_changes()
            if tick % ADVANCE_EVERY_TICKS == 0:
                try:
                    await advance(self._database, self._now())
                except StoreError as error:
                    log.warning("shows.not_advanced", error=str(error))
            tick += 1
            await asyncio.sleep(TICK_S)

    def _show_window_changes(self) -> None:
        watched = self.hub.watched("status")
        self._status_rows = {show: row for show, row in self._status_rows.items() if show in watched}
        for show_id, row in self._status_rows.items():
            at, state = row.state(self._now())
            if at > watched[show_id]:
                self.hub.replace_document(f"status:{show_id}", at, orjson.dumps(state))

    def _show_tally(self, show_id: int, tally: Tally | None) -> None:
        """None: the show is cold, or gone; what is shown of it stays."""
        if tally is not None:
            self.hub.replace_tally(show_id, tally.at, tally.total, tally.counts)

    async def _reload_documents(self, show_id: int) -> None:
        if show_id in self.hub.watched("setlist"):
            setlists = await fetch_setlist_state(self._database, show_id)
            if setlists is not None:
                self.hub.replace_document(f"setlist:{show_id}", setlists[0], orjson.dumps(setlists[1]))
        if show_id in self.hub.watched("status"):
            row = await fetch_status_row(self._database, show_id)
            if row is not None:
                self._status_rows[show_id] = row
                at, state = row.state(self._now())
                self.hub.replace_document(f"status:{show_id}", at, orjson.dumps(state))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
