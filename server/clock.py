"""Time, handed to every object that needs it, so that tests can move it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol, TypeVarTuple

Arguments = TypeVarTuple("Arguments")


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
