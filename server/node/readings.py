"""Reads metrics once a second: how much a counter rose, and a quantile of a histogram, over the last seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import pairwise
from math import inf

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.samples import Sample


def samples_of(metric: Counter | Gauge | Histogram) -> list[Sample]:
    """The samples of this process, without the times at which they began."""
    return [sample for family in metric.collect() for sample in family.samples if not sample.name.endswith("_created")]


def value_of(metric: Counter | Gauge, *labels: str) -> float:
    """The value of a metric for the values of its labels; 0: it has none yet."""
    return sum(sample.value for sample in samples_of(metric) if tuple(sample.labels.values()) == labels)


def sum_of(metric: Counter, is_wanted: Callable[[str], bool]) -> float:
    """The sum over the values of its only label. Takes: is_wanted, whether a value of the label counts."""
    return sum(sample.value for sample in samples_of(metric) if is_wanted(next(iter(sample.labels.values()))))


def count_of(histogram: Histogram, limit_ms: float) -> tuple[int, int]:
    """What a histogram observed, and how much of it was up to a limit, which is one of its buckets'."""
    samples = [sample for sample in samples_of(histogram) if sample.name.endswith("_bucket")]
    limits_ms = [round(float(sample.labels["le"]) * 1000, 3) for sample in samples]
    all_of_it = sum(sample.value for sample, limit in zip(samples, limits_ms, strict=True) if limit == inf)
    up_to_it = sum(sample.value for sample, limit in zip(samples, limits_ms, strict=True) if limit == limit_ms)
    return round(all_of_it), round(up_to_it)


class Rise:
    """By how much a number rose over the last `over_s`, read once a second."""

    def __init__(self, read: Callable[[], float], over_s: int) -> None:
        self._read = read
        # The first reading is of the start: what came before is not of this node's time.
        self._readings: deque[float] = deque([read()], maxlen=over_s + 1)

    def take(self) -> float:
        """Reads again; gives the rise."""
        self._readings.append(self._read())
        return self._readings[-1] - self._readings[0]


class Quantile:
    """A quantile of what a histogram observed in the last `over_s`, read once a second. Exact to the histogram's buckets.

    Takes: count_min, of the observations: a quantile of fewer says nothing
    """

    def __init__(self, histogram: Histogram, quantile: float, over_s: int, *, count_min: int = 1) -> None:
        self._count_min = count_min
        self._histogram = histogram
        self._quantile = quantile
        self._readings: deque[dict[float, float]] = deque([self._read()], maxlen=over_s + 1)

    def take_ms(self) -> float | None:
        """Reads again; gives the quantile [ms]; None: too little was observed."""
        self._readings.append(self._read())
        first, last = self._readings[0], self._readings[-1]
        counts = sorted((limit, count - first.get(limit, 0.0)) for limit, count in last.items())
        total = counts[-1][1] if counts else 0.0
        if total < self._count_min:
            return None
        wanted = self._quantile * total
        for (below_s, below), (limit_s, count) in pairwise([(0.0, 0.0), *counts]):
            if count >= wanted:
                # Past the last bucket nothing more is known.
                inside_s = 0.0 if limit_s == inf else (limit_s - below_s) * (wanted - below) / (count - below)
                return round((below_s + inside_s) * 1000, 1)
        raise AssertionError("the last bucket has all observations")

    def _read(self) -> dict[float, float]:
        """Bucket's upper limit [s] -> observations up to it, over all labels."""
        found: dict[float, float] = {}
        for sample in samples_of(self._histogram):
            if sample.name.endswith("_bucket"):
                limit_s = float(sample.labels["le"])
                found[limit_s] = found.get(limit_s, 0.0) + sample.value
        return found
