"""Finds pending acknowledgements whose commit is late, and settles them with PostgreSQL.

Normally a notification of each commit acknowledges its casts. This loop covers the rest: a commit that takes longer
than ACCEPT_AFTER_S, a notification that never came, and an entry that Valkey lost.
"""

from __future__ import annotations

import asyncio

import msgspec
import structlog

from server.cache.connection import Connection
from server.cache.keys import meta_key
from server.clock import Clock
from server.errors import CacheError, StoreError
from server.store.database import Database
from server.telemetry import VOTES_LOST
from server.voting.log import reopen_shard
from server.voting.pending_acks import PendingAcks
from server.voting.queries import voting as queries
from server.voting.rules import RefusedVote

log = structlog.get_logger()

ACCEPT_AFTER_S = 1.0
ACCEPT_EVERY_S = 0.1
SETTLE_EVERY_S = 1.0


class Settlement:
    """Answers "accepted" when a commit is late, and asks PostgreSQL about entries whose notification is overdue.

    Takes: connection, the intake's, so that a shard it opens is open for the next round
    """

    def __init__(self, pending_acks: PendingAcks, database: Database, connection: Connection, clock: Clock) -> None:
        self._pending_acks = pending_acks
        self._database = database
        self._connection = connection
        self._clock = clock

    async def run(self) -> None:
        """Works until cancelled."""
        settled_s = self._clock.monotonic_s()
        while True:
            await asyncio.sleep(ACCEPT_EVERY_S)
            now_s = self._clock.monotonic_s()
            self._pending_acks.accept_older(now_s - ACCEPT_AFTER_S)
            if now_s - settled_s >= SETTLE_EVERY_S:
                settled_s = now_s
                await self._settle(now_s - ACCEPT_AFTER_S)

    async def _settle(self, before_s: float) -> None:
        """Asks PostgreSQL about entries that were sent before `before_s`."""
        oldest = self._pending_acks.oldest_by_shard(before_s)
        if not oldest:
            return
        try:
            async with self._database.snapshot() as connection:
                rows = [
                    row
                    async for row in queries.fetch_commits(
                        connection, shards=list(oldest), positions=list(oldest.values())
                    )
                ]
        except StoreError as error:
            self._warn(error)
            return
        for row in rows:
            # Before the entries: a vote that was refused is in a committed entry, and does not count.
            for votes in msgspec.json.decode(row["refused"] or b"[]", type=list[list[RefusedVote]]):
                self._pending_acks.refused(votes)
            lost = self._pending_acks.settle(row["shard"], row["position"], set(row["entries"]))
            if lost_count := sum(len(entry.acks) for entry in lost if entry.is_accepted):
                VOTES_LOST.inc(lost_count)
                log.error("votes.lost", shard=row["shard"], casts=lost_count, committed=row["position"])
            # Somebody may have been shown counts with these entries, and later commits change other songs only.
            if lost and lost[-1].position > row["reset_position"]:
                await self._open(row["shard"], is_forked=True)
        await self._reset_cut_shards({row["shard"] for row in rows if row["position"] < oldest[row["shard"]]}, oldest)

    async def _reset_cut_shards(self, shards: set[int], oldest: dict[int, int]) -> None:
        """Resets shards whose log ends before a pending entry, and moves them past it.

        The next settlement then reports that entry as lost.
        """
        if not shards:
            return
        try:
            ends = await self._connection.ask_shards([("HGET", meta_key(shard), "last") for shard in shards])
        except (CacheError, StoreError) as error:
            # StoreError: a connection that is new opens the shards.
            self._warn(error)
            return
        for shard, end in zip(shards, ends, strict=True):
            if end is not None and not isinstance(end, CacheError) and int(end) < oldest[shard]:
                await self._open(shard, awaited=oldest[shard])

    async def _open(self, shard: int, *, is_forked: bool = False, awaited: int = 0) -> None:
        try:
            await reopen_shard(self._database, self._connection, shard, is_forked=is_forked, awaited=awaited)
        except (CacheError, StoreError) as error:
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        log.warning("acks.not_settled", error=str(error), casts=self._pending_acks.cast_count)
