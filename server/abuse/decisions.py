"""Decisions on groups reach the log until they are applied: notes that were lost, and the slices of a large group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import NamedTuple

import structlog

from server.abuse.queries import decisions as queries
from server.errors import Refused, StoreError
from server.protocol.outcomes import FutureWaiter, Outcome, Waiter
from server.store.database import Database

log = structlog.get_logger()

LOOK_EVERY_S = 2.0
# Between two slices of a decision, casts of the show are taken.
SLICE_PAUSE_S = 0.25
UNDONE_AFTER_S = 3.0
UNDONE_MAX = 20

SubmitDecision = Callable[[int, int, Waiter], None]


class _Note(NamedTuple):
    shard: int
    outcome: asyncio.Future[Outcome]


class Decisions:
    """Hands in the notes of decisions that are not applied, for the shards that this node commits.

    Each note makes its show cold. So this node has one note of a group in the log at a time; the next one follows its commit.

    Takes: database, with the rights of its owner; submit_decision, of the intake: group, show, waiter;
           held_shards, gives the shards that this node commits; shard_count, as the database has it
    """

    def __init__(
        self,
        database: Database,
        submit_decision: SubmitDecision,
        held_shards: Callable[[], Collection[int]],
        *,
        shard_count: int,
    ) -> None:
        self._database = database
        self._submit_decision = submit_decision
        self._held_shards = held_shards
        self._shard_count = shard_count
        self._notes: dict[int, _Note] = {}  # group -> its note that is not known to be committed
        self._begun: set[int] = set()  # groups of the last commits: something of them may be left
        self._has_begun = asyncio.Event()

    def committed(self, group_ids: Iterable[int]) -> None:
        """Learns that a commit of this node had notes of these groups."""
        for group_id in group_ids:
            self._notes.pop(group_id, None)
            self._begun.add(group_id)
            self._has_begun.set()

    async def run(self) -> None:
        """Hands in until cancelled."""
        while True:
            try:
                await self.hand_in_undone()
            except StoreError as error:
                log.warning("decisions.not_looked", error=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._has_begun.wait()
            await asyncio.sleep(SLICE_PAUSE_S)

    async def hand_in_undone(self) -> None:
        """Hands in a note for each decision of which something is left, unless its last note is on its way."""
        begun, self._begun = self._begun, set()
        self._has_begun.clear()
        shards = self._held_shards()
        self._notes = {group: note for group, note in self._notes.items() if note.shard in shards}
        async with self._database.connection() as connection:
            undone = queries.fetch_undone(
                connection, shards=list(shards), shard_count=self._shard_count, begun_ids=list(begun),
                older_s=UNDONE_AFTER_S, count=UNDONE_MAX,
            )  # fmt: skip
            rows = [row async for row in undone]
        for row in rows:
            note = self._notes.get(row["id"])
            # A log that lost the note goes on past its position.
            if note is None or (note.outcome.done() and note.outcome.result().at <= row["position"]):
                self.hand_in(row["id"], row["show_id"])

    def hand_in(self, group_id: int, show_id: int) -> None:
        """Hands in the note of a decision. One that is refused is handed in again later."""
        waiter = FutureWaiter()
        try:
            self._submit_decision(group_id, show_id, waiter)
        except Refused as refused:
            log.warning("decisions.not_handed_in", group=group_id, error=refused.message)
            return
        note = self._notes[group_id] = _Note(show_id % self._shard_count, waiter.outcome)

        def forget_refused(outcome: asyncio.Future[Outcome]) -> None:
            if (error := outcome.exception()) is None:
                return
            log.warning("decisions.not_handed_in", group=group_id, error=str(error))
            if self._notes.get(group_id) is note:
                del self._notes[group_id]

        waiter.outcome.add_done_callback(forget_refused)
