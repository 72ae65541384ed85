"""The budget of the day in a cluster, where the shards of a fan's casts are on different servers (docs/adr/0040).

Each fan has a home shard, which counts the votes that the fan has spent today. Before a round, the intake reserves there what its
casts can need at most; after it, what they did not need is given back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog

from server.cache.connection import SERVER, Command, Connection
from server.cache.keys import meta_key, shard_prefix
from server.errors import CacheError, NothingRan, StoreError
from server.store.database import Database
from server.voting.casts import Cast
from server.voting.log import RESERVE_SCRIPT
from server.voting.queries import voting as queries
from server.voting.rules import MARK, shard_of

log = structlog.get_logger()

# For how long a round waits for homes that have just come to another process; after that, their fans are refused meanwhile.
SETTLE_WAIT_S = 0.25
SETTLE_S = 5.0
SETTLE_EVERY_S = 0.02
SETTLE_PAUSE_S = 0.1
COLD_FANS_MAX = 20_000
UNUSED_MAX = 10_000

Grant = tuple[int, int, int, int]  # user, day, votes spent before, votes spent at most, as cast.lua takes it
_reply_decoder = msgspec.msgpack.Decoder(tuple[int, list[list[int]]])
_encode = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class Reservation:
    """What a round may spend.

    grants: by shard; later: casts of fans who cast in another shard first; cold: casts of fans whose row is needed; away: casts of
    fans whose home is away; spent: by shard that has answered, the votes spent after it, one number a grant; none: the shard is not open.
    """

    grants: dict[int, list[Grant]] = field(default_factory=dict)
    later: list[Cast] = field(default_factory=list)
    cold: list[Cast] = field(default_factory=list)
    away: list[Cast] = field(default_factory=list)
    spent: dict[int, list[int]] = field(default_factory=dict)

    def unused(self, not_run: Collection[int]) -> Iterable[tuple[int, int, int]]:
        """What is left: (user, day, votes). Takes: not_run, shards whose casts certainly did not run."""
        for shard, grants in self.grants.items():
            if shard in self.spent or shard in not_run:
                after = self.spent.get(shard) or [grant[2] for grant in grants]
                for (user, day, _, limit), spent in zip(grants, after, strict=True):
                    yield user, day, limit - spent


@dataclass(slots=True)
class _Question:
    """What a home is asked. rows: (user, day, spent, generation); wanted: (user, votes), of these shards."""

    rows: list[tuple[int, int, int, int]] = field(default_factory=list)
    wanted: list[tuple[int, int]] = field(default_factory=list)
    shards: list[int] = field(default_factory=list)


class DayBudgets:
    """Reserves votes at the homes of fans. Takes: connection, the intake's."""

    def __init__(self, connection: Connection, database: Database, shard_count: int, votes_per_day_max: int) -> None:
        self._connection = connection
        self._database = database
        self._shard_count = shard_count
        self._votes_per_day_max = votes_per_day_max
        self._cold_in: dict[int, int] = {}  # user -> the home's generation when the user was cold
        self._unused: dict[int, list[tuple[int, int, int]]] = {}  # by home: (user, day, votes), to be given back
        self._settled: dict[int, str] = {}  # home -> the process that may open it
        self._settling: dict[int, asyncio.Task[None]] = {}

    @classmethod
    def of(
        cls, connection: Connection, database: Database, shard_count: int, votes_per_day_max: int
    ) -> DayBudgets | None:
        """None: on a single server, cast.lua counts them itself."""
        return cls(connection, database, shard_count, votes_per_day_max) if connection.is_cluster else None

    async def reserve(self, by_shard: dict[int, list[Cast]], rows: Mapping[int, tuple[int, int]]) -> Reservation:
        """Reserves votes for the casts of a round, and takes those casts out of it that cannot be sent now.

        Takes: rows, of fans: the day and the votes spent in it, as the database has them
        """
        questions: dict[int, _Question] = {}
        for user, (day, spent) in rows.items():
            # Only a row that was read after the home was asked in this generation has all votes that it needs.
            if (generation := self._cold_in.pop(user, None)) is not None:
                self._question(questions, user).rows.append((user, day, spent, generation))
        shards = _shards_of_fans(by_shard)
        for shard, casts in by_shard.items():
            for user, votes in _wanted(casts).items():
                if shards[user] == shard:
                    question = self._question(questions, user)
                    question.wanted.append((user, votes))
                    question.shards.append(shard)
        reservation = Reservation({shard: [] for shard in by_shard})
        cold = await self._grant(questions, reservation)
        granted = {grant[0] for grants in reservation.grants.values() for grant in grants}
        for shard, casts in list(by_shard.items()):
            sent: list[Cast] = []
            for cast in casts:
                user = cast.user_id
                if not _spends(cast):
                    sent.append(cast)
                elif shards[user] != shard:
                    reservation.later.append(cast)
                else:
                    group = sent if user in granted else reservation.cold if user in cold else reservation.away
                    group.append(cast)
            if sent:
                by_shard[shard] = sent
            else:
                del by_shard[shard]
        return reservation

    async def give_back(self, unused: Iterable[tuple[int, int, int]]) -> None:
        """Gives votes back that were reserved and not spent: (user, day, votes); to a home that is away, when it is asked next."""
        homes = set()
        for user, day, votes in unused:
            if votes:
                homes.add(home := shard_of(user, self._shard_count))
                self._unused.setdefault(home, []).append((user, day, votes))
        await self._ask({home: _Question() for home in homes})

    def close(self) -> None:
        """Stops what runs beside the rounds."""
        for task in self._settling.values():
            task.cancel()

    def _question(self, questions: dict[int, _Question], user: int) -> _Question:
        return questions.setdefault(shard_of(user, self._shard_count), _Question())

    async def _grant(self, questions: dict[int, _Question], reservation: Reservation) -> set[int]:
        """Asks the homes, those of a new process once more when it is settled. Gives: the fans whose row is needed."""
        replies = await self._ask(questions)
        closed = [home for home, (generation, _) in replies.items() if generation < 0]
        if closed:
            await self._settle_soon(closed)
            # Rows may have been read before that.
            again = {home: _Question([], questions[home].wanted, questions[home].shards) for home in closed}
            replies |= await self._ask(again)
        cold: set[int] = set()
        for home, (generation, grants) in replies.items():
            question = questions[home]
            for (user, _), shard, grant in zip(question.wanted, question.shards, grants, strict=generation >= 0):
                if grant:
                    day, spent, limit = grant
                    reservation.grants[shard].append((user, day, spent, limit))
                else:
                    cold.add(user)
                    self._cold_in.setdefault(user, generation)
        if len(self._cold_in) > COLD_FANS_MAX:
            # Of fans who were erased meanwhile, no row comes. The others are asked about again.
            self._cold_in.clear()
        return cold

    async def _ask(self, questions: dict[int, _Question]) -> dict[int, tuple[int, list[list[int]]]]:
        """The answers of homes; those that do not answer are left out."""
        if not questions:
            return {}
        commands: list[Command] = []
        unused = {home: self._unused.pop(home, []) for home in questions}
        for home, asked in questions.items():
            settled = self._settled.get(home, "")
            request = _encode((self._votes_per_day_max, settled, asked.rows, asked.wanted, unused[home]))
            commands.append(("EVAL", RESERVE_SCRIPT, 1, shard_prefix(home), request, SERVER))
        answers: list[Any]
        try:
            answers = await self._connection.ask_shards(commands)
        except CacheError as error:
            # The intake's probe says which servers are away.
            answers = [error] * len(commands)
        replies = {}
        for home, answer in zip(questions, answers, strict=True):
            if isinstance(answer, NothingRan):
                # Otherwise they may have been given back already.
                self._unused[home] = unused[home][-UNUSED_MAX:]
            elif not isinstance(answer, CacheError):
                replies[home] = _reply_decoder.decode(answer)
                if replies[home][0] < 0:
                    self._unused[home] = unused[home]
        return replies

    # ── homes that have come to another process

    async def _settle_soon(self, homes: Iterable[int]) -> None:
        """Begins to settle homes, and waits for a moment for those that begin now."""
        begun = set()
        for home in homes:
            running = self._settling.get(home)
            if running is None or running.done():
                self._settling[home] = asyncio.create_task(self._settle(home), name="home-settling")
                begun.add(self._settling[home])
        if begun:
            await asyncio.wait(begun, timeout=SETTLE_WAIT_S)

    async def _settle(self, home: int) -> None:
        """Waits until PostgreSQL has what is in the logs now: rows that are read then have every vote of before.

        A log whose server is away cannot be waited for.
        """
        server = self._connection.server_of(shard_prefix(home))
        try:
            ends = await self._connection.ask_shards(
                [("HGET", meta_key(shard), "last") for shard in range(self._shard_count)]
            )
            wanted = {shard: int(end) for shard, end in enumerate(ends) if end and not isinstance(end, CacheError)}
            async with asyncio.timeout(SETTLE_S):
                await self._until_committed(wanted)
        except (CacheError, StoreError, TimeoutError) as error:
            log.warning("budgets.not_settled", home=home, error=str(error))
            await asyncio.sleep(SETTLE_PAUSE_S)
        else:
            self._settled[home] = server

    async def _until_committed(self, ends: Mapping[int, int]) -> None:
        while True:
            async with self._database.connection() as connection:
                # Waits for the commits under way too: one may be of a log that its new process has lost.
                positions = {row["shard"]: row["position"] async for row in queries.settled_positions(connection)}
            if all(positions[shard] >= end for shard, end in ends.items()):
                return
            await asyncio.sleep(SETTLE_EVERY_S)


def _spends(cast: Cast) -> bool:
    """Whether it names songs: a mark and a question for the ballot spend nothing."""
    return cast.packed[0] != MARK and len(cast.packed) > 2


def _shards_of_fans(by_shard: Mapping[int, Iterable[Cast]]) -> dict[int, int]:
    """The shard of each fan's earliest cast. A round takes casts of a fan in one shard alone: only then is it known, when the next
    ones are decided, how many votes the earlier ones have spent.
    """
    earliest: dict[int, tuple[int, int]] = {}
    for shard, casts in by_shard.items():
        for cast in casts:
            if _spends(cast):
                found = (cast.number, shard)
                earliest[cast.user_id] = min(found, earliest.get(cast.user_id, found))
    return {user: shard for user, (_, shard) in earliest.items()}


def _wanted(casts: Iterable[Cast]) -> dict[int, int]:
    """The votes that each fan's casts spend at most: those that are no withdrawals. An order has the form of a withdrawal."""
    wanted: dict[int, int] = {}
    for cast in casts:
        if _spends(cast):
            wanted[cast.user_id] = wanted.get(cast.user_id, 0) + sum(1 for choice in cast.packed[3::2] if choice)
    return wanted
