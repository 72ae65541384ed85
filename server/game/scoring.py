"""What picks score, for all fans of a show at once; no I/O. docs/game.md has the formula and examples.

Arrays of numpy: a show in a stadium has 300,000 picks, and all of them are scored again after each song.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A song that nobody else picked is worth nearly WORTH_MAX points, one that everybody picked WORTH_MIN.
WORTH_MAX = 100
WORTH_MIN = 10
OPENER_POINTS = 50
CLOSER_POINTS = 50
ENCORE_POINTS = 30

SONGS = 10  # of a pick
COLUMNS = 1 + SONGS + 3  # fan, songs, opener, closer, encore; 0: none


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of the played songs. closer: None until the show is over."""

    played: frozenset[int] = frozenset()
    opener: int | None = None
    closer: int | None = None
    encore: frozenset[int] = frozenset()


Rows = NDArray[np.int64]


def unpack(packed: Sequence[bytes]) -> tuple[Rows, list[int]]:
    """Unpacks picks: COLUMNS big-endian numbers of 64 bits for each (scores.sql). Gives: them, and the picked songs."""
    rows = np.frombuffer(b"".join(packed), dtype=">i8").reshape(-1, COLUMNS).astype(np.int64)
    songs = np.unique(rows[:, 1 : 1 + SONGS])
    return rows, songs[songs > 0].tolist()


class Picks:
    """All picks of a show, in the order of their rows.

    Takes: rows and picked_ids, as unpack gives them; merged, song -> the song that it became
    """

    def __init__(self, rows: Rows, picked_ids: Sequence[int], merged: Mapping[int, int]) -> None:
        self.picked_ids = picked_ids
        self._merged = merged
        self._user_ids = np.ascontiguousarray(rows[:, 0])
        self._by_user = np.argsort(self._user_ids, kind="stable").astype(np.int32)
        # Number 0 stands for "no song". A song that was merged has the number of the song that it became.
        known = np.array([0, *picked_ids])
        became = np.array([0, *(merged.get(song, song) for song in picked_ids)])
        self._song_ids = np.unique(became)
        numbers = np.searchsorted(self._song_ids, became).astype(np.min_scalar_type(len(became)))
        picked = numbers[np.searchsorted(known, rows[:, 1:])]
        songs = np.sort(picked[:, :SONGS], axis=1)
        # Two picked songs that became one count once.
        songs[:, 1:][songs[:, 1:] == songs[:, :-1]] = 0
        self._songs = songs
        self._opener, self._closer, self._encore = (picked[:, SONGS + place].copy() for place in range(3))
        times = np.bincount(songs.ravel(), minlength=len(self._song_ids))
        worth = WORTH_MAX - (WORTH_MAX - WORTH_MIN) * times // max(len(rows), 1)
        worth[0] = 0
        self._worth = worth.astype(np.int32)

    def __len__(self) -> int:
        return len(self._user_ids)

    def worth(self, song_ids: Iterable[int]) -> dict[int, int]:
        """The points of those of the songs that somebody has picked."""
        numbers = {song: self._number(self._merged.get(song, song)) for song in song_ids}
        return {song: int(self._worth[number]) for song, number in numbers.items() if number}

    def played(self, song_ids: Iterable[int], outcome: Outcome) -> frozenset[int]:
        """Those of the songs that were played."""
        return frozenset(song for song in song_ids if self._merged.get(song, song) in outcome.played)

    @property
    def user_ids(self) -> NDArray[np.int64]:
        """The fan of each pick; 0: the account was erased."""
        return self._user_ids

    def row_of(self, user_id: int) -> int | None:
        """The row of a fan's pick; None: there is none."""
        place = int(np.searchsorted(self._user_ids, user_id, sorter=self._by_user))
        if place == len(self) or self._user_ids[self._by_user[place]] != user_id:
            return None
        return int(self._by_user[place])

    def score(self, outcome: Outcome) -> NDArray[np.int64]:
        """The points of each pick."""
        is_played = np.isin(self._song_ids, list(outcome.played))
        is_encore = np.isin(self._song_ids, list(outcome.encore))
        is_played[0] = is_encore[0] = False
        points: NDArray[np.int64] = np.where(is_played, self._worth, 0)[self._songs].sum(axis=1)
        points += OPENER_POINTS * self._is(self._opener, outcome.opener)
        points += CLOSER_POINTS * self._is(self._closer, outcome.closer)
        points += ENCORE_POINTS * is_encore[self._encore]
        return points

    def _is(self, picked: NDArray[Any], song: int | None) -> NDArray[np.bool_]:
        number = 0 if song is None else self._number(song)
        return picked == number if number else np.zeros(len(picked), dtype=np.bool_)

    def _number(self, song: int) -> int:
        """The number of a song; 0: nobody has picked it."""
        number = int(np.searchsorted(self._song_ids, song))
        return number if number < len(self._song_ids) and self._song_ids[number] == song else 0


class Ranking:
    """Picks in the order of their points; the same points share a place, and the next place is left out (1, 2, 2, 4)."""

    def __init__(self, points: NDArray[np.int64]) -> None:
        self.points = points
        # Stable: the same points stand in the order of their rows, on every node.
        self.order: NDArray[np.int64] = np.argsort(-points, kind="stable")
        self._falling = -points[self.order]

    def rank(self, row: int) -> int:
        """The place of a pick."""
        return 1 + int(np.searchsorted(self._falling, -self.points[row], side="left"))

    def ranks(self) -> NDArray[np.int64]:
        """The place of each pick."""
        return 1 + np.searchsorted(self._falling, -self.points, side="left")

    def after(self, points: int, row: int) -> int:
        """How many picks stand before what follows this place: more points, or the same points and no later row."""
        first, last = (int(np.searchsorted(self._falling, -points, side=side)) for side in ("left", "right"))
        return first + int(np.searchsorted(self.order[first:last], row, side="right"))
