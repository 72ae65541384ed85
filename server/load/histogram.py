"""A histogram of latencies with fixed buckets, so that the counts of several processes can be added."""

from __future__ import annotations

from collections.abc import Mapping

# 32 buckets for each doubling: the bounds of a bucket are at most 3.2 % apart.
_SUB_BITS = 5
_SUB_COUNT = 1 << _SUB_BITS
_MICROSECONDS_MAX = (1 << 31) - 1
# Values below 2 * _SUB_COUNT have a bucket each; each further doubling up to 2^31 has _SUB_COUNT buckets.
_BUCKET_COUNT = (31 - _SUB_BITS - 1 + 2) * _SUB_COUNT


class Histogram:
    """Counts durations from 1 µs to 35 minutes; longer ones count as 35 minutes."""

    __slots__ = ("_buckets", "count", "max_us")

    def __init__(self) -> None:
        self._buckets = [0] * _BUCKET_COUNT
        self.count = 0
        self.max_us = 0

    def record(self, seconds: float) -> None:
        """Counts one duration [s]; a negative one counts as zero."""
        us = int(seconds * 1e6)
        if us > self.max_us:
            self.max_us = us = min(us, _MICROSECONDS_MAX)
        elif us < 0:
            us = 0
        shift = us.bit_length() - _SUB_BITS - 1
        if shift > 0:
            us = (us >> shift) + (shift << _SUB_BITS)
        self._buckets[us] += 1
        self.count += 1

    def percentile_ms(self, percent: float) -> float | None:
        """The percentile: the upper bound of its bucket, or the largest duration if that is less [ms].

        Takes:  percent 0..100
        Gives:  None when nothing was counted
        """
        if not self.count:
            return None
        wanted = max(1.0, self.count * percent / 100)
        seen = 0
        for index, count in enumerate(self._buckets):
            seen += count
            if seen >= wanted:
                return min(_upper_us(index), self.max_us) / 1000
        return self.max_us / 1000

    def summary(self) -> dict[str, float | int | None]:
        """The histogram in a report: `count`, and `p50`, `p90`, `p99`, `max` [ms]."""
        return {
            "count": self.count,
            "p50": self.percentile_ms(50),
            "p90": self.percentile_ms(90),
            "p99": self.percentile_ms(99),
            "max": self.max_us / 1000 if self.count else None,
        }

    def packed(self) -> dict[str, int]:
        """The histogram as JSON values for `add`: index -> count of the filled buckets, and `max_us`."""
        filled = {str(index): count for index, count in enumerate(self._buckets) if count}
        return {"max_us": self.max_us, **filled}

    def add(self, packed: Mapping[str, int]) -> None:
        """Adds the packed counts of another histogram."""
        for index, count in packed.items():
            if index == "max_us":
                self.max_us = max(self.max_us, count)
            else:
                self._buckets[int(index)] += count
                self.count += count

    def clear(self) -> None:
        """Sets all counts to zero."""
        self._buckets = [0] * _BUCKET_COUNT
        self.count = 0
        self.max_us = 0


def _upper_us(index: int) -> int:
    shift = max(0, (index >> _SUB_BITS) - 1)
    return ((index - (shift << _SUB_BITS) + 1) << shift) - 1
