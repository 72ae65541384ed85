"""What a show will bring, told from what was played last."""

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
    """A setlist; its last `encore` songs were the encore."""
    last = max(1, len(titles) - 1)
    return PlayedSet(
        TODAY - dt.timedelta(days=days_ago),
        [PlayedSong(title, None, number / last, number >= len(titles) - encore) for number, title in enumerate(titles)],
    )


def test_what_is_played_now_counts_more_than_what_was() -> None:
    """A song of the last nights is in, one of half a year ago is not; shares are what the weights say."""
    songs = predict([played(0, "New"), played(3, "New", "Now and then"), *[played(200 + n, "Old") for n in range(4)]])
    assert [song.title for song in songs] == ["New", "Now and then"]
    half = predict([played(0, "A"), played(round(HALF_LIFE_DAYS), "B")])
    assert [(song.title, round(song.share, 3)) for song in half] == [("A", 0.667), ("B", 0.333)]


def test_songs_come_in_their_usual_order_and_encores_last() -> None:
    """By the mean of their places; a song that is mostly played in the encore is one."""
    nights = [played(n, "Opener", "Middle", "Closer", "Hit", encore=1) for n in range(3)]
    nights.append(played(4, "Hit", "Opener", "Middle", "Closer"))
    songs = predict(nights)
    assert [song.title for song in songs] == ["Opener", "Middle", "Closer", "Hit"]
    assert [song.is_encore for song in songs] == [False, False, False, True]


def test_covers_are_songs_of_their_own() -> None:
    """A title of somebody else's is another song."""
    own = PlayedSong("Hurt", None, 0.0, False)
    cover = PlayedSong("Hurt", "mbid", 1.0, False)
    songs = predict([PlayedSet(TODAY, [own, cover])])
    assert [(song.title, song.by) for song in songs] == [("Hurt", None), ("Hurt", "mbid")]


def test_nothing_is_told_from_nothing() -> None:
    """No setlists, or only empty ones."""
    assert predict([]) == []
    assert predict([played(1), played(2)]) == []


@given(SETS)
def test_predictions_keep_their_bounds(sets: list[PlayedSet]) -> None:
    """No more than SONGS_MAX songs, each once, each played, each in enough of the weight; encores after the rest."""
    songs = predict(sets)
    assert len(songs) <= SONGS_MAX
    assert len({(song.title, song.by) for song in songs}) == len(songs)
    assert {song.title for song in songs} <= {song.title for one in sets for song in one.songs}
    assert all(SHARE_MIN <= song.share <= 1.0001 for song in songs)
    assert [song.is_encore for song in songs] == sorted(song.is_encore for song in songs)
    if len(songs) < SONGS_MAX:
        assert {song.title for song in predict(list(reversed(sets)))} == {song.title for song in songs}
