"""Predictions of setlists from the last setlists."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from server.sync.prediction import HALF_LIFE_DAYS, SHARE_MIN, SONGS_MAX, PlayedSet, PlayedSong, predict

TODAY = dt.date(2026, 11, 25)
SETS = st.lists(
    st.builds(
        lambda days, titles: played(days, *titles),
        st.integers(0, 400),
        st.lists(st.sampled_from([f"Song {number}" for number in range(60)]), max_size=45, unique=True),
    ),
    max_size=12,
)


def played(days_ago: int, *titles: str, encore: int = 0) -> PlayedSet:
    """A setlist; its last `encore` songs are the encore."""
    last = max(1, len(titles) - 1)
    return PlayedSet(
        TODAY - dt.timedelta(days=days_ago),
        [PlayedSong(title, None, number / last, number >= len(titles) - encore) for number, title in enumerate(titles)],
    )


def test_newer_setlists_weigh_more() -> None:
    """A song of the last nights is predicted, one of half a year ago is not; shares follow the weights."""
    songs = predict([played(0, "New"), played(3, "New", "Now and then"), *[played(200 + n, "Old") for n in range(4)]])
    assert [song.title for song in songs] == ["New", "Now and then"]
    half = predict([played(0, "A"), played(round(HALF_LIFE_DAYS), "B")])
    assert [(song.title, round(song.share, 3)) for song in half] == [("A", 0.667), ("B", 0.333)]


def test_songs_are_in_their_usual_order_with_encores_last() -> None:
    """The order is that of their mean places; a song that is mostly played in the encore is an encore."""
    nights = [played(n, "Opener", "Middle", "Closer", "Hit", encore=1) for n in range(3)]
    nights.append(played(4, "Hit", "Opener", "Middle", "Closer"))
    songs = predict(nights)
    assert [song.title for song in songs] == ["Opener", "Middle", "Closer", "Hit"]
    assert [song.is_encore for song in songs] == [False, False, False, True]


def test_a_cover_is_a_song_of_its_own() -> None:
    """The same title by another artist is another song."""
    own = PlayedSong("Hurt", None, 0.0, False)
    cover = PlayedSong("Hurt", "mbid", 1.0, False)
    songs = predict([PlayedSet(TODAY, [own, cover])])
    assert [(song.title, song.by) for song in songs] == [("Hurt", None), ("Hurt", "mbid")]


def test_without_setlists_nothing_is_predicted() -> None:
    """Neither no setlists nor empty ones give a prediction."""
    assert predict([]) == []
    assert predict([played(1), played(2)]) == []


@given(SETS)
def test_predictions_keep_their_bounds(sets: list[PlayedSet]) -> None:
    """At most SONGS_MAX songs, each once, each played before, each with a share of SHARE_MIN; encores last."""
    songs = predict(sets)
    assert len(songs) <= SONGS_MAX
    assert len({(song.title, song.by) for song in songs}) == len(songs)
    assert {song.title for song in songs} <= {song.title for one in sets for song in one.songs}
    assert all(SHARE_MIN <= song.share <= 1.0001 for song in songs)
    assert [song.is_encore for song in songs] == sorted(song.is_encore for song in songs)
    if len(songs) < SONGS_MAX:
        assert {song.title for song in predict(list(reversed(sets)))} == {song.title for song in songs}
