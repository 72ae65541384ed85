"""Predictions of setlists from the last setlists."""

from __future__ import annotations

import datetime as dt
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.sync.prediction import SONGS_MAX, PlayedSet, PlayedSong, predict, r_precision, rank

TODAY = dt.date(2026, 11, 25)
LIBRARY = [f"Song {number}" for number in range(60)]
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
    """A song of the last nights is likelier than one of half a year ago, and shares follow the weights."""
    nights = [played(0, "New"), played(3, "New", "Now and then"), *[played(200 + n, "Old") for n in range(4)]]
    assert list(rank(nights)) == [("New", None), ("Now and then", None), ("Old", None)]
    assert predict(nights)[0].title == "New"


def test_a_tour_that_ended_hardly_counts() -> None:
    """After the first show of a new tour its songs are predicted; a festival on no tour ends none."""
    old = [msgspec.structs.replace(played(30 + n, *(f"Old {m}" for m in range(5))), tour="Old") for n in range(12)]
    first = msgspec.structs.replace(played(0, *(f"New {m}" for m in range(5))), tour="New")
    assert {title for title, _ in list(rank([first, *old]))[:5]} == {f"New {m}" for m in range(5)}
    festival = msgspec.structs.replace(first, tour=None)
    assert {title for title, _ in list(rank([festival, *old]))[:5]} == {f"Old {m}" for m in range(5)}


def test_rotating_bands_do_not_repeat_last_night() -> None:
    """An act that plays each song every second night gets the songs of the night before last."""
    nights = [played(n, *(f"{'Odd' if n % 2 else 'Even'} {m}" for m in range(6))) for n in range(10)]
    assert {song.title for song in predict(nights)} >= {f"Odd {m}" for m in range(6)}
    assert {title for title, _ in list(rank(nights))[:6]} == {f"Odd {m}" for m in range(6)}


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
    """At most SONGS_MAX songs, each once, each played before, each with a share from 0 to 1; encores last."""
    songs = predict(sets)
    assert len(songs) <= SONGS_MAX
    assert len({(song.title, song.by) for song in songs}) == len(songs)
    assert {song.title for song in songs} <= {song.title for one in sets for song in one.songs}
    assert all(0 < song.share <= 1 for song in songs)
    assert [song.is_encore for song in songs] == sorted(song.is_encore for song in songs)


def test_openers_and_closers_keep_their_places() -> None:
    """The song that opens most shows is first and the one that closes most is last, wherever else they were played."""
    nights = [played(n, "Hello", "A", "B", "C", "Goodbye") for n in range(4)]
    nights += [played(10 + n, "A", "B", "C", "Hello", "Goodbye", "D") for n in range(2)]
    titles = [song.title for song in predict(nights)]
    assert (titles[0], titles[-1]) == ("Hello", "Goodbye")


def _static(night: int, _: random.Random) -> list[str]:
    return LIBRARY[:18] if night % 6 else [*LIBRARY[:17], LIBRARY[30]]


def _half_rotating(_: int, chance: random.Random) -> list[str]:
    return LIBRARY[:8] + chance.sample(LIBRARY[8:40], 10)


def _alternating(night: int, _: random.Random) -> list[str]:
    return LIBRARY[:10] + (LIBRARY[10:18] if night % 2 else LIBRARY[18:26])


def _never_repeating(night: int, _: random.Random) -> list[str]:
    return [LIBRARY[(night * 12 + number) % 60] for number in range(12)]


@pytest.mark.parametrize("play", [_static, _half_rotating, _alternating, _never_repeating])
def test_no_act_is_predicted_worse_than_by_a_simple_way(play: Callable[[int, random.Random], list[str]]) -> None:
    """Four invented kinds of acts: the mean R-precision is no lower than that of the last show or the most frequent songs."""
    chance = random.Random(3)
    nights = [played(2 * n, *play(20 - n, chance)) for n in range(20)]
    scores = {"last": 0.0, "frequent": 0.0, "ranked": 0.0}
    for number in range(17):
        before = nights[number + 1 :]
        wanted = {(song.title, None) for song in nights[number].songs}
        counts: dict[tuple[str, str | None], int] = {}
        for one in before:
            for song in one.songs:
                counts[song.title, song.by] = counts.get((song.title, song.by), 0) + 1
        scores["last"] += r_precision([(song.title, song.by) for song in before[0].songs], wanted)
        scores["frequent"] += r_precision(sorted(counts, key=lambda key: -counts[key]), wanted)
        scores["ranked"] += r_precision(list(rank(before)), wanted)
    assert scores["ranked"] >= max(scores["last"], scores["frequent"]) - 1e-9, scores


def test_the_backtest_reads_recorded_setlists(tmp_path: Path) -> None:
    """bench/predicting.py takes a page as setlist.fm gives it, and prints one JSON object."""
    days = [(TODAY - dt.timedelta(days=number)).strftime("%d-%m-%Y") for number in range(6)]
    songs = [{"name": title} for title in ("Alpha", "Beta", "Gamma > Delta")]
    setlists = [
        {"id": f"{number}", "eventDate": day, "artist": {"mbid": "m", "name": "Somebody"}, "sets": {"set": [{"song": songs}]}}
        for number, day in enumerate(days)
    ]  # fmt: skip
    file = tmp_path / "page.json"
    file.write_text(json.dumps({"total": 6, "setlist": [*setlists, {"id": None}]}))
    script = Path(__file__).parents[3] / "bench" / "predicting.py"
    done = subprocess.run([sys.executable, script, file], capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["acts"] == {"Somebody": {"shows": 3, "last": 1.0, "frequent": 1.0, "predicted": 1.0}}
    assert "Somebody" in done.stderr
