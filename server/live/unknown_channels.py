"""Remembers for a moment which channels do not exist, so that clients that ask for them cost no read each."""

from __future__ import annotations

import math

from server.clock import Clock

UNKNOWN_S = 1.0
UNKNOWN_MAX = 10_000


class UnknownChannels:
    """Names of channels whose id named nothing when it was read last, at most UNKNOWN_S ago."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_s: dict[str, float] = {}

    def __contains__(self, name: str) -> bool:
        return self._until_s.get(name, -math.inf) > self._clock.monotonic_s()

    def add(self, name: str) -> None:
        """Remembers a name. Past the limit all names are forgotten, and read again."""
        if len(self._until_s) >= UNKNOWN_MAX:
            self._until_s = {}
        self._until_s[name] = self._clock.monotonic_s() + UNKNOWN_S
