"""Who is told what about a cast, and when."""

from __future__ import annotations

from typing import Any

import pytest

from server.errors import Refused
from server.voting import receipts as receipts_module
from server.voting.receipts import Batch, Receipt, Receipts
from tests.support.clock import FakeClock

Told = list[tuple[Any, ...]]


class Listener:
    """A waiter that writes down what it hears."""

    def __init__(self) -> None:
        self.told: Told = []

    def answered(self, at: int, durability: str, ballot: str, remaining: int | None) -> None:
        """The cast was taken."""
        self.told.append((durability, at, ballot, remaining))

    def refused(self, error: Refused) -> None:
        """It was not."""
        self.told.append(("refused", error.code, error.retry_after_ms is not None))

    def committed(self, show_id: int, at: int) -> None:
        """It is durable."""
        self.told.append(("durable", show_id, at))


def awaiting(*batches: tuple[int, int, float, list[Listener]]) -> Receipts:
    """Receipts of some batches. Takes: (shard, position, sent_s, waiters)."""
    receipts = Receipts(FakeClock())
    for shard, position, sent_s, waiters in batches:
        receipts.add(Batch(shard, position, sent_s, [Receipt(7, waiter, "101u", 2) for waiter in waiters]))
    return receipts


def test_a_committed_cast_is_answered_once() -> None:
    """A notification that comes twice is heard once."""
    fan = Listener()
    receipts = awaiting((7, 100, 0.0, [fan]))
    receipts.committed(7, [100])
    receipts.committed(7, [100])
    assert fan.told == [("committed", 100, "101u", 2)]
    assert receipts.cast_count == 0


def test_only_the_very_entry_counts() -> None:
    """A later entry of the same shard, or the same position of another, says nothing about this one."""
    fan = Listener()
    receipts = awaiting((7, 100, 0.0, [fan]))
    receipts.committed(7, [101, 99])
    receipts.committed(8, [100])
    assert fan.told == []
    assert receipts.cast_count == 1


def test_what_takes_long_is_accepted_and_later_durable() -> None:
    """First "accepted", then, once it is in PostgreSQL, the word that it is durable."""
    fan = Listener()
    receipts = awaiting((7, 100, 5.0, [fan]))
    receipts.accept_older(5.0)
    assert fan.told == []
    receipts.accept_older(5.1)
    receipts.accept_older(9.0)
    assert fan.told == [("accepted", 100, "101u", 2)]
    receipts.committed(7, [100])
    assert fan.told[1:] == [("durable", 7, 100)]


def test_only_old_batches_are_accepted() -> None:
    """A batch that was logged a moment ago still has its chance to be committed."""
    old, new = Listener(), Listener()
    receipts = awaiting((7, 100, 1.0, [old]), (8, 50, 2.0, [new]))
    receipts.accept_older(1.5)
    assert (len(old.told), len(new.told)) == (1, 0)


def test_a_missed_notification_is_made_up_for() -> None:
    """PostgreSQL lists the entry, so it is committed although nobody said so."""
    waiting, accepted = Listener(), Listener()
    receipts = awaiting((7, 100, 0.0, [waiting]), (7, 101, 0.0, []))
    assert receipts.settle(7, 101, {100, 101}) == 0
    assert waiting.told == [("committed", 100, "101u", 2)]
    receipts = awaiting((7, 100, 0.0, [accepted]))
    receipts.accept_older(1.0)
    assert receipts.settle(7, 100, {100}) == 0
    assert accepted.told[-1] == ("durable", 7, 100)


def test_a_lost_cast_is_refused_while_nobody_was_promised_anything() -> None:
    """PostgreSQL is past the entry without it: Valkey lost it, and the voter is asked to send it again."""
    fan = Listener()
    receipts = awaiting((7, 100, 0.0, [fan]))
    assert receipts.settle(7, 105, {105}) == 0
    assert fan.told == [("refused", "unavailable", True)]
    assert receipts.cast_count == 0


def test_a_lost_cast_that_was_accepted_is_counted() -> None:
    """It was promised, so it must be reported: never silent."""
    fans = [Listener(), Listener()]
    receipts = awaiting((7, 100, 0.0, fans))
    receipts.accept_older(1.0)
    assert receipts.settle(7, 105, {105}) == len(fans)
    assert [len(fan.told) for fan in fans] == [1, 1]
    assert receipts.cast_count == 0


def test_what_is_still_to_come_is_left_alone() -> None:
    """An entry past the committed position, or of another shard, may still be committed."""
    ahead, elsewhere = Listener(), Listener()
    receipts = awaiting((7, 106, 0.0, [ahead]), (8, 100, 0.0, [elsewhere]))
    assert receipts.settle(7, 105, set()) == 0
    assert ahead.told == elsewhere.told == []
    assert receipts.cast_count == 2


def test_the_oldest_position_of_each_shard_is_asked_about() -> None:
    """Only what is overdue, and per shard from its oldest entry on."""
    fan = Listener()
    receipts = awaiting((7, 100, 1.0, [fan]), (8, 50, 1.1, [fan]), (7, 101, 1.2, [fan]), (9, 1, 3.0, [fan]))
    assert receipts.oldest_by_shard(2.0) == {7: 100, 8: 50}


def test_past_the_limit_the_oldest_accepted_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded: who has an answer already only misses the later word; who has none is kept."""
    monkeypatch.setattr(receipts_module, "AWAITING_CASTS_MAX", 3)
    accepted, fresh = Listener(), Listener()
    receipts = awaiting((7, 100, 0.0, [accepted] * 2))
    receipts.accept_older(1.0)
    accepted.told.clear()
    for position in (101, 102, 103, 104):
        receipts.add(Batch(7, position, 2.0, [Receipt(7, fresh, "", None)]))
    assert receipts.cast_count == 4
    assert [batch.position for batch in receipts] == [101, 102, 103, 104]
    receipts.committed(7, [100, 101, 102, 103, 104])
    assert accepted.told == []
    assert len(fresh.told) == 4
