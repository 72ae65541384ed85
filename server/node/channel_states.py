"""What the hub shows, read from the rooms that own it, and read again when it may have changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import orjson
import structlog

from server.catalog.show_status import advance
from server.catalog.shows import StatusRow, fetch_setlist_state, fetch_status_row
from server.clock import Clock
from server.errors import CacheError, StoreError
from server.insight.activity import fetch_activity, fetch_activity_position
from server.insight.trending import fetch_ranking
from server.live.hub import Hub
from server.live.presence import Ask, Presence
from server.live.states import (
    ActivityState,
    AttendanceState,
    DocumentState,
    SongState,
    State,
    TallyState,
    followers_document,
)
from server.people.relation_counts import fetch_attendance_counts, fetch_follower_counts
from server.protocol.channels import ACTIVITY_EVENTS_MAX
from server.store.database import Database
from server.voting.tallies import Tallies, Tally

log = structlog.get_logger()

TICK_S = 1.0
ADVANCE_EVERY_TICKS = 5
RANKING_EVERY_TICKS = 5


class Feeds:
    """Reads states for the hub, and reads them again when they may have changed.

    Takes: node, its name; ask, of a connection to Valkey
    """

    def __init__(
        self, database: Database, tallies: Tallies, clock: Clock, *, node: str, ask: Ask, buffer_bytes_max: int
    ) -> None:
        self._database = database
        self._tallies = tallies
        self._clock = clock
        self._status_rows: dict[int, StatusRow] = {}  # of shows whose status is watched
        self._loads: dict[str, Callable[[int], Awaitable[State | None]]] = {
            "votes": self._load_votes,
            "song": self._load_song,
            "setlist": self._load_setlist,
            "status": self._load_status,
            "attendance": self._load_attendance,
            "followers": self._load_followers,
            "trending": self._load_trending,
            "activity": self._load_activity,
        }
        self.hub = Hub(self.load, clock, buffer_bytes_max=buffer_bytes_max)
        self.presence = Presence(self.hub, clock, node, ask)

    # ── reading

    async def load(self, kind: str, subject: int) -> State | None:
        """A channel's state; None: there is no such thing.

        Raises: StoreUnavailable
        """
        return await self._loads[kind](subject)

    async def _load_votes(self, show_id: int) -> State | None:
        tally = await self._tallies.read(show_id)
        return None if tally is None else TallyState(tally.at, tally.total, tally.counts, tally.embargo)

    async def _load_song(self, song_id: int) -> State | None:
        show_id = await self._tallies.show_of_song(song_id)
        tally = None if show_id is None else await self._tallies.read(show_id)
        counts = {} if tally is None else {song: (up, down) for song, up, down in tally.counts}
        if show_id is None or tally is None or song_id not in counts:
            return None
        return SongState(tally.at, show_id, *counts[song_id], tally.embargo)

    async def _load_setlist(self, show_id: int) -> State | None:
        setlists = await fetch_setlist_state(self._database, show_id)
        return None if setlists is None else DocumentState(setlists[0], orjson.dumps(setlists[1]))

    async def _load_status(self, show_id: int) -> State | None:
        row = await fetch_status_row(self._database, show_id)
        if row is None:
            return None
        self._status_rows[show_id] = row
        at, state = row.state(self._now())
        return DocumentState(at, orjson.dumps(state))

    async def _load_attendance(self, show_id: int) -> State | None:
        going = (await fetch_attendance_counts(self._database, [show_id])).get(show_id)
        return None if going is None else AttendanceState(*going, *await self.presence.count(show_id))

    async def _load_followers(self, artist_id: int) -> State | None:
        followers = (await fetch_follower_counts(self._database, [artist_id])).get(artist_id)
        return None if followers is None else DocumentState(followers[0], followers_document(followers[1]))

    async def _load_trending(self, _: int) -> State | None:
        at, ranking = await fetch_ranking(self._database)
        return DocumentState(at, orjson.dumps(ranking))

    async def _load_activity(self, _: int) -> State | None:
        return ActivityState(*await fetch_activity(self._database, ACTIVITY_EVENTS_MAX))

    # ── reading again

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
        if show_id in self.hub.watched_tallies():
            # From Valkey if it can be: PostgreSQL may be behind what is shown, and what is older would be dropped.
            # Before the status: whoever reads there that counts are for everyone may ask for them at once.
            self._show_tally(show_id, await self._tallies.read(show_id))
        await self._reload_documents(show_id)

    async def reload_all(self) -> None:
        """After notifications may have been missed."""
        try:
            await self._tallies.revise_all()
        except CacheError as error:
            log.warning("shows.not_revised", error=str(error))
        await self.reload_tallies(list(self.hub.watched_tallies()))
        for show_id in self.hub.watched("setlist").keys() | self.hub.watched("status").keys():
            await self._reload_documents(show_id)
        await self.compare_crowds()

    async def compare_crowds(self) -> None:
        """Reads followers, attendance and activity again as far as they are watched: a statement each.

        Raises: StoreUnavailable
        """
        if artists := self.hub.watched("followers"):
            for artist_id, (at, count) in (await fetch_follower_counts(self._database, artists)).items():
                self.hub.replace_document(f"followers:{artist_id}", at, followers_document(count))
        if shows := self.hub.watched("attendance"):
            for show_id, (at, count) in (await fetch_attendance_counts(self._database, shows)).items():
                self.hub.publish_going(show_id, at, count)
        if (activity := self.hub.watched("activity")) and await fetch_activity_position(self._database) > activity[0]:
            self.hub.replace_activity(*await fetch_activity(self._database, ACTIVITY_EVENTS_MAX))

    async def poll_hot(self, show_ids: list[int]) -> None:
        """Counts from Valkey, while PostgreSQL is away."""
        for show_id, tally in (await self._tallies.read_hot(show_ids)).items():
            self._show_tally(show_id, tally)

    # ── by time

    async def run(self) -> None:
        """What happens by time alone: windows open and close, shows begin and end, scores fade. Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.presence.run(), name="feeds-presence")
            tasks.create_task(self._tick(), name="feeds-clock")

    async def _tick(self) -> None:
        tick = 0
        while True:
            self._show_window_changes()
            try:
                if tick % ADVANCE_EVERY_TICKS == 0:
                    await advance(self._database, self._now())
                if tick % RANKING_EVERY_TICKS == 0 and self.hub.watched("trending"):
                    at, ranking = await fetch_ranking(self._database)
                    self.hub.replace_document("trending", at, orjson.dumps(ranking))
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
            self.hub.restrict(show_id, tally.embargo)
            self.hub.replace_tally(show_id, tally.at, tally.total, tally.counts)

    async def _reload_documents(self, show_id: int) -> None:
        if self.hub.is_open(f"setlist:{show_id}"):
            setlists = await fetch_setlist_state(self._database, show_id)
            if setlists is not None:
                self.hub.replace_document(f"setlist:{show_id}", setlists[0], orjson.dumps(setlists[1]))
        if self.hub.is_open(f"status:{show_id}"):
            row = await fetch_status_row(self._database, show_id)
            if row is not None:
                self._status_rows[show_id] = row
                at, state = row.state(self._now())
                self.hub.replace_document(f"status:{show_id}", at, orjson.dumps(state))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
