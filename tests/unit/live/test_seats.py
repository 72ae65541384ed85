"""Seats and buckets: plain calls on a clock that stands still."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import Refused
from server.live.seats import Bucket, Seats
from server.protocol.limits import Limits


def test_a_bucket_gives_twice_a_second_at_once_and_then_its_rate() -> None:
    """The burst is there again after two seconds of silence; who is told to wait and does, gets one."""
    bucket = Bucket(10)
    assert [bucket.wait_s(100.0) for _ in range(20)] == [0.0] * 20
    wait_s = bucket.wait_s(100.0)
    assert wait_s == pytest.approx(0.1)
    assert bucket.wait_s(100.0) == wait_s, "who is refused has taken nothing"
    assert bucket.wait_s(100.0 + wait_s + 1e-9) == 0.0
    assert bucket.wait_s(100.0 + wait_s + 1e-9) > 0.0
    assert [bucket.wait_s(103.0) for _ in range(21)][19:] == [0.0, pytest.approx(0.1)]


@given(st.floats(1, 1000), st.lists(st.floats(0, 3), max_size=300))
def test_no_more_than_the_rate_in_any_stretch(per_s: float, pauses_s: list[float]) -> None:
    """Whatever the rhythm: in any stretch of time at most its rate, and the burst on top."""
    bucket, now_s, taken = Bucket(per_s), 0.0, []
    for pause_s in pauses_s:
        now_s += pause_s / per_s
        if bucket.wait_s(now_s) == 0.0:
            taken.append(now_s)
    for first, start_s in enumerate(taken):
        assert len(taken) - first <= per_s * (now_s - start_s) + 2 * per_s + 1


def test_nobody_never_waits() -> None:
    """Readers share a bucket that has no bottom; this one is nobody else's, whose clock may be another."""
    bucket = Bucket(math.inf)
    assert {bucket.wait_s(1.0) for _ in range(10_000)} == {0.0}


def test_seats_of_the_node_and_of_an_address() -> None:
    """Each full for itself, free again when somebody leaves, and nothing is kept of who is gone."""
    seats = Seats(Limits(connections=3, connections_per_address=2))
    seats.enter("a")
    seats.enter("a")
    with pytest.raises(Refused, match="network") as refusal:
        seats.enter("a")
    assert (refusal.value.code, refusal.value.retry_after_ms) == ("overloaded", 5000)
    seats.enter("b")
    with pytest.raises(Refused, match="server"):
        seats.enter("c")
    seats.leave("a")
    seats.enter("a")
    for address in "aab":
        seats.leave(address)
    assert seats._addresses == {}


def test_seats_of_a_user() -> None:
    """A user's connections share one bucket for as long as there is one of them."""
    seats = Seats(Limits(connections_per_user=2, requests_per_s_of_user=1))
    first = seats.take(42)
    assert seats.take(42) is first
    assert seats.take(43) is not first
    with pytest.raises(Refused, match="Close one"):
        seats.take(42)
    seats.give_up(42)
    assert seats.take(42) is first
    for user_id in (42, 42, 43):
        seats.give_up(user_id)
    assert seats._users == {}
