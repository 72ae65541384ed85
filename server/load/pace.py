"""When casts are due: evenly, or the way people come, in bursts and lulls. Pure."""

from __future__ import annotations

import math
from random import Random

# A crowd's mood lasts this long; then it is a lull, the usual, or a burst. The moods' mean is 1.
_MOOD_S = 4.0
_MOODS = ((0.30, 0.25), (0.85, 0.95), (1.0, 2.68))  # (up to this share of the time, times the rate)
_TIDE_S = 90.0
_TIDE_SHARE = 0.35


class Pace:
    """How many casts are due.

    Takes:  rate_per_s > 0; ramp_s, until the full rate is reached, rising linearly; natural, moods and random gaps
    """

    def __init__(self, rate_per_s: float, *, ramp_s: float, natural: bool, seed: int) -> None:
        self._rate_per_s = rate_per_s
        self._ramp_s = ramp_s
        self._is_natural = natural
        self._seed = seed
        self._rng = Random(f"{seed}:pace")  # noqa: S311  # gaps between votes, not secrets
        self._handed_out = 0
        self._next_s = 0.0

    def due(self, elapsed_s: float) -> int:
        """Casts that have become due since the last call.

        Takes:  elapsed_s, since the beginning, never less than in the last call
        """
        if not self._is_natural:
            count = int(self._even_total(elapsed_s)) - self._handed_out
            self._handed_out += count
            return count
        count = 0
        while self._next_s <= elapsed_s:
            count += 1
            self._next_s += self._rng.expovariate(self.rate_at(self._next_s))
        return count

    def rate_at(self, elapsed_s: float) -> float:
        """The rate of that moment [casts/s], always above zero."""
        rate = self._rate_per_s
        if elapsed_s < self._ramp_s:
            rate *= max(0.02, elapsed_s / self._ramp_s)
        if self._is_natural:
            roll = Random(f"{self._seed}:mood:{int(elapsed_s / _MOOD_S)}").random()  # noqa: S311  # moods, not secrets
            rate *= next(times for share, times in _MOODS if roll <= share)
            rate *= 1 + _TIDE_SHARE * math.sin(2 * math.pi * elapsed_s / _TIDE_S)
        return rate

    def _even_total(self, elapsed_s: float) -> float:
        ramp_s = self._ramp_s
        if elapsed_s < ramp_s:
            return self._rate_per_s * elapsed_s * elapsed_s / ramp_s / 2
        return self._rate_per_s * (elapsed_s - ramp_s / 2)
