"""What the windows of a history hand on, and the joins of records by their keys; numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.history.records import OUTCOMES, Records

Ints = npt.NDArray[np.int64]

_SHARD_BIT = 56  # positions have fewer bits


@dataclass(frozen=True)
class Violation:
    """One rule that does not hold. records: those that show it, in plain words."""

    rule: str
    text: str
    records: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([f"{self.rule}: {self.text}", *(f"    {record}" for record in self.records)])


class Held:
    """Key -> number, for millions of keys. A key that was never put has the number 0."""

    def __init__(self) -> None:
        self._keys: Ints = np.empty(0, np.int64)
        self._numbers: Ints = np.empty(0, np.int64)

    def get(self, keys: Ints) -> Ints:
        """The number of each key."""
        if not len(self._keys):
            return np.zeros(len(keys), np.int64)
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[places] == keys, self._numbers[places], 0)

    def put(self, keys: Ints, numbers: Ints) -> None:
        """Sets numbers; of equal keys the last one counts."""
        together = np.concatenate([self._keys, keys])[::-1]
        self._keys, places = np.unique(together, return_index=True)
        self._numbers = np.concatenate([self._numbers, numbers.astype(np.int64)])[::-1][places]

    def items(self) -> tuple[Ints, Ints]:
        """All keys, sorted, and their numbers."""
        return self._keys, self._numbers


def pair(first: Ints, second: Ints) -> Ints:
    """One key of two ids below 2^31."""
    return first << 32 | second


def log_key(shards: Ints, positions: Ints) -> Ints:
    """One key of a shard and a position; in the order of positions within a shard."""
    return shards << _SHARD_BIT | positions


def cast_keys(*parts: Records) -> list[Ints]:
    """A key for each vote of a cast: its user, order and song. Equal in all parts when these are equal."""
    users = _dense(np.concatenate([part["user"] for part in parts]))
    songs = _dense(np.concatenate([part["song"] for part in parts]))
    orders = np.concatenate([part["order"] for part in parts])
    if not len(orders):
        return [np.empty(0, np.int64) for _ in parts]
    orders = orders - orders.min()
    song_count, order_count = int(songs.max()) + 1, int(orders.max()) + 1
    assert (int(users.max()) + 1) * song_count * order_count < 1 << 62, "too much for one window"
    keys = (users * order_count + orders) * song_count + songs
    return np.split(keys, np.cumsum([len(part) for part in parts])[:-1])


def _dense(ids: Ints) -> Ints:
    return np.unique(ids, return_inverse=True)[1].astype(np.int64)


def found_in(keys: Ints, sorted_keys: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """The place of each key among sorted ones, and whether it is there."""
    if not len(sorted_keys):
        return np.zeros(len(keys), np.int64), np.zeros(len(keys), np.bool_)
    places = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return places, sorted_keys[places] == keys


def begins(groups: Ints) -> npt.NDArray[np.bool_]:
    """Whether a group begins at each place; equal groups stand together."""
    first = np.ones(len(groups), np.bool_)
    first[1:] = groups[1:] != groups[:-1]
    return first


def most_before(groups: Ints, numbers: Ints, bases: Ints) -> Ints:
    """The greatest number before each place in its group, at least its base. All numbers are at least 0."""
    if not len(numbers):
        return numbers
    first = begins(groups)
    before = np.where(first, bases, np.concatenate([[0], numbers[:-1]]))
    least = min(int(before.min()), int(bases.min()))
    span = int(max(before.max(), bases.max())) - least + 1
    steps = (np.cumsum(first) - 1) * span
    assert int(steps[-1]) < (1 << 62), "too much for one window"
    most: Ints = np.maximum.accumulate(np.maximum(before, bases) - least + steps) - steps + least
    return most


def described(record: Any) -> str:
    """A record in plain words."""
    shown = []
    for name in record.dtype.names:
        value = record[name]
        if name == "outcome":
            value = OUTCOMES[int(value)]
        elif name in {"choice", "previous"} and int(value) < 3:
            value = ("none", "up", "down")[int(value)]
        shown.append(f"{name} {value}")
    return ", ".join(shown)
