"""Predicts a setlist from the artist's last setlists. Pure functions; docs/matching.md has times and weights."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence

import msgspec

# A setlist that is so much older counts half.
HALF_LIFE_DAYS = 45.0
# A song is predicted when setlists with at least this share of the total weight hold it.
SHARE_MIN = 0.2
SONGS_MAX = 40
ENCORE_SHARE_MIN = 0.5


class PlayedSong(msgspec.Struct, frozen=True):
    """A song in a setlist. `by` is the original artist of a cover; `place` goes from 0, the first song, to 1, the last."""

    title: str
    by: str | None
    place: float
    is_encore: bool


class PlayedSet(msgspec.Struct, frozen=True):
    """The songs that an artist performed on a day."""

    date: dt.date
    songs: Sequence[PlayedSong]


class Predicted(msgspec.Struct, frozen=True):
    """A predicted song; `share` (0 to 1) is the weight of the setlists that hold it."""

    title: str
    by: str | None
    share: float
    is_encore: bool


def predict(played: Sequence[PlayedSet]) -> list[Predicted]:
    """Predicts the songs of the next show, in their usual order.

    A song's share is the weight of the setlists that hold it, divided by the weight of all; newer setlists weigh more.

    Takes: played, setlists; empty ones do not count
    Gives: at most SONGS_MAX songs with a share of at least SHARE_MIN; encores last
    """
    sets = [one for one in played if one.songs]
    if not sets:
        return []
    newest = max(one.date for one in sets)
    weights: dict[tuple[str, str | None], float] = defaultdict(float)
    places: dict[tuple[str, str | None], float] = defaultdict(float)
    encores: dict[tuple[str, str | None], float] = defaultdict(float)
    total = 0.0
    for one in sets:
        weight = 0.5 ** ((newest - one.date).days / HALF_LIFE_DAYS)
        total += weight
        for song in {(song.title, song.by): song for song in one.songs}.values():
            key = (song.title, song.by)
            weights[key] += weight
            places[key] += weight * song.place
            encores[key] += weight * song.is_encore
    likely = sorted(
        (key for key, weight in weights.items() if weight / total >= SHARE_MIN),
        key=lambda key: (-weights[key], key[0], key[1] or ""),
    )[:SONGS_MAX]
    predicted = [
        Predicted(key[0], key[1], weights[key] / total, encores[key] > ENCORE_SHARE_MIN * weights[key])
        for key in likely
    ]
    return sorted(
        predicted,
        key=lambda song: (
            song.is_encore,
            places[song.title, song.by] / weights[song.title, song.by],
            song.title,
            song.by or "",
        ),
    )
