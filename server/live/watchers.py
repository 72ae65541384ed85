"""Counts the connections of this node that watch a show."""

from __future__ import annotations

import itertools


class WatcherCounts:
    """Show -> connections that watch at least one of its channels. The hub counts, and presence shares the counts with other nodes.

    It also counts visits: connections that began to watch a show since the visits were last taken.
    """

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._visits: dict[int, int] = {}

    def add(self, show_id: int, *, is_visit: bool = True) -> None:
        """Counts one connection more. Takes: is_visit, False: it has watched the show at another node before."""
        self._counts[show_id] = self._counts.get(show_id, 0) + 1
        if is_visit:
            self._visits[show_id] = self._visits.get(show_id, 0) + 1

    def remove(self, show_id: int) -> None:
        """Counts one connection less; a show without any is forgotten."""
        if self._counts[show_id] == 1:
            del self._counts[show_id]
        else:
            self._counts[show_id] -= 1

    def of(self, show_id: int) -> int:
        """The connections that watch a show."""
        return self._counts.get(show_id, 0)

    def total(self) -> int:
        """The connections that watch a show, once for each show."""
        return sum(self._counts.values())

    def take_visits(self) -> dict[int, int]:
        """The visits since the last call."""
        visits, self._visits = self._visits, {}
        return visits

    def first(self, shows_max: int) -> dict[int, int]:
        """The counts of up to `shows_max` shows."""
        return dict(itertools.islice(self._counts.items(), shows_max))
