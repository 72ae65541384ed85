"""Who still waits for which log entry to be committed.

A cast is acknowledged by the exact entry it was logged in, never by "the log is past it": when Valkey rewinds, later
entries can be committed without an earlier one that was lost (docs/adr/0003).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator

from server.clock import Clock
from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.outcomes import Waiter
from server.telemetry import ACKNOWLEDGEMENT_SECONDS, CASTS

AWAITING_CASTS_MAX = 100_000
EARLY_MAX = 10_000
# A commit's answers in one go would hold up the next commit by as long as they take: about 1 ms a hundred.
ANSWERS_IN_A_ROW = 100


class Receipt:
    """One accepted cast or mark on its way to PostgreSQL. subject_id: the show; of a follow the artist."""

    __slots__ = ("ballot", "remaining", "subject_id", "waiter")

    def __init__(self, subject_id: int, waiter: Waiter, ballot: str, remaining: int | None) -> None:
        self.subject_id = subject_id
        self.waiter = waiter
        self.ballot = ballot
        self.remaining = remaining


class Batch:
    """The receipts of one log entry."""

    __slots__ = ("is_accepted", "position", "receipts", "sent_s", "shard")

    def __init__(self, shard: int, position: int, sent_s: float, receipts: list[Receipt]) -> None:
        self.shard = shard
        self.position = position
        self.sent_s = sent_s
        self.receipts = receipts
        self.is_accepted = False


class Receipts:
    """All batches of this node that are in Valkey's log and not yet known to be in PostgreSQL, oldest first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._batches: dict[tuple[int, int], Batch] = {}
        self._early: dict[tuple[int, int], None] = {}  # committed before their batch was added
        self._answers: deque[tuple[Receipt, int, str]] = deque()  # receipt, position, durability; still to be given
        self._is_answering_later = False
        self.cast_count = 0

    def add(self, batch: Batch) -> None:
        """Remembers a batch. Past AWAITING_CASTS_MAX the oldest accepted ones are forgotten: their voters have their
        answer and only miss the later word that it is durable.
        """
        self._batches[batch.shard, batch.position] = batch
        self.cast_count += len(batch.receipts)
        if (batch.shard, batch.position) in self._early:
            self.committed(batch.shard, [batch.position])
            return
        while self.cast_count > AWAITING_CASTS_MAX:
            oldest = next(iter(self._batches.values()))
            if not oldest.is_accepted:
                break
            self._take(oldest)

    def committed(self, shard: int, positions: Iterable[int]) -> None:
        """These entries are in PostgreSQL."""
        for position in positions:
            batch = self._batches.get((shard, position))
            if batch is None:
                # Another node's, or one of ours whose script's reply is still on its way: the notification may be first.
                self._early[shard, position] = None
                if len(self._early) > EARLY_MAX:
                    del self._early[next(iter(self._early))]
                continue
            self._take(batch)
            self._answer(batch, "durable" if batch.is_accepted else "committed")

    def accept_older(self, than_s: float) -> None:
        """Answers "accepted" to whatever was logged before `than_s` and is not committed yet."""
        for batch in self._batches.values():
            if batch.sent_s >= than_s:
                break
            if not batch.is_accepted:
                batch.is_accepted = True
                self._answer(batch, "accepted")

    def oldest_by_shard(self, than_s: float) -> dict[int, int]:
        """Shard -> the oldest position still awaited among batches logged before `than_s`."""
        oldest: dict[int, int] = {}
        for batch in self._batches.values():
            if batch.sent_s >= than_s:
                break
            oldest.setdefault(batch.shard, batch.position)
        return oldest

    def settle(self, shard: int, committed_position: int, entries: set[int]) -> int:
        """Holds what is awaited against what PostgreSQL says about a shard.

        Takes: committed_position; entries, all those committed from the oldest awaited position on
        Gives: how many casts that had been acknowledged as accepted turned out lost
        """
        lost_count = 0
        behind = [b for b in self._batches.values() if b.shard == shard and b.position <= committed_position]
        self.committed(shard, [b.position for b in behind if b.position in entries])
        for batch in behind:
            if batch.position in entries:
                continue
            self._take(batch)
            if batch.is_accepted:
                lost_count += len(batch.receipts)
                continue
            for receipt in batch.receipts:
                receipt.waiter.refused(
                    Refused(Code.UNAVAILABLE, "The vote was lost in a restart. Send it again.", retry_after_ms=100)
                )
        return lost_count

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits for an answer, nor for the word that their vote is durable."""
        return not self._batches and not self._answers

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._batches.values())

    def _answer(self, batch: Batch, durability: str) -> None:
        """Answers, or says "durable" to what was answered as accepted."""
        # Counted by the batch: metrics for each cast would cost as much as the answer itself.
        if durability != "durable":
            CASTS.labels(durability).inc(len(batch.receipts))
            ACKNOWLEDGEMENT_SECONDS.observe(self._clock.monotonic_s() - batch.sent_s)
        self._answers.extend([(receipt, batch.position, durability) for receipt in batch.receipts])
        if not self._is_answering_later:
            self._give_answers()

    def _give_answers(self) -> None:
        """The next answers, at most ANSWERS_IN_A_ROW of them; the rest when other work has had its turn."""
        answers = self._answers
        for _ in range(min(len(answers), ANSWERS_IN_A_ROW)):
            receipt, position, durability = answers.popleft()
            if durability == "durable":
                receipt.waiter.committed(receipt.subject_id, position)
            else:
                receipt.waiter.answered(position, durability, receipt.ballot, receipt.remaining)
        self._is_answering_later = bool(answers)
        if answers:
            asyncio.get_running_loop().call_soon(self._give_answers)

    def _take(self, batch: Batch) -> None:
        del self._batches[batch.shard, batch.position]
        self.cast_count -= len(batch.receipts)
