"""Loads channel states for the hub from the rooms that own them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

import orjson

from server.catalog.shows import StatusRow, fetch_setlist_state, fetch_status_row
from server.clock import Clock, utc_now
from server.insight.activity import fetch_activity
from server.insight.trending import fetch_ranking
from server.live.presence import Presence
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
from server.voting.tallies import Tallies


class ChannelStates:
    """Loads a state by the kind of its channel and the id of its subject.

    Takes: database, of the vote path, for states that are loaded again; first_reads, for those that a client asks for:
           these never take a connection of the vote path
    """

    def __init__(
        self, database: Database, first_reads: Database, tallies: Tallies, clock: Clock, presence: Presence
    ) -> None:
        self._database = database
        self._first_reads = first_reads
        self._tallies = tallies
        self._clock = clock
        self._presence = presence
        self._status_rows: dict[int, StatusRow] = {}  # of shows whose status was loaded
        self._loads: dict[str, Callable[[int], Awaitable[State | None]]] = {
            "votes": self._load_votes,
            "song": self._load_song,
            "setlist": self._load_first_setlist,
            "status": self._load_first_status,
            "attendance": self._load_attendance,
            "followers": self._load_followers,
            "trending": self._load_trending,
            "activity": self._load_activity,
        }

    def add(self, kind: str, load: Callable[[int], Awaitable[State]]) -> None:
        """Adds a kind whose states another part makes."""
        self._loads[kind] = load

    async def load(self, kind: str, subject: int) -> State | None:
        """The first state of a channel, for clients that ask; None: the id names nothing.

        Raises: StoreUnavailable
        """
        return await self._loads[kind](subject)

    async def load_setlist(self, show_id: int) -> DocumentState | None:
        """A show's setlists, loaded again; None: no such show."""
        return await self._read_setlist(self._database, show_id)

    async def load_status(self, show_id: int) -> DocumentState | None:
        """A show's status now, loaded again; None: no such show."""
        return await self._read_status(self._database, show_id)

    async def _load_first_setlist(self, show_id: int) -> State | None:
        return await self._read_setlist(self._first_reads, show_id)

    async def _load_first_status(self, show_id: int) -> State | None:
        return await self._read_status(self._first_reads, show_id)

    async def _read_setlist(self, database: Database, show_id: int) -> DocumentState | None:
        setlists = await fetch_setlist_state(database, show_id)
        return None if setlists is None else DocumentState(setlists[0], orjson.dumps(setlists[1]))

    async def _read_status(self, database: Database, show_id: int) -> DocumentState | None:
        row = await fetch_status_row(database, show_id)
        if row is None:
            return None
        self._status_rows[show_id] = row
        at, state = row.state(utc_now(self._clock))
        return DocumentState(at, orjson.dumps(state))

    def status_revisions(self, shown: Iterable[int]) -> dict[int, int]:
        """The revisions of statuses that are shown. Positions do not tell: they also follow the window's edges."""
        return {show: row.revision for show in shown if (row := self._status_rows.get(show)) is not None}

    def newer_statuses(self, shown: Mapping[int, int]) -> dict[int, DocumentState]:
        """Statuses that changed by time alone: windows open and close without a change in the database.

        Takes: shown, by show the position of the status that is shown; rows of all other shows are forgotten
        """
        self._status_rows = {show: row for show, row in self._status_rows.items() if show in shown}
        now = utc_now(self._clock)
        states = {show: row.state(now) for show, row in self._status_rows.items()}
        return {show: DocumentState(at, orjson.dumps(s)) for show, (at, s) in states.items() if at > shown[show]}

    async def _load_votes(self, show_id: int) -> State | None:
        tally = await self._tallies.read(show_id, self._first_reads)
        return (
            None
            if tally is None
            else TallyState(tally.at, tally.total, tally.counts, tally.embargo, without_log=tally.without_log)
        )

    async def _load_song(self, song_id: int) -> State | None:
        show_id = await self._tallies.show_of_song(song_id, self._first_reads)
        tally = None if show_id is None else await self._tallies.read(show_id, self._first_reads)
        counts = {} if tally is None else {song: (up, down) for song, up, down in tally.counts}
        if show_id is None or tally is None or song_id not in counts:
            return None
        return SongState(tally.at, show_id, *counts[song_id], tally.embargo, without_log=tally.without_log)

    async def _load_attendance(self, show_id: int) -> State | None:
        going = (await fetch_attendance_counts(self._first_reads, [show_id])).get(show_id)
        return None if going is None else AttendanceState(*going, *await self._presence.count(show_id))

    async def _load_followers(self, artist_id: int) -> State | None:
        followers = (await fetch_follower_counts(self._first_reads, [artist_id])).get(artist_id)
        return None if followers is None else DocumentState(followers[0], followers_document(followers[1]))

    async def _load_trending(self, _: int) -> State | None:
        at, ranking = await fetch_ranking(self._first_reads)
        return DocumentState(at, orjson.dumps(ranking))

    async def _load_activity(self, _: int) -> State | None:
        return ActivityState(*await fetch_activity(self._first_reads, ACTIVITY_EVENTS_MAX))
