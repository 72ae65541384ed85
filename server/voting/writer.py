"""The writer: moves the log into PostgreSQL, exactly once.

One transaction drains all shards that this node holds: it moves each shard's position from the old to the new value,
writes the compacted votes, and notifies all nodes. If a position no longer has the old value, another writer has committed,
and the transaction does nothing (the fencing). The position is stored beside the data, so a crash at any moment leaves
both or neither.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import structlog

from server.cache.cluster import connection_to
from server.cache.connection import Command
from server.cache.keys import meta_key, shard_prefix, spent_key
from server.clock import Clock, backoff_s
from server.errors import CacheError, StoreError
from server.protocol.positions import SEQ_BITS
from server.store.database import Database, committed
from server.telemetry import COMMIT_SECONDS, COMMIT_VOTES, VOTES_COMMITTED, VOTES_REFUSED, WRITER_LAG_MS
from server.tracing import Traces
from server.voting.compaction import Compacted, ShardBatch, compact, take_entries
from server.voting.leases import Leases
from server.voting.log import COOL_SCRIPT, decode_entry, read_logs, reopen_shard, trim_command
from server.voting.queries import voting as queries
from server.voting.rules import RefusedVote, shard_of

log = structlog.get_logger()

LEASE_REFRESH_S = 0.5
# A small transaction costs nearly as much as a large one. So the time between two starts is the time that the last one took, times this
# factor, but at most COMMIT_INTERVAL_S. Few votes are durable soon. Many votes, or a slow PostgreSQL, make larger transactions.
COMMIT_PAUSE_FACTOR = 1.25
COMMIT_INTERVAL_S = 0.04
BATCH_VOTES_MAX = 2_000
READ_ENTRIES_MAX = 10
IDLE_BLOCK_MS = 200
# A second transaction is sent while the first one runs, so PostgreSQL does not wait for this node's busy event loop. It
# waits for the first one's row of log_positions, and does nothing if the first one did nothing. If it arrives before
# the first one, it does nothing either, and is sent again.
COMMITS_IN_FLIGHT_MAX = 2
# The hot copy of a show is removed after COOL_IDLE_S without a cast, or after COOL_OVER_S when its voting is over. Valkey's
# memory is then bounded by the shows that are live.
COOL_EVERY_S = 60.0
COOL_IDLE_S = 1_800.0
COOL_OVER_S = 120.0
BACKOFF_S = 0.05
BACKOFF_S_MAX = 1.0
LOGGED_SHOWS_MAX = 20


def interval_s(commit_s: float) -> float:
    """The time between the starts of two transactions. Takes: commit_s, how long the last one took."""
    return min(COMMIT_INTERVAL_S, COMMIT_PAUSE_FACTOR * commit_s)


class _OvertakenError(Exception):
    """A position has moved. is_reset: because a shard was opened after a loss, and no other writer has committed."""

    def __init__(self, *, is_reset: bool) -> None:
        super().__init__()
        self.is_reset = is_reset


class Writer:
    """Commits the logs of the shards that this node holds; runs on every node.

    Takes:  secret, whose fingerprint the leases tell other nodes;
            stalled, gives the shards that nobody commits: this writer then works for them too, without a lease
    Cancel: at any moment; a transaction is committed as a whole or not at all
    """

    def __init__(
        self,
        url: str,
        database: Database,
        clock: Clock,
        *,
        shard_count: int,
        secret: str = "",
        stalled: Callable[[], Iterable[int]] = tuple,
    ) -> None:
        self._database = database
        self._clock = clock
        self._shard_count = shard_count
        self._connection = connection_to(url)
        self._leases = Leases(database.url, shard_count, secret)
        self._stalled = stalled
        self._adopted: set[int] = set()  # stalled shards, until somebody else commits them
        self._positions: dict[
            int, int
        ] = {}  # of held shards: as last committed, or as a commit under way will leave them
        self._commits: deque[asyncio.Task[None]] = deque()  # oldest first
        self._trims: list[Command] = []
        self._commit_s = 0.0  # the time that the last transaction took
        self._suspects: dict[int, int] = {}  # shard -> Valkey's `last`, when it is not in the log
        self._maintained_s = -1e9
        self._cooled_s = clock.monotonic_s()
        self.traces: Traces | None = None  # set by node when traces are wanted
        self.watch: Callable[[int, list[list[int]]], None] | None = (
            None  # gets the committed casts, with their time [ms]
        )
        self.decided: Callable[[list[int]], None] | None = None  # gets the groups whose notes were committed

    @property
    def held_count(self) -> int:
        """The number of shards that it holds leases of."""
        return len(self._leases.held)

    def held_shards(self) -> set[int]:
        """The shards that it commits now."""
        return set(self._positions)

    async def run(self) -> None:
        """Works until cancelled; waits for engines that are away."""
        failures = 0
        try:
            while True:
                try:
                    await self._work()
                except _OvertakenError as overtaken:
                    if not overtaken.is_reset:
                        log.warning("writer.overtaken", shards=sorted(self._positions))
                    self._positions = {}
                    self._adopted = set()
                except (StoreError, CacheError) as error:
                    # StoreConflict too: a song or a user was deleted between the join and the foreign key's check. The
                    # next join sees the deletion.
                    failures += 1
                    delay_s = backoff_s(failures, first_s=BACKOFF_S, max_s=BACKOFF_S_MAX)
                    log.warning("writer.waiting", error=str(error), retry_s=delay_s)
                    await self._leases.close()
                    self._positions = {}
                    await asyncio.sleep(delay_s)
                else:
                    failures = 0
        finally:
            await self._leases.close()
            await self._connection.close()

    async def _work(self) -> None:
        """One lease period: LEASE_REFRESH_S of rounds."""
        if not self._connection.is_ready:
            # A node that does not reach Valkey must not hold leases.
            await self._connection.ask([("PING",)])
        held = self._with_adopted(await self._leases.refresh())
        if held != self._positions.keys():
            await self._read_positions(held)
            # The writer before this one may have died before it trimmed; a log keeps votes no longer than necessary.
            self._trims += [trim_command(shard, position) for shard, position in self._positions.items()]
        until_s = self._clock.monotonic_s() + LEASE_REFRESH_S
        if not held:
            await asyncio.sleep(LEASE_REFRESH_S)
            return
        try:
            while (started_s := self._clock.monotonic_s()) < until_s:
                await self._round(started_s)
            await self._finish_commits(0)
        finally:
            # Also after an error, no commit of this period is under way when the next one reads the positions.
            await asyncio.gather(*self._commits, return_exceptions=True)
            self._commits.clear()

    def _with_adopted(self, held: set[int]) -> set[int]:
        """The leased shards and those that nobody else commits."""
        adopted = (self._adopted | set(self._stalled())) - held
        if adopted - self._adopted:
            log.warning("writer.adopted", shards=sorted(adopted - self._adopted))
        self._adopted = adopted
        return held | adopted

    async def _round(self, started_s: float) -> None:
        read = await self._read_log()
        if read:
            batches = take_entries(read, BATCH_VOTES_MAX)
            for batch in batches:
                self._positions[batch.shard] = batch.new_position
            before = self._commits[-1] if self._commits else None
            self._commits.append(asyncio.create_task(self._commit(batches, before), name="writer-commit"))
            await self._finish_commits(COMMITS_IN_FLIGHT_MAX - 1)
            if sum(len(batch.entries) for batch in batches) == sum(len(batch.entries) for batch in read):
                # All of the log is taken, so more casts may gather; a backlog does not wait.
                await asyncio.sleep(max(0.0, started_s + interval_s(self._commit_s) - self._clock.monotonic_s()))
        else:
            await self._finish_commits(0)
            if self._connection.is_cluster:
                # Its servers cannot wait for the first entry of several logs.
                await asyncio.sleep(COMMIT_INTERVAL_S)
        if started_s - self._maintained_s >= 1.0:
            self._maintained_s = started_s
            await self._finish_commits(0)
            # The shards with entries, even if none of them was taken: the backlog of another shard may have come first.
            await self._maintain({batch.shard for batch in read})

    async def _finish_commits(self, left: int) -> None:
        """Waits until no more than `left` commits are under way.

        Raises: the exception of the oldest commit
        """
        while len(self._commits) > left:
            await self._commits[0]
            self._commits.popleft()

    async def _read_positions(self, held: set[int]) -> None:
        async with self._database.connection() as connection:
            rows = [row async for row in queries.fetch_positions(connection)]
        self._positions = {row["shard"]: row["position"] for row in rows if row["shard"] in held}

    async def _read_log(self) -> list[ShardBatch]:
        trims, self._trims = self._trims, []
        streams = await read_logs(
            self._connection, self._positions, count=READ_ENTRIES_MAX, block_ms=IDLE_BLOCK_MS, before=trims
        )
        batches = []
        for shard, raw_entries in streams:
            entries = [decode_entry(entry_id, fields) for entry_id, fields in raw_entries]
            batches.append(ShardBatch(shard, self._positions[shard], entries))
        return batches

    # ── the transaction

    async def _commit(self, batches: list[ShardBatch], before: asyncio.Task[None] | None) -> None:
        started_s = self._clock.monotonic_s()
        compacted = compact(batches)
        changed_count, refused = await self._write(batches, compacted)
        if changed_count < 0 and before is not None:
            # It has a connection of its own, so it may have arrived before the commit that it follows.
            await asyncio.wait([before])
            changed_count, refused = await self._write(batches, compacted)
        if changed_count < 0:
            raise _OvertakenError(is_reset=await self._are_reset(batches))
        for batch in batches:
            self._trims.append(trim_command(batch.shard, batch.new_position))
        VOTES_COMMITTED.inc(changed_count)
        COMMIT_VOTES.observe(len(compacted.votes))
        self._commit_s = self._clock.monotonic_s() - started_s
        COMMIT_SECONDS.observe(self._commit_s)
        if self.watch is not None:
            for batch in batches:
                for entry in batch.entries:
                    self.watch(entry.position >> SEQ_BITS, entry.casts)
        if self.decided is not None and (group_ids := compacted.group_ids()):
            self.decided(group_ids)
        if self.traces is not None:
            for batch in batches:
                self.traces.committed(batch.shard, [entry.position for entry in batch.entries], started_s)
        oldest_ms = min(batch.entries[0].position >> SEQ_BITS for batch in batches)
        WRITER_LAG_MS.set(max(0, self._clock.now_ms() - oldest_ms))
        if refused:
            await self._reset_refused(refused)
        await self._reset_forked(batches)

    async def _are_reset(self, batches: list[ShardBatch]) -> bool:
        """Whether each position that has moved was moved by a reset."""
        async with self._database.connection() as connection:
            rows = {row["shard"]: row async for row in queries.fetch_positions(connection)}
        moved = [batch for batch in batches if rows[batch.shard]["position"] != batch.old_position]
        return all(rows[batch.shard]["reset_position"] > batch.old_position for batch in moved)

    async def _write(self, batches: list[ShardBatch], compacted: Compacted) -> tuple[int, list[RefusedVote]]:
        """Commits; gives the number of votes that changed something, and the votes that the rules refuse."""
        # In the order of the primary key: neighbours share index pages, and two writers cannot deadlock.
        votes = sorted(compacted.votes.items())
        async with self._database.connection() as connection:
            parameters: dict[str, Any] = {
                "shards": [batch.shard for batch in batches],
                "old_positions": [batch.old_position for batch in batches],
                "new_positions": [batch.new_position for batch in batches],
                "entries": [",".join([str(entry.position) for entry in batch.entries]) for batch in batches],
                "song_ids": [song for (song, _), _ in votes],
                "user_ids": [user for (_, user), _ in votes],
                "show_ids": [show for _, (show, _, _) in votes],
                "choices": [choice for _, (_, choice, _) in votes],
                "cast_ms": [cast_ms for _, (_, _, cast_ms) in votes],
                "spent_user_ids": [user for user, _ in compacted.spent],
                "spent_days": [day for _, day in compacted.spent],
                "spent": list(compacted.spent.values()),
                "order_user_ids": [user for user, _ in compacted.orders],
                "order_show_ids": [show for _, show in compacted.orders],
                "cast_orders": list(compacted.orders.values()),
                "group_ids": compacted.group_ids(),
                **compacted.mark_parameters(),
            }
            if compacted.picks:
                commit = queries.commit_log_with_picks(connection, **parameters, **compacted.pick_parameters())
            else:
                commit = queries.commit_log(connection, **parameters)
            row = await committed(connection, commit)
        changed_count: int = row["changed_count"]
        return changed_count, msgspec.json.decode(row["refused"] or b"[]", type=list[RefusedVote])

    # ── losses in Valkey, and work by the clock

    async def _reset_refused(self, refused: list[RefusedVote]) -> None:
        """Logs that Valkey accepted votes against the rules, and discards its copy, which counts them."""
        for reason, count in Counter(reason for _, _, _, reason in refused).items():
            VOTES_REFUSED.labels(reason).inc(count)
            shows = sorted({show for show, _, _, why in refused if why == reason})
            log.error("votes.refused", reason=reason, votes=count, shows=shows[:LOGGED_SHOWS_MAX])
        await self._reset_each(sorted({shard_of(show, self._shard_count) for show, _, _, _ in refused}))

    async def _reset_each(self, shards: list[int]) -> None:
        """Discards the copies of shards that count refused votes. If Valkey refuses, a later `_maintain` of any writer tries again."""
        for shard in shards:
            try:
                await reopen_shard(self._database, self._connection, shard, is_forked=True)
            except CacheError as error:
                log.warning("shard.not_reset", shard=shard, error=str(error))

    async def _reset_forked(self, batches: list[ShardBatch]) -> None:
        for batch in batches:
            if batch.is_forked:
                await reopen_shard(self._database, self._connection, batch.shard, is_forked=True)

    async def _maintain(self, busy: set[int]) -> None:
        """Once a second: finds shards that have to be reset, finalises shows, deletes old commits."""
        # Another node may have opened a shard, which moves the position.
        await self._read_positions(set(self._positions))
        quiet = [shard for shard in self._positions if shard not in busy]
        # The time is read before the ends of the logs: so they hold every cast that was accepted until then.
        times = (await self._connection.ask_servers(("TIME",))).values()
        # A server closes its shows by its own clock. A show that is closed by the slowest clock is closed by all.
        seconds = min([int(time[0]) for time in times if not isinstance(time, CacheError)], default=0)
        answers = (
            await self._connection.ask_shards([("HGET", meta_key(shard), "last") for shard in quiet]) if quiet else []
        )
        ends = {
            shard: None if end is None else int(end)
            for shard, end in zip(quiet, answers, strict=True)
            if not isinstance(end, CacheError)
        }
        drained = [shard for shard, end in ends.items() if end == self._positions[shard]]
        for shard, end in ends.items():
            await self._check_end(shard, end)
        async with self._database.connection() as connection:
            await queries.finalise_shows(
                connection, held=list(self._positions), empty=drained, shard_count=self._shard_count,
                hot_now=dt.datetime.fromtimestamp(seconds, dt.UTC),
            )  # fmt: skip
            to_reset = [row["shard"] async for row in queries.shards_to_reset(connection, held=list(self._positions))]
            if 0 in self._positions:
                await queries.delete_old_commits(connection)
        await self._reset_each(to_reset)

        if self._clock.monotonic_s() - self._cooled_s >= COOL_EVERY_S:
            self._cooled_s = self._clock.monotonic_s()
            await self._cool()

    async def _cool(self) -> None:
        """Removes shows that nobody votes on from Valkey."""
        idle_ms, over_ms = round(COOL_IDLE_S * 1000), round(COOL_OVER_S * 1000)
        is_cluster = self._connection.is_cluster
        await self._connection.ask_shards(
            [
                (
                    "EVAL",
                    COOL_SCRIPT,
                    2,
                    shard_prefix(shard),
                    spent_key(shard, is_cluster=is_cluster),
                    position,
                    idle_ms,
                    over_ms,
                )
                for shard, position in self._positions.items()
            ]
        )

    async def _check_end(self, shard: int, end: int | None) -> None:
        position = self._positions[shard]
        if end is not None and end > position:
            # Usually an entry came a moment ago. If the same end is seen twice with an empty log, entries are lost.
            if self._suspects.get(shard) == end:
                del self._suspects[shard]
                await reopen_shard(self._database, self._connection, shard, is_log_lost=True)
                await self._read_positions(set(self._positions))
            else:
                self._suspects[shard] = end
            return
        self._suspects.pop(shard, None)
        is_behind = end is None or end < position
        if is_behind and await reopen_shard(self._database, self._connection, shard):
            await self._read_positions(set(self._positions))
