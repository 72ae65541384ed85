"""A clock that only moves when a test moves it."""

from __future__ import annotations


class FakeClock:
    """Stands still until `advance`."""

    def __init__(self, now_ms: int = 1_800_000_000_000) -> None:
        self.elapsed_s = 1_000.0
        self.started_ms = now_ms

    def monotonic_s(self) -> float:
        """Seconds that only grow; for intervals."""
        return self.elapsed_s

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC; for instants."""
        return self.started_ms + round((self.elapsed_s - 1_000.0) * 1000)

    def advance(self, seconds: float) -> None:
        """Moves both readings on."""
        self.elapsed_s += seconds
