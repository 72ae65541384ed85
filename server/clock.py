"""The clock. Each object that needs the time takes one, so that tests can move it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVarTuple

Arguments = TypeVarTuple("Arguments")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Two readings of time, and a timer."""

    def monotonic_s(self) -> float:
        """Seconds that only grow; for intervals."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC; for instants."""

    def call_later(self, delay_s: float, callback: Callable[[*Arguments], object], *arguments: *Arguments) -> None:
        """Calls back once, after `delay_s`; in an event loop only."""


class SystemClock:
    """This machine's clock and the running event loop's timer."""

    def monotonic_s(self) -> float:
        """Seconds that only grow; for intervals."""
        return time.monotonic()

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC; for instants."""
        return time.time_ns() // 1_000_000

    def call_later(self, delay_s: float, callback: Callable[[*Arguments], object], *arguments: *Arguments) -> None:
        """Calls back once, after `delay_s`; in an event loop only."""
        asyncio.get_running_loop().call_later(delay_s, callback, *arguments)


def utc_now(clock: Clock) -> datetime:
    """The instant of a clock, exact to the millisecond."""
    return _EPOCH + timedelta(milliseconds=clock.now_ms())


def backoff_s(failures: int, *, first_s: float, max_s: float, factor: float = 2.0) -> float:
    """The delay before the next attempt, after this number of failures in a row.

    It grows by `factor` with each failure, up to `max_s`. It varies at random by a quarter, so that nodes that failed at the
    same time do not try again at the same time.

    Takes: failures >= 1
    """
    # The exponent is bounded, because a float overflows.
    delay_s = min(first_s * factor ** min(failures - 1, 100), max_s)
    return delay_s * random.uniform(0.75, 1.25)  # noqa: S311  not a secret: it only spreads the load
