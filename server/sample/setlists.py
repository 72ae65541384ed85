"""What a night is made of: main set, encores, alternates and a support's short set; covers, tapes, medleys, notes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain

import msgspec

from server.sample.seed_data import Artist

PREDICTED_MIN, PREDICTED_MAX = 8, 15  # the artist's own songs in main set and encores
ACTUAL_MAX = 20
ENCORE_FROM = 10  # songs from which there is an encore, and from which there are two
TWO_ENCORES_FROM = 14
ALTERNATE_COUNT = 3
SUPPORT_SONGS = 4
# How often a night has one.
COVER_SHARE, TAPE_SHARE, MEDLEY_SHARE, NOTE_SHARE, ALTERNATE_SHARE = 0.35, 0.15, 0.2, 0.35, 0.15
NOTES = ("acoustic", "piano version", "first time this tour", "extended outro", "a cappella")


class PlannedSong(msgspec.Struct, frozen=True):
    """A song in a planned setlist.

    Takes: artist, slug of whose song it is; rank, how far from their best known [0-based]
    """

    title: str
    artist: str
    rank: int
    played_at: datetime | None = None
    is_tape: bool = False
    medley: int | None = None
    note: str = ""


class PlannedSet(msgspec.Struct, frozen=True):
    """A setlist as it will be inserted; artist, slug of who plays it, None: whose show it is."""

    type: str
    kind: str
    name: str
    songs: tuple[PlannedSong, ...]
    artist: str | None = None


def predict_sets(
    rng: random.Random, artist: Artist, *, support: Artist | None, others: Sequence[Artist]
) -> tuple[PlannedSet, ...]:
    """The sets fans expect, whose songs they vote on: the artist's own first, in the order of the night."""
    # Three songs at least stay out, so that a night can hold a surprise.
    count = rng.randint(PREDICTED_MIN, max(PREDICTED_MIN, min(PREDICTED_MAX, len(artist.songs) - 3)))
    chosen, left_out = _choose(rng, artist, count)
    rng.shuffle(chosen)
    main, encores = _split(rng, chosen)
    main = _adorn(rng, main, support=support, others=others)
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


def play_sets(
    rng: random.Random, artist: Artist, predicted: Sequence[PlannedSet], starts_at: datetime
) -> tuple[PlannedSet, ...]:
    """What was really played: much of what was expected, less a few songs and with a few surprises."""
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
    sets += [PlannedSet("actual", "encore", "Encore", tuple(encore)) for encore in [[*chain(*encores)]] if encore]
    return tuple(sets)


def mark_played(
    rng: random.Random, sets: Sequence[PlannedSet], starts_at: datetime, now: datetime
) -> tuple[PlannedSet, ...]:
    """The sets of a show that is on: the artist's own are played one after the other, alternates not at all."""
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
    """The songs with when they were played, as far as they were by `until`."""
    # Four to six minutes a song, the first one ten minutes after the time on the ticket.
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


def _adorn(
    rng: random.Random, main: list[PlannedSong], *, support: Artist | None, others: Sequence[Artist]
) -> list[PlannedSong]:
    """Some of what makes a night one of its kind."""
    replace = msgspec.structs.replace
    if rng.random() < MEDLEY_SHARE:
        start = rng.randint(1, len(main) - 3)
        main[start : start + 2] = [replace(song, medley=1) for song in main[start : start + 2]]
    if rng.random() < NOTE_SHARE:
        place = rng.randrange(len(main))
        notes = (*NOTES, f"with {support.name}") if support else NOTES
        main[place] = replace(main[place], note=rng.choice(notes))
    if rng.random() < COVER_SHARE:
        cover = rng.choice(_songs_of(rng.choice(others))[:5])
        free = [
            place
            for place in range(1, len(main) + 1)
            if place == len(main) or main[place].medley is None or main[place - 1].medley is None
        ]
        main.insert(rng.choice(free), cover)
    if rng.random() < TAPE_SHARE:
        tape = rng.choice(_songs_of(rng.choice(others))[5:10])
        main.insert(0, replace(tape, is_tape=True))
    return main
