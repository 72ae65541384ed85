"""Instants of a clock, and the delays between attempts that fail."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from server.clock import backoff_s, utc_now
from tests.support.clock import FakeClock


def test_an_instant_is_exact_to_the_millisecond() -> None:
    """A float of seconds would not hold every millisecond."""
    assert utc_now(FakeClock(1_800_000_000_001)) == datetime(2027, 1, 15, 8, 0, 0, 1_000, tzinfo=UTC)


@pytest.mark.parametrize(("failures", "delay_s"), [(1, 0.05), (2, 0.1), (3, 0.2), (6, 1.0), (7, 1.0), (10_000, 1.0)])
def test_a_delay_doubles_up_to_its_bound(failures: int, delay_s: float) -> None:
    """Each delay is within a quarter of the doubled one; a very long outage does not overflow."""
    delays = [backoff_s(failures, first_s=0.05, max_s=1.0) for _ in range(100)]
    assert all(0.75 * delay_s <= delay <= 1.25 * delay_s for delay in delays)


def test_delays_differ() -> None:
    """Nodes that failed together do not try again together."""
    assert len({backoff_s(1, first_s=1.0, max_s=1.0) for _ in range(20)}) > 1


def test_a_delay_grows_by_a_given_factor() -> None:
    """The delays of letters grow fourfold."""
    delays = [backoff_s(3, first_s=60.0, max_s=1e9, factor=4) for _ in range(100)]
    assert all(0.75 * 960 <= delay <= 1.25 * 960 for delay in delays)
