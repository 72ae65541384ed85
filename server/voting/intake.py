"""Intake: gathers the casts of a node, sends them to the vote script (cast.lua), which decides them, and answers.

One task sends one round at a time. While Valkey works on a round, the casts of the next one gather, so the batches grow with
the load. A cast costs no task and no future: its waiter is called back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import structlog

from server.cache.cluster import connection_to
from server.cache.connection import SERVER, Command, Line
from server.cache.keys import shard_prefix
from server.clock import Clock
from server.errors import CacheError, CacheUnavailable, NothingRan, Refused, StoreError, WritesRefused
from server.protocol.codes import Code
from server.protocol.outcomes import Marked, Picked, Waiter
from server.store.database import Database
from server.telemetry import CASTS, INTAKE_WAIT_SECONDS, SCRIPT_CASTS, SCRIPT_SECONDS
from server.tracing import Traces
from server.voting.casts import Cast, ScriptCode, refusal
from server.voting.day_budgets import DayBudgets, Reservation
from server.voting.held import HeldCasts
from server.voting.log import CAST_SCRIPT, CAST_SHA, open_shards, reopen_shard
from server.voting.missing_tickets import MissingTickets
from server.voting.pending_acks import PendingAck, PendingAcks, PendingEntry
from server.voting.rules import pack_cast, pack_decision, pack_mark, pack_pick, shard_of
from server.voting.settlement import Settlement
from server.voting.tallies import revise_warm
from server.voting.valkey_watch import ValkeyWatch
from server.voting.warm_up import WarmUp

log = structlog.get_logger()

# How long casts gather before a round, unless the last one was full. A round costs the same for one cast of a shard as for
# fifty, so a busy node gathers longer; votes wait for the next commit anyway.
GATHER_S = 0.002
GATHER_BUSY_S = 0.01
BUSY_ROUND_CASTS = 32
PENDING_CASTS_MAX = 20_000
SCRIPT_VOTES_MAX = 2_000
# No fan can fill the queue or a round: the first limits a fan's waiting votes, the second a fan's votes in one round.
WAITING_VOTES_OF_USER_MAX = 1_000
ROUND_VOTES_OF_USER_MAX = 100
RETRY_AFTER_MS = 1_000

_COLD_SHARD = -1
_AWAY = "Voting is unavailable for a moment. Try again."

# {position, now_ms, answers}, and in a cluster the votes spent, see cast.lua
_reply_decoder = msgspec.msgpack.Decoder(tuple[int, int, list[list[int | str]]])
_cluster_reply_decoder = msgspec.msgpack.Decoder(tuple[int, int, list[list[int | str]], list[int]])
_encode = msgspec.msgpack.Encoder().encode


class Intake:
    """Takes casts in, and answers through their waiters.

    Takes:   url, of Valkey; database, for cold shows and ballots; shard_count, as the database has it;
             votes_per_day_max, a user's budget for a UTC day [votes];
             why_refused, user -> the reason why the user may not vote; None: the user may
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
        self._connection = connection_to(url, on_connect=self._open_shards)
        self._day_budgets = DayBudgets.of(self._connection, database, shard_count, votes_per_day_max)
        self._valkey_watch = ValkeyWatch(self._connection, shard_count=shard_count)
        self._queue: list[Cast] = []
        self._resumed: list[Cast] = []  # casts back from the warm-up; they are older, so they go before the queue
        self._waiting_votes: dict[int, int] = {}  # user -> votes that wait for a round or a warm-up
        self._queued = asyncio.Event()
        self._warm_up = WarmUp(database, shard_count, self._resume)
        self._held = HeldCasts(clock, self._resume_held)
        self._missing_tickets = MissingTickets(clock)
        self._cast_number = 0
        self.traces: Traces | None = None  # set by the node when traces are on
        self._queued_s = 0.0  # when the oldest cast of the queue came
        self._is_busy = self._is_backlogged = self._is_in_round = self._is_draining = False
        self.pending_acks = PendingAcks(clock)
        self._settlement = Settlement(self.pending_acks, database, self._connection, clock)

    @property
    def why_not_ready(self) -> str:
        """Why casts cannot be decided right now; empty: they can."""
        return self._valkey_watch.trouble

    @property
    def why_paused(self) -> str:
        """Which shards of a cluster take no casts right now, and why; empty: all of them do."""
        return self._valkey_watch.paused

    def submit(
        self,
        show_id: int,
        user_id: int,
        votes: Sequence[tuple[int, str]],
        waiter: Waiter,
        order: int | None = None,
    ) -> None:
        """Takes a cast; the waiter gets the outcome later. A cast without votes reads the ballot.

        Takes:  order, of the cast among the user's casts in the show (docs/adr/0030)
        Raises: Refused: bad_request; forbidden, the user is banned; overloaded, PENDING_CASTS_MAX casts or
                WAITING_VOTES_OF_USER_MAX votes of this user are waiting already; unavailable
        """
        if votes and (reason := self._why_refused(user_id)) is not None:
            raise Refused(Code.FORBIDDEN, reason)
        self._enqueue(show_id, pack_cast(show_id, user_id, votes, order), waiter)

    def submit_mark(self, marked: Marked, subject_id: int, user_id: int, waiter: Waiter, *, wanted: bool) -> None:
        """Takes a mark on a show or an artist that exists. Raises: Refused: overloaded; unavailable."""
        self._enqueue(subject_id, pack_mark(marked, subject_id, user_id, wanted=wanted), waiter)

    def submit_pick(self, show_id: int, user_id: int, picked: Picked, waiter: Waiter) -> None:
        """Takes a pick; one without songs withdraws the fan's pick. Raises: Refused: as submit."""
        if picked.songs and (reason := self._why_refused(user_id)) is not None:
            raise Refused(Code.FORBIDDEN, reason)
        self._enqueue(show_id, pack_pick(show_id, user_id, picked), waiter)

    def submit_decision(self, group_id: int, show_id: int, waiter: Waiter) -> None:
        """Takes the note that a group of votes was decided on. Its commit applies the decision. Raises: as submit_mark."""
        self._enqueue(show_id, pack_decision(group_id, show_id), waiter)

    def _enqueue(self, subject_id: int, packed: list[int], waiter: Waiter) -> None:
        # Two refusals are counted, because the service is their reason; that of a user with too many votes is not.
        if self._is_draining:
            CASTS.labels(Code.UNAVAILABLE).inc()
            raise Refused(Code.UNAVAILABLE, "The server is stopping. Try again.", retry_after_ms=RETRY_AFTER_MS)
        if self.waiting_count >= PENDING_CASTS_MAX:
            CASTS.labels(Code.OVERLOADED).inc()
            raise Refused(Code.OVERLOADED, "Too many votes at once. Try again shortly.", retry_after_ms=RETRY_AFTER_MS)
        cast = Cast(self._cast_number + 1, subject_id, packed, waiter)
        waiting_votes = self._waiting_votes.get(cast.user_id, 0) + cast.weight
        if waiting_votes > WAITING_VOTES_OF_USER_MAX:
            message = "Too many of your votes are waiting. Wait for the answers to them first."
            raise Refused(Code.OVERLOADED, message, retry_after_ms=RETRY_AFTER_MS)
        self._waiting_votes[cast.user_id] = waiting_votes
        self._cast_number = cast.number
        if not self._queue:
            self._queued_s = self._clock.monotonic_s()
            self._queued.set()
        self._queue.append(cast)

    async def run(self) -> None:
        """Sends rounds until cancelled. Cancel: queued casts are refused as unavailable."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send_rounds(), name="intake-rounds")
                tasks.create_task(self._valkey_watch.run(), name="intake-probe")
                tasks.create_task(self._settlement.run(), name="intake-settlement")
                tasks.create_task(self._warm_up.run(), name="intake-warm-up")
                tasks.create_task(self._held.run(), name="intake-held")
        finally:
            self._refuse_all(self._resumed + self._queue, "The server is stopping. Try again.")
            self._resumed, self._queue = [], []
            self._held.refuse_all()
            if self._day_budgets is not None:
                self._day_budgets.close()
            await self._connection.close()

    def refuse_new(self) -> None:
        """Refuses every new cast as unavailable from now on; casts under way are still answered."""
        self._is_draining = True

    async def drained(self) -> None:
        """Returns when no cast waits for the script or for its commit."""
        # Polled: this happens once in a node's life, and the counts change with every cast.
        while not self._is_idle:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    @property
    def waiting_count(self) -> int:
        """Casts that wait for a round, a warm-up, or the end of a change of rules."""
        return len(self._queue) + len(self._resumed) + self._warm_up.waiting_count + self._held.waiting_count

    @property
    def _is_idle(self) -> bool:
        return self.waiting_count == 0 and not self._is_in_round and self.pending_acks.is_empty

    # ── rounds

    async def _send_rounds(self) -> None:
        while True:
            await self._queued.wait()
            if not self._is_backlogged:
                await asyncio.sleep(GATHER_BUSY_S if self._is_busy else GATHER_S)
            self._is_in_round = True
            await self._send_round()
            self._is_in_round = False

    async def _send_round(self) -> None:
        queued_s = self._queued_s
        by_shard = self._take_round()
        reserved = None if self._day_budgets is None else await self._reserve(self._day_budgets, by_shard)
        if not by_shard:
            return  # no cast can be sent now: each was dropped or refused, or waits for a warm-up, a hold or its turn
        commands = [self._command(shard, casts, reserved) for shard, casts in by_shard.items()]
        cast_count = sum(map(len, by_shard.values()))
        self._is_busy = cast_count >= BUSY_ROUND_CASTS
        started_s = self._clock.monotonic_s()
        INTAKE_WAIT_SECONDS.observe(started_s - queued_s)
        try:
            replies: list[Any] = await self._ask(commands, by_shard)
            SCRIPT_SECONDS.observe(self._clock.monotonic_s() - started_s)
            SCRIPT_CASTS.observe(cast_count)
        except (CacheError, StoreError) as error:
            if reserved is None:  # in a cluster, other servers may answer
                self._valkey_watch.note(error)
            replies = [error] * len(commands)
        for (shard, casts), reply in zip(by_shard.items(), replies, strict=True):
            if isinstance(reply, CacheError | StoreError):
                await self._fail(shard, casts, reply)
                continue
            if reserved is None:
                position, _, answers = _reply_decoder.decode(reply)
            else:
                position, _, answers, reserved.spent[shard] = _cluster_reply_decoder.decode(reply)
            if position == _COLD_SHARD:
                await self._open_cold_shard(shard, casts)
            else:
                taken_count = self._answer(shard, position, casts, answers)
                if self.traces is not None and taken_count:
                    self.traces.logged(shard, position, taken_count, queued_s=queued_s, sent_s=started_s)
        if self._day_budgets and reserved:
            not_run = {s for s, reply in zip(by_shard, replies, strict=True) if isinstance(reply, NothingRan)}
            await self._day_budgets.give_back(reserved.unused(not_run))

    async def _reserve(self, day_budgets: DayBudgets, by_shard: dict[int, list[Cast]]) -> Reservation:
        """Reserves the votes that a round can spend, and takes those casts out of it that cannot be sent now."""
        reserved = await day_budgets.reserve(by_shard, self._warm_up.take_spent())
        for cast in reserved.cold:
            self._warm_up.add(cast)
        if reserved.later:
            self._resumed += reserved.later
            self._queued.set()
        self._refuse_all(reserved.away, _AWAY)
        return reserved

    async def _fail(self, shard: int, casts: list[Cast], error: CacheError | StoreError) -> None:
        """Refuses the casts of a shard that did not answer them."""
        if not isinstance(error, NothingRan):  # if nothing ran, the probe says what is away
            log.warning("round.failed", shard=shard, error=str(error), casts=len(casts))
        self._refuse_all(casts, _AWAY)
        if not isinstance(error, CacheUnavailable | WritesRefused | StoreError):
            # A script that stopped half-way may have changed ballots without logging the change.
            await self._open(shard, is_forked=True)

    async def _ask(self, commands: list[Command], by_shard: dict[int, list[Cast]]) -> list[Any]:
        was_ready = self._connection.is_ready
        try:
            return await self._connection.ask_shards(commands)
        except CacheError:
            if self._connection.is_ready or not was_ready:
                raise
            # The connection was stale. It is safe to ask again: a vote is a state.
            for casts in by_shard.values():
                for cast in casts:
                    cast.may_be_logged = True
            return await self._connection.ask_shards(commands)

    def _take_round(self) -> dict[int, list[Cast]]:
        """Takes up to SCRIPT_VOTES_MAX votes of each shard from the queue, and up to ROUND_VOTES_OF_USER_MAX of each user; the
        rest stays queued, in order.
        """
        by_shard: dict[int, list[Cast]] = {}
        votes_by_shard: dict[int, int] = {}
        votes_by_user: dict[int, int] = {}
        rest: list[Cast] = []
        waiting = self._warm_up.earliest()
        is_any_held = not self._held.is_empty
        # In the order of arrival: a warm-up may end after casts that came later have been resumed.
        queue = sorted(self._resumed + self._queue, key=attrgetter("number")) if self._resumed else self._queue
        for cast in queue:
            if is_any_held and self._held.keeps(cast):
                continue
            if cast.is_abandoned and not (is_any_held and self._held.asks_with(cast)):
                cast.drop()
                continue
            if waiting and waiting.get(cast.ballot_key, cast.number) < cast.number:
                # An earlier cast of this fan waits for a warm-up. The fan's last choice must be decided last.
                self._warm_up.add(cast)
                continue
            shard = shard_of(cast.subject_id, self._shard_count)
            vote_count, weight, user_id = votes_by_shard.get(shard, 0), cast.weight, cast.user_id
            of_user = votes_by_user.get(user_id, 0)
            if vote_count >= SCRIPT_VOTES_MAX or (of_user and of_user + weight > ROUND_VOTES_OF_USER_MAX):
                # The user's later casts wait behind this one.
                votes_by_user[user_id] = ROUND_VOTES_OF_USER_MAX
                rest.append(cast)
                continue
            votes_by_shard[shard] = vote_count + weight
            votes_by_user[user_id] = of_user + weight
            by_shard.setdefault(shard, []).append(cast)
        self._resumed, self._queue = [], rest
        self._is_backlogged = bool(rest) and max(votes_by_shard.values()) >= SCRIPT_VOTES_MAX
        self._queued_s = self._clock.monotonic_s()  # when the rest came is not known: before now
        self._waiting_votes = {}
        for cast in (*rest, *self._warm_up.waiting(), *self._held.waiting()):
            self._waiting_votes[cast.user_id] = self._waiting_votes.get(cast.user_id, 0) + cast.weight
        if not rest:
            self._queued.clear()
        return by_shard

    def _command(self, shard: int, casts: list[Cast], reserved: Reservation | None) -> Command:
        """The call of cast.lua for the casts of a shard."""
        request = (self._votes_per_day_max, *self._warm_up.take(shard), [cast.packed for cast in casts])
        if reserved is None:
            return ("EVALSHA", CAST_SHA, 1, shard_prefix(shard), _encode(request))
        return ("EVALSHA", CAST_SHA, 1, shard_prefix(shard), _encode((*request, reserved.grants[shard])), SERVER)

    def _answer(self, shard: int, position: int, casts: list[Cast], answers: list[list[int | str]]) -> int:
        """Answers the casts of a shard, or keeps their acknowledgements until the commit.

        Gives: how many casts are in the log
        """
        acks: list[PendingAck] = []
        for cast, answer in zip(casts, answers, strict=True):
            code = answer[0]
            if code == ScriptCode.OK:
                ballot, left = str(answer[1]), None if int(answer[2]) < 0 else int(answer[2])
                if len(cast.packed) == 2:  # no votes: it only asked for the ballot, so it needs no commit
                    cast.waiter.answered(position, "committed", ballot, left, int(answer[3]))
                else:
                    acks.append(PendingAck(cast.subject_id, cast.waiter, ballot, left, cast.packed))
            elif code in (ScriptCode.COLD_SHOW, ScriptCode.COLD_BALLOT) or (
                code == ScriptCode.TICKET and self._missing_tickets.should_ask(cast)
            ):
                cast.needs_show = code == ScriptCode.COLD_SHOW
                self._warm_up.add(cast)
            elif code == ScriptCode.HELD:
                self._held.add(cast)
            else:
                cast.refuse(refusal(answer))
        if not self._held.is_empty:
            self._held.decided(casts)
        if acks:
            self.pending_acks.add(PendingEntry(shard, position, self._clock.monotonic_s(), acks))
        return len(acks)

    def _resume(self, cast: Cast, refused: Refused | None) -> None:
        """Sends a cast again after its warm-up, or refuses it."""
        if refused is not None:
            cast.refuse(refused)
            return
        cast.tries += 1
        self._resumed.append(cast)
        self._queued.set()

    def _resume_held(self, casts: Sequence[Cast]) -> None:
        """Sends casts of a held show again."""
        self._resumed += casts
        self._queued.set()

    async def _open_shards(self, line: Line) -> None:
        await line.ask_first([("SCRIPT", "LOAD", CAST_SCRIPT)])
        await open_shards(self._database, line)
        # Valkey may have missed or lost rules as well as votes: a lock set meanwhile must hold from the first cast on.
        await revise_warm(self._database, line.ask_first_shards, line.held(range(self._shard_count)), self._shard_count)

    async def _open_cold_shard(self, shard: int, casts: list[Cast]) -> None:
        if not await self._open(shard):
            self._refuse_all(casts, _AWAY)
            return
        self._queue = casts + self._queue
        self._queued.set()

    async def _open(self, shard: int, *, is_forked: bool = False) -> bool:
        """Opens a shard; gives whether it could be done."""
        try:
            await reopen_shard(self._database, self._connection, shard, is_forked=is_forked)
        except (CacheError, StoreError) as error:
            log.warning("shard.not_opened", shard=shard, error=str(error))
            return False
        return True

    def _refuse_all(self, casts: list[Cast], message: str) -> None:
        for cast in casts:
            cast.refuse(Refused(Code.UNAVAILABLE, message, retry_after_ms=RETRY_AFTER_MS))
        self._held.decided(casts)
