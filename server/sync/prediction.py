"""Predicts a setlist from the artist's last setlists. Pure functions; docs/prediction.md has the method and its figures."""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Collection, Sequence

import msgspec

# A gap is the number of shows since a song was played. Each gap has a habit of its own; longer gaps share that of this one.
GAPS_MAX = 8
# So many songs without a habit are added to each gap, so that a habit counts fully only when many songs showed it.
NO_HABIT_SONGS = 5.0
# Habits of so many shows ago count half.
HABIT_HALF_LIFE_SHOWS = 13.0
# Another memory predicts only if it was this much better than the usual one. A show counts FADING times the next one.
BETTER_BY = 0.03
FADING = 0.9

# A song is predicted when its share is at least this, or when it is among as many songs as the artist usually plays.
SHARE_MIN = 0.2
SONGS_MAX = 40
ENCORE_SHARE_MIN = 0.5

Key = tuple[str, str | None]  # title, by


class PlayedSong(msgspec.Struct, frozen=True):
    """A song in a setlist. `by` is the original artist of a cover; `place` goes from 0, the first song, to 1, the last."""

    title: str
    by: str | None
    place: float
    is_encore: bool


class PlayedSet(msgspec.Struct, frozen=True):
    """The songs that an artist performed on a day, on a tour; None: on no tour."""

    date: dt.date
    songs: Sequence[PlayedSong]
    tour: str | None = None


class Predicted(msgspec.Struct, frozen=True):
    """A predicted song; `share` (0 to 1) is how likely it is played, as far as the setlists tell."""

    title: str
    by: str | None
    share: float
    is_encore: bool


class _Memory:
    """One memory of an artist: how often each song is played, and the habit of each gap. Memories differ in how they forget.

    Takes: half_life_shows, half_life_days: a setlist so much older counts half; earlier_tours: the setlists of all earlier
           tours together count no more than this many
    """

    def __init__(self, half_life_shows: float, half_life_days: float, earlier_tours: float) -> None:
        self._half_life_shows, self._half_life_days = half_life_shows, half_life_days
        self._earlier_tours = earlier_tours
        self._weights: dict[Key, float] = {}
        self._total = 0.0
        self._last: dict[Key, tuple[int, int]] = {}  # the number of the show, and the place in it
        self._count = 0
        self._expected: dict[int, float] = defaultdict(float)
        self._observed: dict[int, float] = defaultdict(float)
        self._hits = self._rated = 0.0

    def shares(self) -> dict[Key, float]:
        """How likely each song is played next, the likeliest first: the share of setlists with it, times its gap's habit."""
        found = {
            key: min(1.0, weight / self._total * self._habit(self._gap(key))) for key, weight in self._weights.items()
        }
        # Among equal shares the song of the latest show comes first; songs of one show keep its order.
        return dict(
            sorted(found.items(), key=lambda one: (-round(one[1], 9), -self._last[one[0]][0], self._last[one[0]][1]))
        )

    def learn(self, keys: Sequence[Key], days: int, *, is_new_tour: bool) -> None:
        """Takes in the next show. Takes: days since the one before."""
        played = set(keys)
        if self._count:
            self._rate(played)
            self._learn_habits(played)
            kept = 0.5 ** (1 / self._half_life_shows + days / self._half_life_days)
            if is_new_tour:
                kept = min(kept, self._earlier_tours / self._total)
            self._weights = {key: weight * kept for key, weight in self._weights.items()}
            self._total *= kept
        self._total += 1
        for place, key in enumerate(keys):
            self._weights[key] = self._weights.get(key, 0.0) + 1
            self._last[key] = (self._count, place)
        self._count += 1

    def success(self) -> float:
        """The R-precision of its predictions so far; newer shows count more."""
        return self._hits / self._rated if self._rated else 0.0

    def _rate(self, played: Collection[Key]) -> None:
        self._hits = self._hits * FADING + r_precision(list(self.shares()), played)
        self._rated = self._rated * FADING + 1

    def _learn_habits(self, played: Collection[Key]) -> None:
        kept = 0.5 ** (1 / HABIT_HALF_LIFE_SHOWS)
        for gap in list(self._expected):
            self._expected[gap] *= kept
            self._observed[gap] *= kept
        for key, weight in self._weights.items():
            self._expected[self._gap(key)] += weight / self._total
            self._observed[self._gap(key)] += key in played

    def _gap(self, key: Key) -> int:
        return min(self._count - 1 - self._last[key][0], GAPS_MAX)

    def _habit(self, gap: int) -> float:
        """How much more often songs with this gap were played than their shares said: below 1 in rotating bands for gap 0."""
        return (self._observed[gap] + NO_HABIT_SONGS) / (self._expected[gap] + NO_HABIT_SONGS)


def predict(played: Sequence[PlayedSet]) -> list[Predicted]:
    """Predicts the songs of the next show, in their usual order.

    Takes: played, setlists, the newest first where several have one date; empty ones do not count
    Gives: the songs that the artist will probably play, at most SONGS_MAX: the usual opener first, encores last
    """
    sets = _in_order(played)
    if not sets:
        return []
    places: dict[Key, list[PlayedSong]] = defaultdict(list)
    for one in sets:
        for song in {(song.title, song.by): song for song in one.songs}.values():
            places[song.title, song.by].append(song)
    usual = math.ceil(sum(len({(song.title, song.by) for song in one.songs}) for one in sets[-5:]) / len(sets[-5:]))
    shares = rank(played)
    likely = [key for number, key in enumerate(shares) if number < usual or shares[key] >= SHARE_MIN][:SONGS_MAX]
    encores = {key for key in likely if _mean([song.is_encore for song in places[key]]) > ENCORE_SHARE_MIN}

    def opened(key: Key) -> int:
        return sum(song.place == 0 for song in places[key])

    def closed(key: Key) -> int:
        return sum(song.place == 1 for song in places[key])

    opener, closer = max(likely, key=opened), max(likely, key=closed)
    order = sorted(
        likely,
        key=lambda key: (
            key in encores,
            key == closer and key != opener and closed(key) > 0,
            not (key == opener and opened(key) > 0),
            _mean([song.place for song in places[key]]),
            key[0],
            key[1] or "",
        ),
    )
    return [Predicted(title, by, shares[title, by], (title, by) in encores) for title, by in order]


def rank(played: Sequence[PlayedSet]) -> dict[Key, float]:
    """All songs of the setlists with their shares, the likeliest first.

    Three memories follow the setlists from the oldest to the newest. The usual one predicts, unless another one has
    predicted this artist's shows clearly better: one that forgets quickly, or one that hardly forgets.
    """
    usual, short, long = _Memory(12.0, 120.0, 0.5), _Memory(1.0, 120.0, 0.5), _Memory(24.0, math.inf, math.inf)
    before, tour = None, None
    for one in _in_order(played):
        keys = list({(song.title, song.by): None for song in one.songs})
        # A show on no tour, such as a festival, does not end the tour.
        is_new_tour = None not in (tour, one.tour) and tour != one.tour
        days = (one.date - before).days if before is not None else 0
        for memory in (usual, short, long):
            memory.learn(keys, days, is_new_tour=is_new_tour)
        before, tour = one.date, one.tour or tour
    if before is None:
        return {}
    best = max((short, long), key=_Memory.success)
    return (best if best.success() > usual.success() + BETTER_BY else usual).shares()


def r_precision(ranked: Sequence[Key], played: Collection[Key]) -> float:
    """The share of the played songs among as many songs from the top of a ranking. Source: Manning et al. (2008), ch. 8."""
    return len(set(ranked[: len(played)]) & set(played)) / len(played)


def _in_order(played: Sequence[PlayedSet]) -> list[PlayedSet]:
    """The setlists with songs, the oldest first."""
    sets = [one for one in played if one.songs]
    sets.reverse()
    return sorted(sets, key=lambda one: one.date)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
