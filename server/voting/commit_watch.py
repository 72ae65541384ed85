"""Watches whether somebody commits the logs.

A log is stalled when it has entries and the committed position does not move. Then the lease's holder is a ghost (its
process is stopped, or it reaches only one of the engines), or PostgreSQL refuses the entries. Every node watches every log.
It says so, and its writer commits the log without the lease: only the fencing guarantees correctness.
"""

from __future__ import annotations

import asyncio

import structlog

from server.cache.cluster import connection_to
from server.clock import Clock
from server.errors import CacheError, StoreError
from server.store.database import Database
from server.telemetry import COMMITS_STALLED_SECONDS
from server.voting.log import read_logs
from server.voting.queries import voting as queries

log = structlog.get_logger()

LOOK_EVERY_S = 1.0
STALLED_S = 5.0


class CommitWatch:
    """Looks at the logs of all shards. Takes: url, of Valkey."""

    def __init__(self, url: str, database: Database, clock: Clock) -> None:
        self._connection = connection_to(url)
        self._database = database
        self._clock = clock
        # shard with waiting entries -> its committed position, and since when that stands still
        self._waiting: dict[int, tuple[int, float]] = {}
        self._stalled: frozenset[int] = frozenset()

    async def run(self) -> None:
        """Looks until cancelled."""
        try:
            while True:
                try:
                    await self._look()
                except (StoreError, CacheError):
                    # An engine is away, and other parts say so. Nobody can commit, so nothing is known about ghosts.
                    self._waiting = {}
                self._tell()
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            await self._connection.close()

    def stalled(self) -> frozenset[int]:
        """The shards whose log nobody commits."""
        return self._stalled

    @property
    def why_not_ready(self) -> str:
        """Which shards are stalled; empty: none."""
        if not self._stalled:
            return ""
        shards = ", ".join(map(str, sorted(self._stalled)))
        return f"nobody has committed the votes of shards {shards} for {self.longest_s():.0f} s"

    async def _look(self) -> None:
        async with self._database.connection() as connection:
            positions = {row["shard"]: row["position"] async for row in queries.fetch_positions(connection)}
        streams = await read_logs(self._connection, positions, count=1)
        now_s = self._clock.monotonic_s()
        before, self._waiting = self._waiting, {}
        for shard, _ in streams:
            position, since_s = before.get(shard, (-1, now_s))
            self._waiting[shard] = (positions[shard], since_s if position == positions[shard] else now_s)

    def longest_s(self) -> float:
        """For how long nobody has committed a log that has entries; 0: every log is committed."""
        now_s = self._clock.monotonic_s()
        return max((now_s - since_s for _, since_s in self._waiting.values()), default=0.0)

    def _tell(self) -> None:
        until_s = self._clock.monotonic_s() - STALLED_S
        stalled = frozenset(shard for shard, (_, since_s) in self._waiting.items() if since_s <= until_s)
        COMMITS_STALLED_SECONDS.set(self.longest_s())
        if stalled != self._stalled:
            self._stalled = stalled
            if stalled:
                log.error("commits.stalled", shards=sorted(stalled), for_s=round(self.longest_s(), 1))
            else:
                log.info("commits.resumed")
