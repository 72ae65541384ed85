"""Decides when casts are due: at an even rate, or in bursts and lulls as people vote. Does no I/O."""

from __future__ import annotations

import math
from functools import lru_cache
from random import Random

# A natural pace draws a new factor for its rate every few seconds: a lull, the usual rate, or a burst. The mean is 1.
_FACTOR_S = 4.0
_FACTORS = ((0.30, 0.25), (0.85, 0.95), (1.0, 2.68))  # (cumulative probability, factor)
# The rate also rises and falls in a slow wave, by this share.
_WAVE_S = 90.0
_WAVE_SHARE = 0.35


@lru_cache(maxsize=8)  # to seed a generator takes as long as the rest of a cast's pace
def _factor(seed: int, number: int) -> float:
    """The factor of the rate in one stretch of time. Takes: number, of the stretch."""
    roll = Random(f"{seed}:mood:{number}").random()  # noqa: S311  # rates, not secrets
    return next(factor for probability, factor in _FACTORS if roll <= probability)


class Pace:
    """Tells how many casts are due.

    Takes:  rate_per_s > 0; ramp_s, the rate rises linearly for so long; natural, True: bursts, lulls and random gaps
    """

    def __init__(self, rate_per_s: float, *, ramp_s: float, natural: bool, seed: int) -> None:
        self._rate_per_s = rate_per_s
        self._ramp_s = ramp_s
        self._is_natural = natural
        self._seed = seed
        self._rng = Random(f"{seed}:pace")  # noqa: S311  # gaps between votes, not secrets
        self._due_count = 0
        self._next_s = 0.0

    def due(self, elapsed_s: float) -> int:
        """The number of casts that became due since the last call.

        Takes:  elapsed_s, since the start, never less than in the last call
        """
        if not self._is_natural:
            count = int(self._even_total(elapsed_s)) - self._due_count
            self._due_count += count
            return count
        count = 0
        while self._next_s <= elapsed_s:
            count += 1
            self._next_s += self._rng.expovariate(self.rate_at(self._next_s))
        return count

    def rate_at(self, elapsed_s: float) -> float:
        """The rate at this time [casts/s], always above zero."""
        rate = self._rate_per_s
        if elapsed_s < self._ramp_s:
            rate *= max(0.02, elapsed_s / self._ramp_s)
        if self._is_natural:
            rate *= _factor(self._seed, int(elapsed_s / _FACTOR_S))
            rate *= 1 + _WAVE_SHARE * math.sin(2 * math.pi * elapsed_s / _WAVE_S)
        return rate

    def _even_total(self, elapsed_s: float) -> float:
        """The casts of an even pace since the start: the integral of its rate."""
        ramp_s = self._ramp_s
        if elapsed_s < ramp_s:
            return self._rate_per_s * elapsed_s * elapsed_s / ramp_s / 2
        return self._rate_per_s * (elapsed_s - ramp_s / 2)
