"""What a show will bring, told from what the artist played last. Pure; times and weights are in docs/matching.md."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence

import msgspec

# A setlist counts half as much as one that is so much newer.
HALF_LIFE_DAYS = 45.0
# Of the weight of all setlists, how much a song must have been in.
SHARE_MIN = 0.2
SONGS_MAX = 40
ENCORE_SHARE_MIN = 0.5


class PlayedSong(msgspec.Struct, frozen=True):
    """A song in a setlist. `by` is whose it is when it is a cover; place 0 to 1, from the first song to the last."""

    title: str
    by: str | None
    place: float
    is_encore: bool


class PlayedSet(msgspec.Struct, frozen=True):
    """What was played on a day."""

    date: dt.date
    songs: Sequence[PlayedSong]


class Predicted(msgspec.Struct, frozen=True):
    """A song that will probably be played, and how probably, 0 to 1."""

    title: str
    by: str | None
    share: float
    is_encore: bool


def predict(played: Sequence[PlayedSet]) -> list[Predicted]:
    """The songs of the next show, in the order in which they usually come.

    A song's share is the weight of the setlists that held it, of the weight of all; newer ones weigh more.

    Takes: played, setlists with songs; empty ones are passed over
    Gives: at most SONGS_MAX songs that were in at least SHARE_MIN of the weight; encores last
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
