"""The vote path without sockets: intake and writer on real engines, one step at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from server.clock import Clock, SystemClock
from server.errors import Refused
from server.protocol.outcomes import Marked
from server.store.database import Database
from server.voting.intake import Intake
from server.voting.rules import ballot_of
from server.voting.writer import Writer
from tests.support.running_node import PATIENCE_S

SHARD_COUNT = 16

Vote = tuple[int, str]


class Outcome:
    """A waiter that keeps what it is told.

    taken: (at, durability, ballot, remaining) or None; refusal: the error or None; durable_at: told later, or None;
    order: of the ballot, when it was asked for; is_gone: whether the client is gone
    """

    def __init__(self) -> None:
        self.taken: tuple[int, str, dict[int, str], int | None] | None = None
        self.refusal: Refused | None = None
        self.durable_at: int | None = None
        self.order = 0
        self.is_gone = False
        self._heard = asyncio.Event()

    @property
    def ballot(self) -> dict[int, str]:
        """The ballot after the cast, which was taken."""
        assert self.taken is not None, "the cast was not taken"
        return self.taken[2]

    def answered(self, at: int, durability: str, ballot: str, remaining: int | None, order: int = 0) -> None:
        """The cast was taken."""
        assert self.taken is None, "answered twice"
        assert self.refusal is None, "answered after a refusal"
        self.taken = (at, durability, ballot_of(ballot), remaining)
        self.order = order
        self._heard.set()

    def refused(self, error: Refused) -> None:
        """The cast was not taken."""
        assert self.taken is None, "refused after an answer"
        assert self.refusal is None, "refused twice"
        self.refusal = error
        self._heard.set()

    def committed(self, show_id: int, at: int) -> None:
        """What was accepted is durable."""
        assert self.taken is not None, "durable before it was answered"
        assert self.durable_at is None, "durable twice"
        self.durable_at = at

    async def known(self) -> Outcome:
        """Returns once there is an answer."""
        async with asyncio.timeout(PATIENCE_S):
            await self._heard.wait()
        return self

    @property
    def code(self) -> str:
        """The refusal's code, or "ok"."""
        return "ok" if self.refusal is None else str(self.refusal.code)


class VotePath:
    """An intake whose accepted casts are answered as soon as they are in the log, and a writer to drain the log with."""

    def __init__(self, redis_url: str, database: Database, intake: Intake) -> None:
        self.redis_url = redis_url
        self.database = database
        self.intake = intake

    @classmethod
    @asynccontextmanager
    async def open(
        cls, database_url: str, redis_url: str, *, votes_per_day_max: int = 1_000, clock: Clock | None = None
    ) -> AsyncIterator[VotePath]:
        """An intake that runs; no writer yet."""
        database = await Database.open(database_url, pool_size=4)
        intake = Intake(
            redis_url, database, clock or SystemClock(), shard_count=SHARD_COUNT, votes_per_day_max=votes_per_day_max
        )
        running = asyncio.create_task(intake.run())
        try:
            yield cls(redis_url, database, intake)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await database.close()

    def submit(self, show: int, user: int, *votes: Vote, order: int | None = None) -> Outcome:
        """Hands a cast in; the outcome comes later."""
        outcome = Outcome()
        self.intake.submit(show, user, votes, outcome, order)
        return outcome

    async def marked(self, marks: Sequence[tuple[Marked, int, int, bool]]) -> None:
        """Hands marks in, in this order, each (show or artist, id, user, wanted), and returns once all are in the log."""
        outcomes = []
        for marked, subject, user, wanted in marks:
            outcomes.append(Outcome())
            self.intake.submit_mark(marked, subject, user, outcomes[-1], wanted=wanted)
        await self._until_decided(outcomes)
        assert all(outcome.taken is not None for outcome in outcomes)

    async def decided_on(self, group_id: int, show_id: int) -> Outcome:
        """Hands the note of a decision on a group in, and returns once it is in the log."""
        outcome = Outcome()
        self.intake.submit_decision(group_id, show_id, outcome)
        await self._until_decided([outcome])
        return outcome

    async def decided(self, casts: Sequence[tuple[int, int, Sequence[Vote]]]) -> list[Outcome]:
        """Hands casts in, in this order, and returns once the script has decided every one of them."""
        outcomes = []
        for show, user, votes in casts:
            try:
                outcomes.append(self.submit(show, user, *votes))
            except Refused as error:
                refused = Outcome()
                refused.refused(error)
                outcomes.append(refused)
        await self._until_decided(outcomes)
        return outcomes

    async def _until_decided(self, outcomes: Sequence[Outcome]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while any(outcome.taken is None and outcome.refusal is None for outcome in outcomes):
                await asyncio.sleep(0.001)
                self.intake.pending_acks.accept_older(float("inf"))

    async def cast(self, show: int, user: int, *votes: Vote, order: int | None = None) -> Outcome:
        """One cast, decided."""
        outcome = self.submit(show, user, *votes, order=order)
        await self._until_decided([outcome])
        return outcome

    @asynccontextmanager
    async def writer(self, clock: Clock | None = None) -> AsyncIterator[Writer]:
        """A writer that runs."""
        writer = Writer(self.redis_url, self.database, clock or SystemClock(), shard_count=SHARD_COUNT)
        running = asyncio.create_task(writer.run())
        try:
            yield writer
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def ends(self) -> dict[int, int]:
        """By shard, the last position of its log, of shards that have one."""
        ask: Any = self.intake._connection.ask
        answers = await ask([("HGET", f"{{{shard}}}:meta", "last") for shard in range(SHARD_COUNT)])
        return {shard: int(last) for shard, last in enumerate(answers) if last is not None}

    async def is_drained(self) -> bool:
        """Whether everything in the log is in PostgreSQL."""
        ends = await self.ends()
        async with self.database.connection() as connection:
            rows = await connection.fetch("select shard, position from log_positions")
        return all(row["position"] >= ends.get(row["shard"], 0) for row in rows)
