"""Intake: gathers the casts of a node, has the script decide them, and answers.

One task sends, one round at a time: while a round is with Valkey the next one gathers by itself, so the batches grow
with the load. No task and no future per cast; the waiter is called back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum

import msgspec
import structlog

from server.cache.connection import Command, Connection
from server.cache.keys import meta_key, shard_prefix
from server.clock import Clock
from server.errors import CacheError, CacheUnavailable, Refused, StoreError
from server.protocol.codes import Code
from server.protocol.outcomes import Marked, Waiter
from server.store.database import Database
from server.telemetry import CASTS, INTAKE_WAIT_SECONDS, PENDING_CASTS, SCRIPT_CASTS, SCRIPT_SECONDS, VOTES_LOST
from server.tracing import Traces
from server.voting.log import CAST_SCRIPT, open_shard, queries
from server.voting.pending_acks import PendingAck, PendingAcks, PendingEntry
from server.voting.rules import pack_cast, pack_mark, shard_of
from server.voting.tallies import revise_warm
from server.voting.warm_up import ColdCast, WarmUp

log = structlog.get_logger()

# How long casts gather before a round. A round costs the same whether a shard has one cast in it or fifty, so a busy
# node gathers longer; votes wait for the next commit anyway.
GATHER_S = 0.002
GATHER_BUSY_S = 0.01
BUSY_ROUND_CASTS = 32
ACCEPT_AFTER_S = 1.0
PROBE_S = 1.0
PENDING_CASTS_MAX = 20_000
SCRIPT_VOTES_MAX = 1_000
# Valkey may have lost that somebody has a ticket, so a refusal is looked up before it is given, once in so long.
TICKETLESS_S = 5.0
TICKETLESS_MAX = 10_000
RETRY_AFTER_MS = 1_000

_COLD_SHARD = -1


class _Answer(IntEnum):
    """How cast.lua answers a cast."""

    OK = 0
    COLD_SHOW = 1
    COLD_BALLOT = 2
    CLOSED = 3
    LOCKED = 4
    SONG = 5
    SHOW_BUDGET = 6
    DAY_BUDGET = 7
    TICKET = 8


# {position, now_ms, answers}, see cast.lua
_reply_decoder = msgspec.msgpack.Decoder(tuple[int, int, list[list[int | str]]])
_encode = msgspec.msgpack.Encoder().encode


class Cast:
    """One cast or mark on its way to the script, as cast.lua takes it; a cast without songs asks for the ballot."""

    __slots__ = ("number", "packed", "subject_id", "tries", "waiter")

    def __init__(self, number: int, subject_id: int, packed: list[int], waiter: Waiter) -> None:
        self.number = number  # in the order of their arrival
        self.subject_id = subject_id  # the show; of a follow the artist: whose shard it goes to
        self.packed = packed
        self.waiter = waiter
        self.tries = 0


class Intake:
    """Casts in; answers through the waiters.

    Takes:   url of Valkey; database, for what is cold; shard_count as the database has it;
             votes_per_day_max, a user's budget a UTC day [votes]; why_refused, user -> why they may not vote, None:
             they may
    """

    def __init__(
        self,
        url: str,
        database: Database,
        clock: Clock,
        *,
        shard_count: int,
        votes_per_day_max: int,
        why_refused: Callable[[int], str | None] = lambda _user_id: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._shard_count = shard_count
        self._votes_per_day_max = votes_per_day_max
        self._why_refused = why_refused
        self._connection = Connection(url, on_connect=self._open_shards)
        self._script = ""
        self._queue: list[Cast] = []
        self._resumed: list[Cast] = []  # waited for what was cold; go before the queue, being older
        self._queued = asyncio.Event()
        self._warm_up = WarmUp(database, shard_count, self._resume)
        self._ticketless: dict[tuple[int, int], float] = {}  # (show, user) -> until when the database is believed
        self._cast_number = 0
        self.traces: Traces | None = None  # app gives some when they are wanted
        self._queued_s = 0.0  # when the oldest cast of the queue came
        self._is_busy = False
        self._is_in_round = False
        self._is_draining = False
        self.pending_acks = PendingAcks(clock)

    @property
    def is_ready(self) -> bool:
        """Whether casts can be decided right now."""
        return self._connection.is_ready

    def submit(self, show_id: int, user_id: int, votes: Sequence[tuple[int, str]], waiter: Waiter) -> None:
        """Takes a cast; the waiter hears of it later. Without votes it only reads the ballot.

        Raises: Refused: bad_request; forbidden, the user is banned; overloaded, PENDING_CASTS_MAX casts are waiting
                already; unavailable
        """
        if votes and (reason := self._why_refused(user_id)) is not None:
            raise Refused(Code.FORBIDDEN, reason)
        self._enqueue(show_id, pack_cast(show_id, user_id, votes), waiter)

    def submit_mark(self, marked: Marked, subject_id: int, user_id: int, waiter: Waiter, *, wanted: bool) -> None:
        """Takes what a fan says of a show or an artist that exists: they go, they follow, or not.

        Raises: Refused: overloaded; unavailable
        """
        self._enqueue(subject_id, pack_mark(marked, subject_id, user_id, wanted=wanted), waiter)

    def _enqueue(self, subject_id: int, packed: list[int], waiter: Waiter) -> None:
        if self._is_draining:
            raise Refused(Code.UNAVAILABLE, "The server is going away. Try again.", retry_after_ms=RETRY_AFTER_MS)
        if self._waiting_count >= PENDING_CASTS_MAX:
            raise Refused(Code.OVERLOADED, "Too many votes at once. Try again shortly.", retry_after_ms=RETRY_AFTER_MS)
        self._cast_number += 1
        if not self._queue:
            self._queued_s = self._clock.monotonic_s()
        self._queue.append(Cast(self._cast_number, subject_id, packed, waiter))
        self._queued.set()

    async def run(self) -> None:
        """Sends rounds until cancelled. Cancel: queued casts are refused as unavailable."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send_rounds(), name="intake-rounds")
                tasks.create_task(self._accept_and_settle(), name="intake-acks")
                tasks.create_task(self._warm_up.run(), name="intake-warm-up")
        finally:
            self._refuse_all(self._resumed + self._queue, "The server is going away. Try again.")
            self._resumed, self._queue = [], []
            await self._connection.close()

    def refuse_new(self) -> None:
        """From now on every cast is refused as unavailable; those under way are still answered."""
        self._is_draining = True

    async def drained(self) -> None:
        """Returns once no cast waits for the script or for its commit."""
        # Looked at, not signalled: this happens once in a node's life, and the counts change with every cast.
        while not self._is_idle:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    @property
    def _waiting_count(self) -> int:
        """Casts that wait for a round or for a seed."""
        return len(self._queue) + len(self._resumed) + self._warm_up.waiting_count

    @property
    def _is_idle(self) -> bool:
        return self._waiting_count == 0 and not self._is_in_round and self.pending_acks.is_empty

    # ── rounds

    async def _send_rounds(self) -> None:
        await self._probe()
        while True:
            try:
                async with asyncio.timeout(PROBE_S):
                    await self._queued.wait()
            except TimeoutError:
                await self._probe()
                continue
            await asyncio.sleep(GATHER_BUSY_S if self._is_busy else GATHER_S)
            self._is_in_round = True
            await self._send_round()
            self._is_in_round = False

    async def _probe(self) -> None:
        """Notices a restarted Valkey even while nobody votes."""
        try:
            await self._connection.ask([("PING",)])
        except (CacheError, StoreError) as error:
            log.warning("valkey.unreachable", error=str(error))

    async def _send_round(self) -> None:
        by_shard = self._take_round()
        if not by_shard:
            # All of it waits behind casts that wait for a seed.
            return
        commands: list[Command] = [
            ("EVALSHA", self._script, 1, shard_prefix(shard), self._pack_round(shard, casts))
            for shard, casts in by_shard.items()
        ]
        cast_count = sum(map(len, by_shard.values()))
        self._is_busy = cast_count >= BUSY_ROUND_CASTS
        started_s = self._clock.monotonic_s()
        queued_s = self._queued_s
        INTAKE_WAIT_SECONDS.observe(started_s - queued_s)
        try:
            replies = await self._ask(commands)
        except (CacheError, StoreError) as error:
            log.warning("round.failed", error=str(error), casts=cast_count)
            for casts in by_shard.values():
                self._refuse_all(casts, "Voting is unavailable for a moment. Try again.")
            if not isinstance(error, CacheUnavailable | StoreError):
                # A script that stopped half-way may have changed ballots without logging it.
                await self._reset_shards(by_shard)
            return
        SCRIPT_SECONDS.observe(self._clock.monotonic_s() - started_s)
        SCRIPT_CASTS.observe(cast_count)
        for (shard, casts), reply in zip(by_shard.items(), replies, strict=True):
            position, _, answers = _reply_decoder.decode(reply)
            if position == _COLD_SHARD:
                await self._open_cold_shard(shard, casts)
            else:
                taken_count = self._answer(shard, position, casts, answers)
                if self.traces is not None and taken_count:
                    self.traces.logged(shard, position, taken_count, queued_s=queued_s, sent_s=started_s)
        PENDING_CASTS.set(self._waiting_count + self.pending_acks.cast_count)

    async def _ask(self, commands: list[Command]) -> list[bytes]:
        was_ready = self._connection.is_ready
        if not was_ready:
            # The script's hash is known only after a first connection.
            await self._connection.ask([("PING",)])
            commands = [(name, self._script, *rest) for name, _, *rest in commands]
        try:
            return await self._connection.ask(commands)
        except CacheError:
            if self._connection.is_ready or not was_ready:
                raise
            # The connection was stale. Asking again is safe: a vote is a state.
            return await self._connection.ask(commands)

    def _take_round(self) -> dict[int, list[Cast]]:
        """Up to SCRIPT_VOTES_MAX votes a shard, by shard; the rest stays queued, in order."""
        by_shard: dict[int, list[Cast]] = {}
        votes_by_shard: dict[int, int] = {}
        rest: list[Cast] = []
        waiting = self._warm_up.earliest()
        for cast in self._resumed + self._queue:
            if waiting.get((cast.packed[0], cast.packed[1]), cast.number) < cast.number:
                # The same fan's earlier cast waits for a seed; what they chose last must be decided last.
                self._want(cast)
                continue
            shard = shard_of(cast.subject_id, self._shard_count)
            vote_count = votes_by_shard.get(shard, 0)
            if vote_count >= SCRIPT_VOTES_MAX:
                rest.append(cast)
                continue
            votes_by_shard[shard] = vote_count + len(cast.packed) // 2
            by_shard.setdefault(shard, []).append(cast)
        self._resumed, self._queue = [], rest
        if not rest:
            self._queued.clear()
        return by_shard

    def _pack_round(self, shard: int, casts: list[Cast]) -> bytes:
        shows, ballots = self._warm_up.take(shard)
        return _encode((self._votes_per_day_max, shows, ballots, [cast.packed for cast in casts]))

    def _answer(self, shard: int, position: int, casts: list[Cast], answers: list[list[int | str]]) -> int:
        """Gives: how many casts are in the log."""
        pending_acks: list[PendingAck] = []
        for cast, answer in zip(casts, answers, strict=True):
            code = answer[0]
            if code == _Answer.OK:
                ballot, remaining = str(answer[1]), int(answer[2])
                left = None if remaining < 0 else remaining
                if len(cast.packed) == 2:
                    cast.waiter.answered(position, "committed", ballot, left)
                else:
                    pending_acks.append(PendingAck(cast.subject_id, cast.waiter, ballot, left))
            elif code in (_Answer.COLD_SHOW, _Answer.COLD_BALLOT) or (
                code == _Answer.TICKET and self._is_worth_a_look(cast)
            ):
                self._want(cast)
            else:
                _refuse(cast, _refusal(answer))
        if pending_acks:
            self.pending_acks.add(PendingEntry(shard, position, self._clock.monotonic_s(), pending_acks))
        return len(pending_acks)

    def _is_worth_a_look(self, cast: Cast) -> bool:
        """Whether the database may know of a ticket that Valkey does not."""
        now_s = self._clock.monotonic_s()
        pair = (cast.packed[0], cast.packed[1])
        if cast.tries == 0:
            return now_s >= self._ticketless.get(pair, 0.0)
        if len(self._ticketless) >= TICKETLESS_MAX:
            self._ticketless.clear()
        self._ticketless[pair] = now_s + TICKETLESS_S
        return False

    def _want(self, cast: Cast) -> None:
        self._warm_up.want(ColdCast(cast.packed[0], cast.packed[1], cast.number, cast.tries, cast))

    def _resume(self, cast: object, error: Refused | None) -> None:
        """What was cold has been read, or could not be."""
        assert isinstance(cast, Cast)
        if error is not None:
            _refuse(cast, error)
            return
        cast.tries += 1
        self._resumed.append(cast)
        self._queued.set()

    # ── opening

    async def _open_shards(self, connection: Connection) -> None:
        (script,) = await connection.ask_first([("SCRIPT", "LOAD", CAST_SCRIPT)])
        self._script = script.decode()
        for shard in range(self._shard_count):
            await open_shard(self._database, connection.ask_first, shard)
        # Votes are not all that Valkey can have missed or lost: a lock set meanwhile must hold from the first cast on.
        await revise_warm(self._database, connection.ask_first, self._shard_count)

    async def _open_cold_shard(self, shard: int, casts: list[Cast]) -> None:
        try:
            await open_shard(self._database, self._connection.ask, shard)
        except (CacheError, StoreError) as error:
            log.warning("shard.not_opened", shard=shard, error=str(error))
            self._refuse_all(casts, "Voting is unavailable for a moment. Try again.")
            return
        self._queue = casts + self._queue
        self._queued.set()

    async def _reset_shards(self, shards: Iterable[int]) -> None:
        for shard in shards:
            try:
                await open_shard(self._database, self._connection.ask, shard, is_forked=True)
            except (CacheError, StoreError) as error:
                log.warning("shard.not_opened", shard=shard, error=str(error))

    def _refuse_all(self, casts: list[Cast], message: str) -> None:
        for cast in casts:
            _refuse(cast, Refused(Code.UNAVAILABLE, message, retry_after_ms=RETRY_AFTER_MS))

    # ── acknowledgements

    async def _accept_and_settle(self) -> None:
        settled_s = self._clock.monotonic_s()
        while True:
            await asyncio.sleep(0.1)
            now_s = self._clock.monotonic_s()
            self.pending_acks.accept_older(now_s - ACCEPT_AFTER_S)
            if now_s - settled_s >= 1.0:
                settled_s = now_s
                await self._settle(now_s - ACCEPT_AFTER_S)

    async def _settle(self, than_s: float) -> None:
        """Asks PostgreSQL about batches whose notification is overdue."""
        oldest = self.pending_acks.oldest_by_shard(than_s)
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
            log.warning("acks.not_settled", error=str(error), casts=self.pending_acks.cast_count)
            return
        for row in rows:
            lost_count = self.pending_acks.settle(row["shard"], row["position"], set(row["entries"]))
            if lost_count:
                VOTES_LOST.inc(lost_count)
                log.error("votes.lost", shard=row["shard"], casts=lost_count, committed=row["position"])
        await self._find_cut({row["shard"] for row in rows if row["position"] < oldest[row["shard"]]}, oldest)

    async def _find_cut(self, shards: set[int], oldest: dict[int, int]) -> None:
        """Finds logs that end before what is awaited; once they are past it, the next settling reports it as lost."""
        if not shards:
            return
        try:
            ends = await self._connection.ask([("HGET", meta_key(shard), "last") for shard in shards])
            for shard, end in zip(shards, ends, strict=True):
                if end is not None and int(end) < oldest[shard]:
                    await open_shard(self._database, self._connection.ask, shard, awaited=oldest[shard])
        except (CacheError, StoreError) as error:
            log.warning("acks.not_settled", error=str(error), casts=self.pending_acks.cast_count)


def _refuse(cast: Cast, error: Refused) -> None:
    CASTS.labels(error.code).inc()
    cast.waiter.refused(error)


def _refusal(answer: list[int | str]) -> Refused:
    match answer[0]:
        case _Answer.CLOSED:
            return Refused(Code.CLOSED, "Voting for this show is closed.")
        case _Answer.LOCKED:
            return Refused(Code.LOCKED, "Voting for this show is locked.")
        case _Answer.SONG:
            return Refused(Code.NOT_FOUND, f"Song {answer[1]} is not in a setlist of this show.")
        case _Answer.SHOW_BUDGET:
            return Refused(Code.BUDGET, f"This show gives each fan {answer[1]} votes. Withdraw one first.")
        case _Answer.DAY_BUDGET:
            return Refused(Code.BUDGET, "You have used up your votes for today. They come back at midnight UTC.")
        case _Answer.TICKET:
            return Refused(Code.FORBIDDEN, "This show takes votes with a ticket. Redeem the code of yours first.")
    raise ValueError(f"cast.lua answered {answer!r}")
