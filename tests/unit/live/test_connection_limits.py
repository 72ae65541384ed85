"""Connection limits and token buckets, called with made-up instants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import Refused
from server.live.connection_limits import ADDRESSES_MAX, ConnectionLimits, TokenBucket
from server.protocol.limits import Limits


def test_a_bucket_gives_a_burst_and_then_its_rate() -> None:
    """A burst is twice the rate. It is back after two seconds of silence, and a client that waits as told gets one request."""
    bucket = TokenBucket(10)
    assert [bucket.wait_s(100.0) for _ in range(20)] == [0.0] * 20
    wait_s = bucket.wait_s(100.0)
    assert wait_s == pytest.approx(0.1)
    assert bucket.wait_s(100.0) == wait_s, "a refused request takes nothing"
    assert bucket.wait_s(100.0 + wait_s + 1e-9) == 0.0
    assert bucket.wait_s(100.0 + wait_s + 1e-9) > 0.0
    assert [bucket.wait_s(103.0) for _ in range(21)][19:] == [0.0, pytest.approx(0.1)]


def test_a_large_request_costs_more() -> None:
    """A request that is let pass may be charged afterwards: the next one waits for all of it."""
    bucket = TokenBucket(10)
    assert bucket.wait_s(100.0) == 0.0
    bucket.charge(99)
    assert bucket.wait_s(100.0) == pytest.approx(8.1)
    assert bucket.wait_s(108.2) == 0.0


@given(st.floats(1, 1000), st.lists(st.floats(0, 3), max_size=300))
def test_no_stretch_of_time_has_more_than_the_rate_and_the_burst(per_s: float, pauses_s: list[float]) -> None:
    """With any rhythm of requests, no stretch of time has more requests than its rate and one burst allow."""
    bucket, now_s, taken = TokenBucket(per_s), 0.0, []
    for pause_s in pauses_s:
        now_s += pause_s / per_s
        if bucket.wait_s(now_s) == 0.0:
            taken.append(now_s)
    for first, start_s in enumerate(taken):
        assert len(taken) - first <= per_s * (now_s - start_s) + 2 * per_s + 1


def test_anonymous_clients_of_an_address_share_a_bucket() -> None:
    """Their requests are refused with the time to wait; other addresses are not limited, and memory has a bound."""
    limits = ConnectionLimits(Limits(requests_per_s_of_address=4))
    for _ in range(8):
        limits.count_anonymous("a", 100.0)
    with pytest.raises(Refused, match="sign in") as refusal:
        limits.count_anonymous("a", 100.0)
    assert (refusal.value.code, refusal.value.retry_after_ms) == ("rate_limited", 250)
    limits.count_anonymous("b", 100.0)
    for number in range(ADDRESSES_MAX):
        limits.count_anonymous(f"{number}", 100.0)
    assert len(limits._anonymous) <= ADDRESSES_MAX


def test_limits_of_the_node_and_of_an_address() -> None:
    """Both limits hold, a connection that leaves makes room, and an address without connections is forgotten."""
    limits = ConnectionLimits(Limits(connections=3, connections_per_address=2))
    limits.acquire_address("a")
    limits.acquire_address("a")
    with pytest.raises(Refused, match="network") as refusal:
        limits.acquire_address("a")
    assert (refusal.value.code, refusal.value.retry_after_ms) == ("overloaded", 5000)
    limits.acquire_address("b")
    with pytest.raises(Refused, match="server"):
        limits.acquire_address("c")
    limits.release_address("a")
    limits.acquire_address("a")
    for address in "aab":
        limits.release_address(address)
    assert limits._addresses == {}


def test_limits_of_a_user() -> None:
    """All connections of a user share one bucket until the last of them closes."""
    limits = ConnectionLimits(Limits(connections_per_user=2, requests_per_s_of_user=1))
    first = limits.acquire_user(42)
    assert limits.acquire_user(42) is first
    assert limits.acquire_user(43) is not first
    with pytest.raises(Refused, match="Close one"):
        limits.acquire_user(42)
    limits.release_user(42)
    assert limits.acquire_user(42) is first
    for user_id in (42, 42, 43):
        limits.release_user(user_id)
    assert limits._users == {}
