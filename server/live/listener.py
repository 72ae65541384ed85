"""The listener: PostgreSQL's notifications, and what to do when some were missed.

A notification is a hint with absolute contents and a position: lost, repeated or reordered ones do no harm. Once a
second the positions of all watched shows are compared with the database on the listening connection itself, which
also proves that the connection is alive. While PostgreSQL is away the watched shows' counts are polled from Valkey.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from server.clock import Clock
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
BACKOFF_S_MAX = 1.0


class _Votes(msgspec.Struct, frozen=True, gc=False):
    show: int
    at: int
    total: int
    tally: list[tuple[int, int, int]]
    ms: int = 0  # when, by the database's clock


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


class _Happened(msgspec.Struct, frozen=True, gc=False):
    previous: int
    event: msgspec.Raw


class _Event(msgspec.Struct, frozen=True, gc=False):
    at: int


_going_decoder = msgspec.json.Decoder(_Going)
_followers_decoder = msgspec.json.Decoder(_Followers)
_happened_decoder = msgspec.json.Decoder(_Happened)
_event_decoder = msgspec.json.Decoder(_Event)
_votes_decoder = msgspec.json.Decoder(_Votes)
_commits_decoder = msgspec.json.Decoder(_Commits)


@dataclass(frozen=True, slots=True)
class Sources:
    """What the listener needs from the other rooms; app hands it over.

    committed:       (shard, positions) of log entries that are durable now
    fetch_positions: named query, show_ids -> rows of id, position, revision
    reload_tallies:  show ids -> reads and publishes them anew from PostgreSQL
    reload_show:     show id -> reads its rules, setlists and status anew
    compare_crowds:  reads followers, attendance and activity again, as far as they are watched
    reload_all:      the same for everything that may have changed unnoticed
    poll_hot:        show ids -> publishes their counts from Valkey
    asked:           a question to nodes, live/fleet.py
    shard_count:     of the database
    """

    committed: Callable[[int, list[int]], None]
    fetch_positions: Any
    reload_tallies: Callable[[list[int]], Awaitable[None]]
    reload_show: Callable[[int], Awaitable[None]]
    compare_crowds: Callable[[], Awaitable[None]]
    reload_all: Callable[[], Awaitable[None]]
    poll_hot: Callable[[list[int]], Awaitable[None]]
    asked: Callable[[str], None]
    shard_count: int


class Listener:
    """Keeps a listening connection for as long as the node runs."""

    def __init__(self, url: str, hub: Hub, sources: Sources, clock: Clock) -> None:
        self._clock = clock
        self._url = url
        self._hub = hub
        self._sources = sources
        self._to_reload: set[int] = set()  # shows whose rules, setlists or status changed
        self._to_read: set[int] = set()  # shows whose counts may be wrong
        self._has_work = asyncio.Event()
        self.is_listening = False
        self.traces: Traces | None = None  # app gives some when they are wanted

    async def run(self) -> None:
        """Listens until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_listening(), name="listener-connection")
            tasks.create_task(self._poll_while_deaf(), name="listener-poll")

    async def _keep_listening(self) -> None:
        backoff_s = 0.05
        while True:
            try:
                await self._listen()
            except (StoreError, CacheError) as error:
                log.warning("listener.reconnecting", error=str(error))
            if self.is_listening:
                self.is_listening = False
                backoff_s = 0.05
            LISTENER_RECONNECTS.inc()
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, BACKOFF_S_MAX)

    async def _listen(self) -> None:
        listening = await Listening.open(
            self._url,
            {
                "votes": self._on_votes,
                "commits": self._on_commits,
                "shows": self._on_show,
                "resets": self._on_reset,
                "fleet": self._sources.asked,
                "attendance": self._on_attendance,
                "followers": self._on_followers,
                "activity": self._on_activity,
            },
        )
        try:
            # Only now is nothing missed any more; what came before is read.
            await self._sources.reload_all()
            self.is_listening = True
            while not listening.is_over.is_set():
                await self._compare(listening)
                await self._work()
                try:
                    async with asyncio.timeout(COMPARE_INTERVAL_S):
                        await self._has_work.wait()
                except TimeoutError:
                    continue
        finally:
            listening.close()

    async def _compare(self, listening: Listening) -> None:
        await self._sources.compare_crowds()
        watched = self._hub.watched_tallies()
        rows = await listening.rows(self._sources.fetch_positions, timeout_s=COMPARE_TIMEOUT_S, show_ids=list(watched))
        self._to_read.update(row["id"] for row in rows if row["position"] > watched[row["id"]])
        revisions = self._hub.revisions()
        self._to_reload.update(row["id"] for row in rows if row["revision"] > revisions.get(row["id"], row["revision"]))

    async def _work(self) -> None:
        self._has_work.clear()
        reload, self._to_reload = self._to_reload, set()
        read, self._to_read = self._to_read, set()
        for show_id in reload:
            await self._sources.reload_show(show_id)
        if read:
            await self._sources.reload_tallies(sorted(read))

    async def _poll_while_deaf(self) -> None:
        while True:
            await asyncio.sleep(DEGRADED_POLL_S)
            watched = list(self._hub.watched_tallies())
            if self.is_listening or not watched:
                continue
            try:
                await self._sources.poll_hot(watched)
            except (CacheError, StoreError) as error:
                log.warning("valkey.unreachable", error=str(error))

    # ── notifications

    def _on_votes(self, payload: str) -> None:
        change = _votes_decoder.decode(payload)
        self._hub.publish_tally(change.show, change.at, change.total, change.tally, change.ms)

    def _on_commits(self, payload: str) -> None:
        commits = _commits_decoder.decode(payload)
        if commits.ms:
            NOTIFY_LAG_SECONDS.observe(max(0, self._clock.now_ms() - commits.ms) / 1000)
        if self.traces is not None:
            self.traces.notified(commits.shard, commits.at, commits.entries, commits.ms)
        self._sources.committed(commits.shard, commits.entries)

    def _on_show(self, payload: str) -> None:
        self._to_reload.add(int(payload))
        self._has_work.set()

    def _on_reset(self, payload: str) -> None:
        shard = int(payload)
        self._to_read.update(show for show in self._hub.watched_tallies() if show % self._sources.shard_count == shard)
        self._has_work.set()

    def _on_attendance(self, payload: str) -> None:
        change = _going_decoder.decode(payload)
        self._hub.publish_going(change.show, change.at, change.going)

    def _on_followers(self, payload: str) -> None:
        change = _followers_decoder.decode(payload)
        self._hub.replace_document(f"followers:{change.artist}", change.at, followers_document(change.followers))

    def _on_activity(self, payload: str) -> None:
        happened = _happened_decoder.decode(payload)
        event = bytes(happened.event)
        self._hub.publish_activity((_event_decoder.decode(event).at, event), happened.previous)
