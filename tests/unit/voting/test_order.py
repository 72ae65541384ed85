"""A fan's last choice is decided last."""

from __future__ import annotations

from typing import Any, cast

import pytest

from server.clock import SystemClock
from server.errors import Refused
from server.node.measures import level_counts
from server.node.readings import value_of
from server.protocol.levels import Level
from server.protocol.outcomes import FutureWaiter
from server.telemetry import CASTS
from server.voting.intake import Intake


class _Fan:
    """A waiter that must not be called."""

    is_gone = False

    def answered(self, at: int, durability: str, ballot: str, remaining: int | None, order: int = 0) -> None:
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


async def test_a_cast_whose_client_has_gone_is_no_failure_of_the_service() -> None:
    """It has an outcome of its own, and the service level counts it neither as an event nor as a miss."""
    count = level_counts([Level("availability", 0.999)])
    before, gone_before = count(), value_of(CASTS, "gone")
    intake, waiter = _intake(), FutureWaiter(is_gone=lambda: True)
    intake.submit(7, 1, [(101, "up")], waiter)
    assert intake._take_round() == {}
    with pytest.raises(Refused):
        await waiter.outcome
    assert value_of(CASTS, "gone") == gone_before + 1
    assert count() == before


def _in_round(intake: Intake) -> list[int]:
    """The fans whose casts the next round takes."""
    return [cast.user_id for casts in intake._take_round().values() for cast in casts]


async def test_no_fan_fills_a_round() -> None:
    """Fan 1 sends large casts to many shows before fan 2 sends one vote: it is in the first round."""
    intake = _intake()
    for show in range(1, 6):
        intake.submit(show, 1, [(song, "up") for song in range(1, 101)], _Fan())
    intake.submit(7, 1, [(101, "up")], _Fan())
    intake.submit(7, 2, [(101, "up")], _Fan())
    assert [_in_round(intake) for _ in range(6)] == [[1, 2], [1], [1], [1], [1], [1]]
    assert _in_round(intake) == []


async def test_no_fan_fills_the_queue() -> None:
    """Casts beyond the limit of one fan are refused as overloaded; others vote on, and so does the fan after a round."""
    intake = _intake()

    def submit(user: int) -> None:
        intake.submit(7, user, [(song, "none") for song in range(1, 101)], _Fan())

    for _ in range(10):
        submit(1)
    with pytest.raises(Refused, match="your votes are waiting") as refusal:
        submit(1)
    assert (refusal.value.code, refusal.value.retry_after_ms) == ("overloaded", 1_000)
    submit(2)
    assert _in_round(intake) == [1, 2]
    submit(1)
