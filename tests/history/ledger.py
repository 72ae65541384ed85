"""The counts of each show after each entry of the log that moved them: the prefix sums of the committed votes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.history.records import Records
from tests.history.state import Ints

Tally = dict[int, tuple[int, int]]  # song -> up, down


@dataclass
class ShowLedger:
    """The counts of one show in one window.

    songs: sorted; positions: of the entries, growing; sums: the counts after none, one, two, … of them, place by song by side
    """

    songs: Ints
    positions: Ints
    sums: Ints

    def place(self, at: int) -> int:
        """The number of entries up to a position."""
        return int(np.searchsorted(self.positions, at, side="right"))

    def tally(self, place: int) -> Tally:
        """The counts after so many entries."""
        return {int(song): (int(up), int(down)) for song, (up, down) in zip(self.songs, self.sums[place], strict=True)}


class Ledger:
    """All shows, window after window."""

    def __init__(self) -> None:
        self._ends: dict[int, Tally] = {}

    def window(self, events: Records, previous: Ints) -> dict[int, ShowLedger]:
        """The counts of each show that ever had a vote.

        Takes:  events, committed ones in the order of their log; previous, the choice that each of them replaced
        """
        shows = {}
        for show in sorted({*self._ends, *np.unique(events["show"]).tolist()}):
            mine = events["show"] == show
            shows[show] = ledger = _show(events[mine], previous[mine], self._ends.get(show, {}))
            self._ends[show] = ledger.tally(len(ledger.positions))
        return shows


def _show(events: Records, previous: Ints, begin: Tally) -> ShowLedger:
    songs = np.unique(np.concatenate([events["song"], np.array(list(begin), np.int64)]))
    positions, entries = np.unique(events["at"], return_inverse=True)
    sums = np.zeros((len(positions) + 1, len(songs), 2), np.int64)
    for place, song in enumerate(songs.tolist()):
        sums[0, place] = begin.get(song, (0, 0))
    places = np.searchsorted(songs, events["song"])
    for side in (1, 2):
        np.add.at(sums[:, :, side - 1], (entries + 1, places), (events["choice"] == side).astype(np.int64))
        np.add.at(sums[:, :, side - 1], (entries + 1, places), -(previous == side).astype(np.int64))
    return ShowLedger(songs, positions, np.cumsum(sums, axis=0))
