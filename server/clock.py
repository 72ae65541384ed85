"""Time, handed to whoever needs it so that tests can turn it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """The two readings of time."""

    def monotonic_s(self) -> float:
        """Seconds that only grow; for intervals."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC; for instants."""


class SystemClock:
    """This machine's clock."""

    def monotonic_s(self) -> float:
        """Seconds that only grow; for intervals."""
        return time.monotonic()

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC; for instants."""
        return time.time_ns() // 1_000_000
