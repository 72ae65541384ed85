"""The ring: a node's numbers of each second of the last hour.

Owns:    SECONDS rows of numbers in arrays of a fixed size: 8 numbers a second, 250 kB (docs/limits.md)
Threads: event loop only
"""

from __future__ import annotations

import datetime as dt
import math
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from server.protocol.vitals import MEANS, STEP_S, STEPS, SUMS, History, Second

SECONDS = STEP_S * STEPS
NAMES = Second.__struct_fields__


class Ring:
    """The seconds of the last hour; a second that was not measured has no numbers."""

    def __init__(self) -> None:
        self._at_s = array("q", bytes(8 * SECONDS))  # by slot: the second whose numbers it holds [since 1970]
        self._columns = {name: array("d", bytes(8 * SECONDS)) for name in NAMES}

    def add(self, at_s: int, second: Second) -> None:
        """Stores a second in place of the one of an hour before."""
        slot = at_s % SECONDS
        self._at_s[slot] = at_s
        for name, column in self._columns.items():
            value = getattr(second, name)
            column[slot] = math.nan if value is None else value

    def history(self, now_s: int) -> History:
        """The hour before `now_s`, in steps. Cost: about 6 ms."""
        end_s = now_s - now_s % STEP_S + STEP_S
        steps: dict[str, list[float | None]] = {name: [] for name in NAMES}
        for begin_s in range(end_s - SECONDS, end_s, STEP_S):
            slots = [at % SECONDS for at in range(begin_s, begin_s + STEP_S) if self._at_s[at % SECONDS] == at]
            for name, column in self._columns.items():
                values = [value for slot in slots if (value := column[slot]) == value]
                steps[name].append(_together(name, values))
        return History(step_s=STEP_S, until=dt.datetime.fromtimestamp(end_s, dt.UTC), **steps)


def merge(histories: Sequence[History]) -> History:
    """One history of several nodes. Takes: at least one; those that end earlier lack the last steps."""
    until = max(history.until for history in histories)
    shifts = [round((until - history.until).total_seconds()) // STEP_S for history in histories]
    steps: dict[str, list[float | None]] = {name: [] for name in NAMES}
    for name in NAMES:
        columns = [
            [*getattr(history, name)[shift:], *[None] * min(shift, STEPS)]
            for history, shift in zip(histories, shifts, strict=True)
        ]
        for values in zip(*columns, strict=True):
            measured = [value for value in values if value is not None]
            total = sum(measured) if name in SUMS else max(measured, default=0.0)
            steps[name].append(round(total, 2) if measured else None)
    return History(step_s=STEP_S, until=until, **steps)


def merged_second(seconds: Iterable[Second]) -> Second:
    """One second of several nodes."""
    found = list(seconds)
    merged: dict[str, Any] = {}
    for name in NAMES:
        measured = [value for second in found if (value := getattr(second, name)) is not None]
        zero = None if name.endswith("p99_ms") else 0
        merged[name] = sum(measured) if name in SUMS else max(measured, default=zero)
    return Second(**merged)


def _together(name: str, values: list[float]) -> float | None:
    if not values:
        return None
    return round(sum(values) / len(values) if name in MEANS else max(values), 2)
