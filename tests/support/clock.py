"""A clock that only moves when a test moves it."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable

from server.clock import Arguments


class FakeClock:
    """Stands still until `advance`. Timers run inside `advance`, each at its own instant."""

    def __init__(self, now_ms: int = 1_800_000_000_000) -> None:
        self.elapsed_s = 1_000.0
        self.started_ms = now_ms
        self._timers: list[tuple[float, int, Callable[[], object]]] = []
        self._timer_count = itertools.count()

    def monotonic_s(self) -> float:
        """Seconds that only grow; for intervals."""
        return self.elapsed_s

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC; for instants."""
        return self.started_ms + round((self.elapsed_s - 1_000.0) * 1000)

    def call_later(self, delay_s: float, callback: Callable[[*Arguments], object], *arguments: *Arguments) -> None:
        """Calls back once the clock has moved by `delay_s`."""
        due_s = self.elapsed_s + delay_s
        heapq.heappush(self._timers, (due_s, next(self._timer_count), lambda: callback(*arguments)))

    @property
    def next_timer_s(self) -> float:
        """The instant of the next timer; infinity: there is none."""
        return self._timers[0][0] if self._timers else math.inf

    def advance(self, seconds: float) -> None:
        """Moves both readings on, from timer to timer."""
        end_s = self.elapsed_s + seconds
        while self.next_timer_s <= end_s:
            due_s, _, callback = heapq.heappop(self._timers)
            self.elapsed_s = max(self.elapsed_s, due_s)
            callback()
        self.elapsed_s = max(self.elapsed_s, end_s)
