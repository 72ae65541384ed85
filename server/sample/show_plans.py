"""Plans one show with its sets: main set, encores, alternates and a support's short set; covers, tapes, medleys, notes.

A plan holds the values to insert: artists and venues are named by slug, songs by title. A tape is a recording that is played
before the first song.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

import msgspec

from server.protocol.show_names import default_name
from server.sample.seed_data import Artist, Venue

VOTING_DAYS = 30  # voting opens so many days before a show
LIVE_VOTING = timedelta(hours=3)  # voting on a show that is live now closes so long after its start
BUDGETS = (None, 5, 10, 10, 10, 15)

PREDICTED_MIN, PREDICTED_MAX = 8, 15  # the artist's own songs in main set and encores
ACTUAL_MAX = 20
ENCORE_FROM = 10  # a show with at least so many songs has an encore; with TWO_ENCORES_FROM songs it may have two
TWO_ENCORES_FROM = 14
ALTERNATE_COUNT = 3
SUPPORT_SONGS = 4
# The share of shows that have one.
COVER_SHARE, TAPE_SHARE, MEDLEY_SHARE, NOTE_SHARE, ALTERNATE_SHARE = 0.35, 0.15, 0.2, 0.35, 0.15
NOTES = ("acoustic", "piano version", "first time this tour", "extended outro", "a cappella")
_EVENING_MIN = 20 * 60 + 30


class PlannedSong(msgspec.Struct, frozen=True):
    """A song in a planned set.

    Takes: artist, slug of the artist it belongs to; rank, the number of better known songs of that artist
    """

    title: str
    artist: str
    rank: int
    played_at: datetime | None = None
    is_tape: bool = False
    medley: int | None = None
    note: str = ""


class PlannedSet(msgspec.Struct, frozen=True):
    """A planned set; artist, slug of the artist who plays it, None for the show's own artist."""

    type: str
    kind: str
    name: str
    songs: tuple[PlannedSong, ...]
    artist: str | None = None


class PlannedShow(msgspec.Struct, frozen=True, kw_only=True):
    """A planned show."""

    slug: str
    name: str
    artist: str  # slug
    venue: str  # slug
    local_date: date
    time_zone: str
    starts_at: datetime
    status: str
    opens_at: datetime
    closes_at: datetime
    is_locked: bool = False
    finalised_at: datetime | None = None
    votes_per_user_max: int | None
    supports: tuple[str, ...] = ()  # slugs, in the order of the bill
    sets: tuple[PlannedSet, ...]

    @property
    def predicted(self) -> list[PlannedSong]:
        """The songs that fans vote on: those of all predicted sets."""
        return self._songs("predicted")

    @property
    def actual(self) -> list[PlannedSong]:
        """The songs that were played; empty before the show is over."""
        return self._songs("actual")

    def _songs(self, type_: str) -> list[PlannedSong]:
        return [song for planned in self.sets if planned.type == type_ for song in planned.songs]


def plan_show(
    rng: random.Random,
    artist: Artist,
    venue: Venue,
    starts_at: datetime,
    *,
    status: str,
    closes_at: datetime,
    is_locked: bool = False,
    support: Artist | None,
    others: Sequence[Artist],
    now: datetime,
) -> PlannedShow:
    """Plans a show with its predicted sets.

    A finished show also has the sets that were played. In a live show the songs that were played so far are marked.

    Takes: others, artists whose songs may be covered
    """
    sets = _predict_sets(rng, artist, support=support, others=others)
    if status == "finished":
        sets += _play_sets(rng, artist, sets, starts_at)
    if status == "live":
        sets = _mark_played(rng, sets, starts_at, now)
    local_date = starts_at.astimezone(ZoneInfo(venue.time_zone)).date()
    return PlannedShow(
        slug=show_slug(artist.slug, venue.slug, local_date),
        name=default_name(artist.name, venue.name),
        artist=artist.slug,
        venue=venue.slug,
        local_date=local_date,
        time_zone=venue.time_zone,
        starts_at=starts_at,
        status=status,
        opens_at=starts_at - timedelta(days=VOTING_DAYS),
        closes_at=closes_at,
        is_locked=is_locked,
        finalised_at=closes_at + timedelta(minutes=1) if status == "finished" else None,
        votes_per_user_max=rng.choice(BUDGETS),
        supports=(support.slug,) if support else (),
        sets=sets,
    )


def show_slug(artist: str, venue: str, day: date) -> str:
    """The slug of a show, from the slugs of its artist and venue."""
    return f"{artist}-{venue}-{day.isoformat()}"


def hours_from_evening(local: datetime) -> int:
    """The distance of a local time of day from half past eight in the evening [whole hours, 0..12]."""
    apart_min = abs(local.hour * 60 + local.minute - _EVENING_MIN)
    return min(apart_min, 24 * 60 - apart_min) // 60


def _predict_sets(
    rng: random.Random, artist: Artist, *, support: Artist | None, others: Sequence[Artist]
) -> tuple[PlannedSet, ...]:
    """The sets that fans vote on: the artist's own first, in the order of the night."""
    # At least three songs are not predicted, so that the played set can have a surprise.
    count = rng.randint(PREDICTED_MIN, max(PREDICTED_MIN, min(PREDICTED_MAX, len(artist.songs) - 3)))
    chosen, left_out = _choose(rng, artist, count)
    rng.shuffle(chosen)
    main, encores = _split(rng, chosen)
    main = _decorate(rng, main, support=support, others=others)
    sets = [PlannedSet("predicted", "main", "Main set", tuple(main))]
    for number, encore in enumerate(encores, start=1):
        name = "Encore" if len(encores) == 1 else f"Encore {number}"
        sets.append(PlannedSet("predicted", "encore", name, tuple(encore)))
    if rng.random() < ALTERNATE_SHARE:
        sets.append(PlannedSet("predicted", "alternate", "Alternate set", tuple(left_out[:ALTERNATE_COUNT])))
    if support is not None:
        opener, _ = _choose(rng, support, SUPPORT_SONGS)
        sets.append(PlannedSet("predicted", "main", "Support set", tuple(opener), support.slug))
    return tuple(sets)


def _play_sets(
    rng: random.Random, artist: Artist, predicted: Sequence[PlannedSet], starts_at: datetime
) -> tuple[PlannedSet, ...]:
    """The sets that were played: most of the predicted songs, and a few surprises."""
    expected = list(chain.from_iterable(s.songs for s in predicted if s.artist is None and s.kind != "alternate"))
    own = [song for song in expected if song.artist == artist.slug]
    left_out = {song.title for song in rng.sample(own, k=rng.randint(1, max(1, len(own) // 4)))}
    played = [
        msgspec.structs.replace(song, medley=None)
        for song in expected
        if song.artist != artist.slug or song.title not in left_out
    ]
    titles = {song.title for song in own}
    surprises = [song for song in _songs_of(artist) if song.title not in titles]
    rng.shuffle(surprises)
    first = 1 if played[0].is_tape else 0
    for song in surprises[: rng.randint(len(left_out), len(left_out) + 3)]:
        played.insert(rng.randint(first, len(played)), song)
    main, encores = _split(rng, list(_timed(rng, played[:ACTUAL_MAX], starts_at, until=None)))
    sets = [PlannedSet("actual", "main", "Main set", tuple(main))]
    if encores:
        sets.append(PlannedSet("actual", "encore", "Encore", tuple(chain.from_iterable(encores))))
    return tuple(sets)


def _mark_played(
    rng: random.Random, sets: Sequence[PlannedSet], starts_at: datetime, now: datetime
) -> tuple[PlannedSet, ...]:
    """The sets of a live show, with the songs marked that the artist has played by `now`; alternates are not played."""
    songs = [
        song for planned in sets if planned.artist is None and planned.kind != "alternate" for song in planned.songs
    ]
    played = iter(list(_timed(rng, songs, starts_at, until=now)))
    return tuple(
        planned
        if planned.artist is not None or planned.kind == "alternate"
        else msgspec.structs.replace(planned, songs=tuple(next(played) for _ in planned.songs))
        for planned in sets
    )


def _timed(
    rng: random.Random, songs: Iterable[PlannedSong], starts_at: datetime, *, until: datetime | None
) -> Iterable[PlannedSong]:
    """The songs with the instants at which they were played, up to `until`."""
    # The first song begins ten minutes after the time on the ticket; each takes four to six minutes.
    at = starts_at + timedelta(minutes=10)
    for song in songs:
        yield song if until is not None and at > until else msgspec.structs.replace(song, played_at=at)
        at += timedelta(seconds=rng.randint(240, 360))


def _songs_of(artist: Artist) -> list[PlannedSong]:
    return [PlannedSong(title, artist.slug, rank) for rank, title in enumerate(artist.songs)]


def _choose(rng: random.Random, artist: Artist, count: int) -> tuple[list[PlannedSong], list[PlannedSong]]:
    # Exponential keys (Efraimidis and Spirakis, 2006): sampling by weight, without replacement.
    keyed = sorted(_songs_of(artist), key=lambda song: rng.expovariate(1.0) * (song.rank + 3))
    return keyed[:count], keyed[count:]


def _split(rng: random.Random, songs: list[PlannedSong]) -> tuple[list[PlannedSong], list[list[PlannedSong]]]:
    if len(songs) < ENCORE_FROM:
        return songs, []
    if len(songs) >= TWO_ENCORES_FROM and rng.random() < 0.5:
        return songs[:-4], [songs[-4:-2], songs[-2:]]
    length = rng.randint(2, 3)
    return songs[:-length], [songs[-length:]]


def _decorate(
    rng: random.Random, main: list[PlannedSong], *, support: Artist | None, others: Sequence[Artist]
) -> list[PlannedSong]:
    """Adds a medley, a note, a cover or a tape, each by chance."""
    replace = msgspec.structs.replace
    if rng.random() < MEDLEY_SHARE:
        start = rng.randint(1, len(main) - 3)
        main[start : start + 2] = [replace(song, medley=1) for song in main[start : start + 2]]
    if rng.random() < NOTE_SHARE:
        index = rng.randrange(len(main))
        notes = (*NOTES, f"with {support.name}") if support else NOTES
        main[index] = replace(main[index], note=rng.choice(notes))
    if rng.random() < COVER_SHARE:
        cover = rng.choice(_songs_of(rng.choice(others))[:5])
        # A cover must not split a medley.
        free = [
            index
            for index in range(1, len(main) + 1)
            if index == len(main) or main[index].medley is None or main[index - 1].medley is None
        ]
        main.insert(rng.choice(free), cover)
    if rng.random() < TAPE_SHARE:
        tape = rng.choice(_songs_of(rng.choice(others))[5:10])
        main.insert(0, replace(tape, is_tape=True))
    return main
