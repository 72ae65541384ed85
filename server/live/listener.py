"""The listener: publishes PostgreSQL's notifications, and finds the changes whose notification was lost.

A notification of counts has absolute contents, its position and the position that it follows: lost, repeated or
reordered ones do no harm. Once a second the positions and revisions of all watched shows are compared with the database.
That happens on the listening connection, so it also proves that the connection is alive. While PostgreSQL is away, the
counts of watched shows are polled from Valkey.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import structlog

from server.clock import Clock, backoff_s
from server.errors import CacheError, StoreError
from server.live.hub import Hub
from server.live.states import followers_document
from server.store.listening import Listening
from server.telemetry import LISTENER_RECONNECTS, NOTIFY_LAG_SECONDS
from server.tracing import Traces

log = structlog.get_logger()

COMPARE_INTERVAL_S = 1.0
COMPARE_TIMEOUT_S = 3.0
DEGRADED_POLL_S = 0.5
BACKOFF_S = 0.05
BACKOFF_S_MAX = 1.0


class _Votes(msgspec.Struct, frozen=True, gc=False):
    show: int
    after: int  # the position of the show's change before this one
    at: int
    part: int  # of `parts`, from 0; they come one after the other
    parts: int
    total: int
    tally: list[tuple[int, int, int]]
    ms: int = 0  # of the commit, by the database's clock


class _Commits(msgspec.Struct, frozen=True, gc=False):
    shard: int
    at: int
    entries: list[int]
    ms: int = 0


class _Going(msgspec.Struct, frozen=True, gc=False):
    show: int
    at: int
    going: int


class _Followers(msgspec.Struct, frozen=True, gc=False):
    artist: int
    at: int
    followers: int


class _Activity(msgspec.Struct, frozen=True, gc=False):
    previous: int
    event: msgspec.Raw


class _Event(msgspec.Struct, frozen=True, gc=False):
    at: int


_going_decoder = msgspec.json.Decoder(_Going)
_followers_decoder = msgspec.json.Decoder(_Followers)
_activity_decoder = msgspec.json.Decoder(_Activity)
_event_decoder = msgspec.json.Decoder(_Event)
_votes_decoder = msgspec.json.Decoder(_Votes)
_refusals_decoder = msgspec.json.Decoder(list[tuple[int, int, int, str]])
_commits_decoder = msgspec.json.Decoder(_Commits)


class Committed(Protocol):
    """Learns which log entries are durable (voting.Intake.receipts)."""

    def __call__(self, shard: int, positions: list[int], /) -> None:
        """These entries of a shard are in PostgreSQL."""


class Refused(Protocol):
    """Learns which votes PostgreSQL has refused (voting.PendingAcks.refused)."""

    def __call__(self, votes: list[tuple[int, int, int, str]], /) -> None:
        """These votes of the commits announced next do not count: show, user, cast_ms, reason."""


class Refresher(Protocol):
    """Loads channel states again and publishes them (node.ChannelRefresher).

    Each coroutine raises: StoreUnavailable; poll_hot raises CacheError too
    """

    def revisions(self) -> dict[int, int]:
        """Show -> its oldest revision, of all shows whose counts, sets or status are watched."""

    async def reload_tallies(self, show_ids: list[int]) -> None:
        """Publishes the counts of shows, from PostgreSQL."""

    async def reload_shows(self, show_ids: list[int]) -> None:
        """Renews the rules of shows in Valkey, and publishes their counts, setlists and status."""

    async def reload_relations(self) -> None:
        """Publishes followers, attendance and activity, as far as they are watched."""

    async def reload_all(self) -> None:
        """Publishes everything that is watched, because notifications may have been lost."""

    async def poll_hot(self, show_ids: list[int]) -> None:
        """Publishes the counts of shows, from Valkey."""


class Listener:
    """Keeps a listening connection for as long as the node runs.

    Takes: committed, for committed log entries; refused, for votes that do not count; on_fleet_request, for requests to nodes
           (live/fleet.py); fetch_positions, named query: show_ids, shard_count -> rows of id, position, revision;
           shard_count, of the database
    """

    def __init__(
        self,
        url: str,
        hub: Hub,
        refresher: Refresher,
        clock: Clock,
        *,
        committed: Committed,
        refused: Refused,
        on_fleet_request: Callable[[str], None],
        fetch_positions: Any,
        shard_count: int,
        compare_interval_s: float = COMPARE_INTERVAL_S,
    ) -> None:
        self._url = url
        self._hub = hub
        self._refresher = refresher
        self._clock = clock
        self._committed = committed
        self._refused = refused
        self._on_fleet_request = on_fleet_request
        self._fetch_positions = fetch_positions
        self._shard_count = shard_count
        self._compare_interval_s = compare_interval_s
        self._to_reload: set[int] = set()  # shows whose rules, setlists or status changed
        self._to_read: set[int] = set()  # shows whose counts may be wrong
        self._parts: list[_Votes] = []  # of the notification that is coming, when it is split
        self._has_work = asyncio.Event()
        self.is_listening = False
        self.traces: Traces | None = None  # node sets it when traces are on

    async def run(self) -> None:
        """Listens until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_listening(), name="listener-connection")
            tasks.create_task(self._poll_while_away(), name="listener-poll")

    async def _keep_listening(self) -> None:
        failures = 0
        while True:
            try:
                await self._listen()
            except (StoreError, CacheError) as error:
                log.warning("listener.reconnecting", error=str(error))
            if self.is_listening:
                self.is_listening = False
                failures = 0
            LISTENER_RECONNECTS.inc()
            failures += 1
            await asyncio.sleep(backoff_s(failures, first_s=BACKOFF_S, max_s=BACKOFF_S_MAX))

    async def _listen(self) -> None:
        listening = await Listening.open(
            self._url,
            {
                "votes": self._on_votes,
                "refusals": self._on_refusals,
                "commits": self._on_commits,
                "shows": self._on_show,
                "resets": self._on_reset,
                "fleet": self._on_fleet_request,
                "attendance": self._on_attendance,
                "followers": self._on_followers,
                "activity": self._on_activity,
            },
        )
        try:
            # From here on no notification is missed; changes from before are loaded.
            await self._refresher.reload_all()
            self.is_listening = True
            while not listening.is_over.is_set():
                await self._compare(listening)
                await self._reload_changed()
                try:
                    async with asyncio.timeout(self._compare_interval_s):
                        await self._has_work.wait()
                except TimeoutError:
                    continue
        finally:
            listening.close()

    async def _compare(self, listening: Listening) -> None:
        await self._refresher.reload_relations()
        watched = self._hub.watched_tallies()
        revisions = self._refresher.revisions()
        rows = await listening.rows(
            self._fetch_positions,
            timeout_s=COMPARE_TIMEOUT_S,
            show_ids=list(watched.keys() | revisions.keys()),
            shard_count=self._shard_count,
        )
        for row in rows:
            if row["position"] > watched.get(row["id"], row["position"]):
                self._to_read.add(row["id"])
            if row["revision"] > revisions.get(row["id"], row["revision"]):
                self._to_reload.add(row["id"])

    async def _reload_changed(self) -> None:
        self._has_work.clear()
        reload, self._to_reload = self._to_reload, set()
        read, self._to_read = self._to_read, set()
        if reload:
            await self._refresher.reload_shows(sorted(reload))
        if read:
            await self._refresher.reload_tallies(sorted(read))

    async def _poll_while_away(self) -> None:
        while True:
            await asyncio.sleep(DEGRADED_POLL_S)
            watched = list(self._hub.watched_tallies())
            if self.is_listening or not watched:
                continue
            try:
                await self._refresher.poll_hot(watched)
            except (CacheError, StoreError) as error:
                log.warning("valkey.unreachable", error=str(error))

    # ── notifications

    def _on_votes(self, payload: str) -> None:
        change = _votes_decoder.decode(payload)
        tally = change.tally if change.parts == 1 else self._assembled(change)
        if tally is not None:
            self._hub.publish_tally(
                change.show, change.at, change.total, tally, after=change.after, committed_ms=change.ms
            )

    def _assembled(self, last: _Votes) -> list[tuple[int, int, int]] | None:
        """Keeps the parts of a notification, which come one after the other, until they are complete.

        Gives: all counts with the last part; None: more parts follow, or one is lost. In that case the next change of the
               show follows one that the hub does not have
        """
        if last.part == 0:
            self._parts = []
        self._parts.append(last)
        if last.part < last.parts - 1:
            return None
        parts, self._parts = self._parts, []
        wanted = [(last.show, last.at, number) for number in range(last.parts)]
        if [(part.show, part.at, part.part) for part in parts] != wanted:
            return None
        return [counts for part in parts for counts in part.tally]

    def _on_commits(self, payload: str) -> None:
        commits = _commits_decoder.decode(payload)
        if commits.ms:
            NOTIFY_LAG_SECONDS.observe(max(0, self._clock.now_ms() - commits.ms) / 1000)
        if self.traces is not None:
            self.traces.notified(commits.shard, commits.at, commits.entries, commits.ms)
        self._committed(commits.shard, commits.entries)

    def _on_refusals(self, payload: str) -> None:
        self._refused(_refusals_decoder.decode(payload))

    def _on_show(self, payload: str) -> None:
        self._to_reload.add(int(payload))
        self._has_work.set()

    def _on_reset(self, payload: str) -> None:
        shard = int(payload)
        self._to_read.update(show for show in self._hub.watched_tallies() if show % self._shard_count == shard)
        self._has_work.set()

    def _on_attendance(self, payload: str) -> None:
        change = _going_decoder.decode(payload)
        self._hub.publish_going(change.show, change.at, change.going)

    def _on_followers(self, payload: str) -> None:
        change = _followers_decoder.decode(payload)
        self._hub.replace_document(f"followers:{change.artist}", change.at, followers_document(change.followers))

    def _on_activity(self, payload: str) -> None:
        activity = _activity_decoder.decode(payload)
        event = bytes(activity.event)
        self._hub.publish_activity((_event_decoder.decode(event).at, event), activity.previous)
