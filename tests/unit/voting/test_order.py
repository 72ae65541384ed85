"""A fan's last choice is decided last."""

from __future__ import annotations

from typing import Any, cast

from server.clock import SystemClock
from server.errors import Refused
from server.voting.intake import Intake


class _Fan:
    """A waiter that must not be called."""

    def answered(self, at: int, durability: str, ballot: str, remaining: int | None) -> None:
        """Not expected."""
        raise AssertionError

    def refused(self, error: Refused) -> None:
        """Not expected."""
        raise AssertionError

    def committed(self, show_id: int, at: int) -> None:
        """Not expected."""
        raise AssertionError


def _intake() -> Intake:
    return Intake("unix:///nowhere", cast("Any", None), SystemClock(), shard_count=16, votes_per_day_max=100)


async def test_a_later_cast_waits_behind_an_earlier_one_that_is_cold() -> None:
    """Otherwise the earlier choice would be decided later, and would stay."""
    intake = _intake()
    intake.submit(7, 1, [(101, "up")], _Fan())
    ((first,),) = intake._take_round().values()
    intake._warm_up.add(first)
    intake.submit(7, 1, [(101, "down")], _Fan())
    intake.submit(7, 2, [(101, "down")], _Fan())
    sent = [cast for casts in intake._take_round().values() for cast in casts]
    assert [cast.packed[1] for cast in sent] == [2], "another fan's cast goes, the same fan's waits"
    assert [cast.number for cast in intake._warm_up._waiting] == [1, 2]


async def test_an_earlier_cast_does_not_wait_for_a_later_one() -> None:
    """Two casts that wait for each other would wait for ever."""
    intake = _intake()
    intake.submit(7, 1, [(101, "up")], _Fan())
    intake.submit(7, 1, [(101, "down")], _Fan())
    ((first, second),) = intake._take_round().values()
    intake._warm_up.add(second)
    intake._resume(first, None)
    assert [cast for casts in intake._take_round().values() for cast in casts] == [first]
