"""Loads channel states again when they may have changed, and publishes them through the hub.

The listener calls it after notifications (live.listener.Refresher). It also runs every second, because voting windows,
the status of shows and rankings change with time, without a notification.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import orjson
import structlog

from server.catalog.show_status import advance_shows
from server.clock import Clock
from server.errors import CacheError, StoreError
from server.insight.activity import fetch_activity, fetch_activity_position
from server.insight.trending import fetch_ranking
from server.live.hub import Hub
from server.live.states import DocumentState, followers_document
from server.node.channel_states import ChannelStates
from server.people.relation_counts import fetch_attendance_counts, fetch_follower_counts
from server.protocol.channels import ACTIVITY_EVENTS_MAX
from server.store.database import Database
from server.voting.tallies import Tallies, Tally

log = structlog.get_logger()

TICK_S = 1.0
ADVANCE_EVERY_TICKS = 5
RANKING_EVERY_TICKS = 5
LOGGED_SHOWS_MAX = 20


class ChannelRefresher:
    """Keeps the hub's states up to date. Takes: states, which loads documents; hub, which publishes them."""

    def __init__(
        self,
        database: Database,
        tallies: Tallies,
        states: ChannelStates,
        hub: Hub,
        clock: Clock,
        *,
        tick_s: float = TICK_S,
    ) -> None:
        self._database = database
        self._tallies = tallies
        self._states = states
        self._hub = hub
        self._clock = clock
        self._tick_s = tick_s

    # ── after changes

    def revisions(self) -> dict[int, int]:
        """Show -> its oldest revision, of all shows whose counts, sets or status are watched."""
        found = self._hub.revisions()
        for show_id, revision in self._states.status_revisions(self._hub.watched("status")).items():
            found[show_id] = min(revision, found.get(show_id, revision))
        return found

    async def reload_tallies(self, show_ids: list[int]) -> None:
        """Publishes the counts of shows, from PostgreSQL."""
        for show_id in show_ids:
            await self._publish_tally(show_id, await self._tallies.read_committed(show_id))

    async def reload_shows(self, show_ids: list[int]) -> None:
        """Renews the rules of shows in Valkey, and publishes their counts, setlists and status as far as they are watched.

        A change of rules has brought them to Valkey already (voting.rule_changes). This covers rows that somebody changed
        by other means.
        """
        try:
            await self._tallies.revise(show_ids)
        except CacheError as error:
            # When Valkey is back, opening a shard makes its shows cold, and the listener reloads all shows.
            log.warning("shows.not_revised", shows=show_ids[:LOGGED_SHOWS_MAX], error=str(error))
        for show_id in show_ids:
            await self._reload_show(show_id)

    async def _reload_show(self, show_id: int) -> None:
        if show_id in self._hub.watched_tallies():
            # The counts come from Valkey if possible: PostgreSQL may be older than the counts shown, and the hub drops
            # older counts. They come before the status: once a status says that everyone may see the counts, a client
            # may ask for them at once.
            is_published = await self._publish_tally(show_id, await self._tallies.read(show_id))
            if not is_published:
                await self._publish_tally(show_id, await self._tallies.read(show_id))
        await self._reload_documents(show_id)

    async def reload_all(self) -> None:
        """Publishes everything that is watched, because notifications may have been lost."""
        try:
            await self._tallies.revise_all()
        except CacheError as error:
            log.warning("shows.not_revised", error=str(error))
        await self.reload_tallies(list(self._hub.watched_tallies()))
        for show_id in self._hub.watched("setlist").keys() | self._hub.watched("status").keys():
            await self._reload_documents(show_id)
        await self.reload_relations()

    async def reload_relations(self) -> None:
        """Publishes followers, attendance and activity as far as they are watched, with one statement each.

        Raises: StoreUnavailable
        """
        hub = self._hub
        if artists := hub.watched("followers"):
            for artist_id, (at, count) in (await fetch_follower_counts(self._database, artists)).items():
                hub.replace_document(f"followers:{artist_id}", at, followers_document(count))
        if shows := hub.watched("attendance"):
            for show_id, (at, count) in (await fetch_attendance_counts(self._database, shows)).items():
                hub.publish_going(show_id, at, count)
        if (activity := hub.watched("activity")) and await fetch_activity_position(self._database) > activity[0]:
            hub.replace_activity(*await fetch_activity(self._database, ACTIVITY_EVENTS_MAX))

    async def poll_hot(self, show_ids: list[int]) -> None:
        """Publishes the counts of shows from Valkey, while PostgreSQL is down."""
        for show_id, tally in (await self._tallies.read_hot(show_ids)).items():
            await self._publish_tally(show_id, tally)

    # ── by time

    async def run(self) -> None:
        """Ticks until cancelled, because windows open and close, shows begin and end, and scores fade."""
        tick = 0
        while True:
            self._publish_window_changes()
            try:
                if tick % ADVANCE_EVERY_TICKS == 0:
                    await advance_shows(self._database, datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC))
                if tick % RANKING_EVERY_TICKS == 0 and self._hub.watched("trending"):
                    at, ranking = await fetch_ranking(self._database)
                    self._hub.replace_document("trending", at, orjson.dumps(ranking))
            except StoreError as error:
                log.warning("shows.not_advanced", error=str(error))
            tick += 1
            await asyncio.sleep(self._tick_s)

    def _publish_window_changes(self) -> None:
        for show_id, status in self._states.newer_statuses(self._hub.watched("status")).items():
            self._publish(f"status:{show_id}", status)

    async def _publish_tally(self, show_id: int, tally: Tally | None) -> bool:
        """Publishes counts.

        Takes: tally; None: the show is cold or gone, and its last counts stay
        Gives: False: its songs are others than those shown at this position. The log moves on, and when the counts are read
               again, they have a position of their own; the comparison once a second does so too
        """
        if tally is None:
            return True
        self._hub.restrict(show_id, tally.embargo)
        if self._hub.replace_tally(show_id, tally.at, tally.total, tally.counts):
            return True
        try:
            await self._tallies.advance(show_id, tally.at)
        except CacheError as error:
            log.warning("log.not_advanced", show=show_id, error=str(error))
        return False

    async def _reload_documents(self, show_id: int) -> None:
        if self._hub.channel(f"setlist:{show_id}") is not None:
            self._publish(f"setlist:{show_id}", await self._states.load_setlist(show_id))
        if self._hub.channel(f"status:{show_id}") is not None:
            self._publish(f"status:{show_id}", await self._states.load_status(show_id))

    def _publish(self, name: str, document: DocumentState | None) -> None:
        """Publishes a document; None: the show is gone, and its last document stays."""
        if document is not None:
            self._hub.replace_document(name, document.at, document.whole())
