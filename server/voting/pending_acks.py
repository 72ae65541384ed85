"""The acknowledgements that wait for a commit, by log entry.

A cast is acknowledged when its own entry is committed. A later position is no proof: when Valkey rewinds, later entries
can be committed without an earlier one that was lost (docs/adr/0003).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence

from server.clock import Clock
from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.outcomes import Waiter
from server.protocol.positions import SEQ_BITS
from server.telemetry import ACKNOWLEDGEMENT_SECONDS, CASTS
from server.voting.casts import ScriptCode, refusal
from server.voting.rules import MARK, PICK, RefusedVote

AWAITING_CASTS_MAX = 100_000
EARLY_MAX = 10_000
# A hundred answers take about 1 ms. All answers of a commit in a row would delay the next commit.
ANSWERS_IN_A_ROW = 100


class PendingAck:
    """One accepted cast or mark that is not yet known to be in PostgreSQL.

    subject_id: the show; for a follow, the artist; packed: the cast or mark as the script took it
    """

    __slots__ = ("ballot", "packed", "remaining", "subject_id", "waiter")

    def __init__(
        self, subject_id: int, waiter: Waiter, ballot: str, remaining: int | None, packed: Sequence[int]
    ) -> None:
        self.subject_id = subject_id
        self.packed = packed
        self.waiter = waiter
        self.ballot = ballot
        self.remaining = remaining


class PendingEntry:
    """A log entry that is not yet known to be in PostgreSQL, and the acknowledgements of its casts."""

    __slots__ = ("acks", "is_accepted", "position", "sent_s", "shard")

    def __init__(self, shard: int, position: int, sent_s: float, acks: list[PendingAck]) -> None:
        self.shard = shard
        self.position = position
        self.sent_s = sent_s
        self.acks = acks
        self.is_accepted = False  # whether its casts were answered "accepted"


class PendingAcks:
    """All pending entries of this node, oldest first.

    Takes: casts_max, the number of casts above which the oldest accepted entries are forgotten
    """

    def __init__(self, clock: Clock, *, casts_max: int = AWAITING_CASTS_MAX) -> None:
        self._clock = clock
        self._casts_max = casts_max
        self._entries: dict[tuple[int, int], PendingEntry] = {}
        self._early: dict[tuple[int, int], None] = {}  # entries whose commit came before `add`
        # Votes and picks that the database has refused: show, user, cast_ms, whether it is a pick. Their commits are announced next.
        self._refused: dict[tuple[int, int, int, bool], None] = {}
        self._answers: deque[tuple[PendingAck, int, str]] = deque()  # answers to give: ack, position, durability
        self._is_answering_later = False
        self.cast_count = 0

    def add(self, entry: PendingEntry) -> None:
        """Remembers an entry until its commit.

        Above `casts_max` casts, the oldest accepted entries are forgotten. Their voters have an answer, and miss only the
        later message that the vote is durable.
        """
        self._entries[entry.shard, entry.position] = entry
        self.cast_count += len(entry.acks)
        if (entry.shard, entry.position) in self._early:
            self.committed(entry.shard, [entry.position])
            return
        while self.cast_count > self._casts_max:
            oldest = next(iter(self._entries.values()))
            if not oldest.is_accepted:
                break
            self._remove(oldest)

    def committed(self, shard: int, positions: Iterable[int]) -> None:
        """Acknowledges the casts of these entries: they are in PostgreSQL."""
        for position in positions:
            entry = self._entries.get((shard, position))
            if entry is None:
                # It is another node's entry, or the notification came before the script's reply to this node.
                self._early[shard, position] = None
                if len(self._early) > EARLY_MAX:
                    del self._early[next(iter(self._early))]
                continue
            self._remove(entry)
            self._answer(entry, "durable" if entry.is_accepted else "committed")

    def refused(self, votes: Iterable[RefusedVote]) -> None:
        """Remembers the votes and picks that do not count. The commits that hold them are announced next."""
        for show_id, user_id, cast_ms, reason in votes:
            self._refused[show_id, user_id, cast_ms, reason == "pick"] = None
            if len(self._refused) > EARLY_MAX:
                del self._refused[next(iter(self._refused))]

    def accept_older(self, before_s: float) -> None:
        """Answers "accepted" to all casts that were sent before `before_s` and are not committed yet."""
        for entry in self._entries.values():
            if entry.sent_s >= before_s:
                break
            if not entry.is_accepted:
                entry.is_accepted = True
                self._answer(entry, "accepted")

    def oldest_s(self) -> float:
        """For how long the oldest entry has been waiting; 0: none waits."""
        oldest = next(iter(self._entries.values()), None)
        return 0.0 if oldest is None else self._clock.monotonic_s() - oldest.sent_s

    def oldest_by_shard(self, before_s: float) -> dict[int, int]:
        """The oldest pending position of each shard, among entries sent before `before_s`."""
        oldest: dict[int, int] = {}
        for entry in self._entries.values():
            if entry.sent_s >= before_s:
                break
            oldest.setdefault(entry.shard, entry.position)
        return oldest

    def settle(self, shard: int, committed_position: int, committed_entries: set[int]) -> list[PendingEntry]:
        """Compares the pending entries of a shard with the entries that PostgreSQL has committed.

        Takes: committed_entries, the positions of all entries committed since the oldest pending one
        Gives: the lost entries, oldest first; their casts that had no answer are refused
        """
        due = [e for e in self._entries.values() if e.shard == shard and e.position <= committed_position]
        self.committed(shard, [entry.position for entry in due if entry.position in committed_entries])
        lost = [entry for entry in due if entry.position not in committed_entries]
        for entry in lost:
            self._remove(entry)
            if entry.is_accepted:
                continue
            CASTS.labels(Code.UNAVAILABLE).inc(len(entry.acks))
            for ack in entry.acks:
                ack.waiter.refused(
                    Refused(Code.UNAVAILABLE, "The vote was lost in a restart. Send it again.", retry_after_ms=100)
                )
        return lost

    @property
    def is_empty(self) -> bool:
        """Whether no waiter expects an answer or the message that its vote is durable."""
        return not self._entries and not self._answers

    @property
    def owes_notices(self) -> bool:
        """Whether a waiter that was answered "accepted" may still hear that its vote is durable."""
        oldest = next(iter(self._entries.values()), None)
        return bool(self._answers) or (oldest is not None and oldest.is_accepted)

    def _answer(self, entry: PendingEntry, durability: str) -> None:
        """Answers the casts of an entry, or says "durable" to casts that were answered as accepted."""
        if self._refused and durability != "accepted":
            self._refuse(entry)
        # Counted once for the whole entry: metrics for each cast would cost as much as the answer itself.
        if durability != "durable":
            CASTS.labels(durability).inc(len(entry.acks))
            ACKNOWLEDGEMENT_SECONDS.observe(self._clock.monotonic_s() - entry.sent_s)
        self._answers.extend([(ack, entry.position, durability) for ack in entry.acks])
        if not self._is_answering_later:
            self._give_answers()

    def _refuse(self, entry: PendingEntry) -> None:
        """Refuses the casts and picks of an entry that do not count. One that was answered as accepted is not confirmed."""
        cast_ms = entry.position >> SEQ_BITS
        acks, entry.acks = entry.acks, []
        for ack in acks:
            packed = ack.packed
            is_pick = packed[0] == MARK and packed[1] == PICK
            show_id, user_id = (packed[3], packed[2]) if is_pick else (packed[0], packed[1])
            if (show_id, user_id, cast_ms, is_pick) not in self._refused:
                entry.acks.append(ack)
            elif not entry.is_accepted:
                ack.waiter.refused(refusal([ScriptCode.PICKS_LOCKED]) if is_pick else _late_vote())

    def _give_answers(self) -> None:
        """Gives up to ANSWERS_IN_A_ROW answers; the rest follows after other work has had its turn."""
        answers = self._answers
        for _ in range(min(len(answers), ANSWERS_IN_A_ROW)):
            ack, position, durability = answers.popleft()
            if durability == "durable":
                ack.waiter.committed(ack.subject_id, position)
            else:
                ack.waiter.answered(position, durability, ack.ballot, ack.remaining)
        self._is_answering_later = bool(answers)
        if answers:
            asyncio.get_running_loop().call_soon(self._give_answers)

    def _remove(self, entry: PendingEntry) -> None:
        del self._entries[entry.shard, entry.position]
        self.cast_count -= len(entry.acks)


def _late_vote() -> Refused:
    return Refused(Code.CLOSED, "This vote came when its voting was over, so it does not count.")
