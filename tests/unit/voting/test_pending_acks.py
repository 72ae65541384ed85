"""Which answer a cast gets, and when."""

from __future__ import annotations

from typing import Any

from server.errors import Refused
from server.node.readings import value_of
from server.telemetry import CASTS
from server.voting.pending_acks import PendingAck, PendingAcks, PendingEntry
from tests.support.clock import FakeClock

Told = list[tuple[Any, ...]]


class Listener:
    """A waiter that writes down each call."""

    is_gone = False

    def __init__(self) -> None:
        self.told: Told = []

    def answered(self, at: int, durability: str, ballot: str, remaining: int | None, order: int = 0) -> None:
        """The cast was taken."""
        self.told.append((durability, at, ballot, remaining))

    def refused(self, error: Refused) -> None:
        """The cast was not taken."""
        self.told.append(("refused", error.code, error.retry_after_ms is not None))

    def committed(self, subject_id: int, at: int) -> None:
        """The cast is durable."""
        self.told.append(("durable", subject_id, at))


def awaiting(*entries: tuple[int, int, float, list[Listener]], casts_max: int = 1_000) -> PendingAcks:
    """Pending entries. Takes: (shard, position, sent_s, waiters) of each."""
    pending = PendingAcks(FakeClock(), casts_max=casts_max)
    for shard, position, sent_s, waiters in entries:
        acks = [PendingAck(7, waiter, "101u", 2, [7, 1, 101, 1]) for waiter in waiters]
        pending.add(PendingEntry(shard, position, sent_s, acks))
    return pending


def test_a_committed_cast_is_answered_once() -> None:
    """A notification that comes twice gives one answer."""
    fan = Listener()
    pending = awaiting((7, 100, 0.0, [fan]))
    pending.committed(7, [100])
    pending.committed(7, [100])
    assert fan.told == [("committed", 100, "101u", 2)]
    assert pending.cast_count == 0


def test_a_commit_that_is_known_before_its_entry_answers_at_once() -> None:
    """The notification may overtake the script's reply."""
    fan = Listener()
    pending = awaiting()
    pending.committed(7, [100])
    pending.add(PendingEntry(7, 100, 0.0, [PendingAck(7, fan, "101u", 2, [7, 1, 101, 1])]))
    assert fan.told == [("committed", 100, "101u", 2)]
    assert pending.is_empty


def test_only_the_exact_entry_acknowledges() -> None:
    """A later entry of the same shard, or the same position of another shard, acknowledges nothing here."""
    fan = Listener()
    pending = awaiting((7, 100, 0.0, [fan]))
    pending.committed(7, [101, 99])
    pending.committed(8, [100])
    assert fan.told == []
    assert pending.cast_count == 1


def test_a_slow_commit_is_accepted_first_and_durable_later() -> None:
    """The waiter gets "accepted" first, and the message that it is durable once PostgreSQL has it."""
    fan = Listener()
    pending = awaiting((7, 100, 5.0, [fan]))
    pending.accept_older(5.0)
    assert fan.told == []
    pending.accept_older(5.1)
    pending.accept_older(9.0)
    assert fan.told == [("accepted", 100, "101u", 2)]
    pending.committed(7, [100])
    assert fan.told[1:] == [("durable", 7, 100)]


def test_only_old_entries_are_accepted() -> None:
    """An entry that was logged a moment ago may still be committed in time."""
    old, new = Listener(), Listener()
    pending = awaiting((7, 100, 1.0, [old]), (8, 50, 2.0, [new]))
    pending.accept_older(1.5)
    assert (len(old.told), len(new.told)) == (1, 0)


def test_a_missed_notification_is_made_up_for() -> None:
    """An entry that PostgreSQL lists is committed, also without a notification."""
    waiting, accepted = Listener(), Listener()
    pending = awaiting((7, 100, 0.0, [waiting]), (7, 101, 0.0, []))
    assert pending.settle(7, 101, {100, 101}) == []
    assert waiting.told == [("committed", 100, "101u", 2)]
    pending = awaiting((7, 100, 0.0, [accepted]))
    pending.accept_older(1.0)
    assert pending.settle(7, 100, {100}) == []
    assert accepted.told[-1] == ("durable", 7, 100)


def test_a_lost_cast_that_was_not_acknowledged_is_refused() -> None:
    """PostgreSQL is past the entry without it: Valkey lost it, and the voter is asked to send it again. It counts as refused."""
    fan = Listener()
    before = value_of(CASTS, "unavailable")
    pending = awaiting((7, 100, 0.0, [fan]))
    assert [entry.position for entry in pending.settle(7, 105, {105})] == [100]
    assert fan.told == [("refused", "unavailable", True)]
    assert value_of(CASTS, "unavailable") - before == 1
    assert pending.cast_count == 0


def test_a_lost_cast_that_was_accepted_is_counted() -> None:
    """A lost cast that was acknowledged must be reported, never silent."""
    fans = [Listener(), Listener()]
    pending = awaiting((7, 100, 0.0, fans))
    pending.accept_older(1.0)
    (lost,) = pending.settle(7, 105, {105})
    assert lost.is_accepted
    assert len(lost.acks) == len(fans)
    assert [len(fan.told) for fan in fans] == [1, 1]
    assert pending.cast_count == 0


def test_entries_that_may_still_be_committed_stay_pending() -> None:
    """An entry past the committed position, or of another shard, may still be committed."""
    ahead, elsewhere = Listener(), Listener()
    pending = awaiting((7, 106, 0.0, [ahead]), (8, 100, 0.0, [elsewhere]))
    assert pending.settle(7, 105, set()) == []
    assert ahead.told == elsewhere.told == []
    assert pending.cast_count == 2


def test_the_oldest_overdue_position_of_each_shard_is_found() -> None:
    """Entries that are not overdue are left out."""
    fan = Listener()
    pending = awaiting((7, 100, 1.0, [fan]), (8, 50, 1.1, [fan]), (7, 101, 1.2, [fan]), (9, 1, 3.0, [fan]))
    assert pending.oldest_by_shard(2.0) == {7: 100, 8: 50}


def test_past_the_limit_the_oldest_accepted_entries_are_forgotten() -> None:
    """Memory is bounded: voters with an answer only miss the later message; voters without one keep waiting."""
    accepted, fresh = Listener(), Listener()
    pending = awaiting((7, 100, 0.0, [accepted] * 2), casts_max=3)
    pending.accept_older(1.0)
    accepted.told.clear()
    for position in (101, 102, 103, 104):
        pending.add(PendingEntry(7, position, 2.0, [PendingAck(7, fresh, "", None, [7, 1])]))
    assert pending.cast_count == 4
    pending.committed(7, [100, 101, 102, 103, 104])
    assert accepted.told == []
    assert [position for _, position, *_ in fresh.told] == [101, 102, 103, 104]


def test_a_vote_that_the_database_refuses_is_not_confirmed() -> None:
    """Whoever still waits is refused; whoever was answered as accepted hears nothing; the others are confirmed."""
    late, honest, accepted = Listener(), Listener(), Listener()
    pending = awaiting()
    position, older = 9_000 << 10, 8_000 << 10
    pending.add(PendingEntry(7, older, 1.0, [PendingAck(7, accepted, "", None, [7, 3, 101, 1])]))
    pending.accept_older(2.0)
    acks = [PendingAck(7, late, "", None, [7, 1, 101, 1]), PendingAck(7, honest, "", None, [7, 2, 101, 1])]
    pending.add(PendingEntry(7, position, 3.0, acks))
    pending.refused([(7, 1, 9_000, "window"), (7, 3, 8_000, "final")])
    pending.committed(7, [older, position])
    assert late.told == [("refused", "closed", False)]
    assert honest.told == [("committed", position, "", None)]
    assert accepted.told == [("accepted", older, "", None)]
    assert pending.is_empty
