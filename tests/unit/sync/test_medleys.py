"""Medleys are cut into their songs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.sync.canonical_titles import CanonicalTitles
from server.sync.clients.setlistfm import Set, Setlist, Sets, Song
from server.sync.medleys import cut_medley
from server.sync.setlists import to_played_sets, to_set_records

KNOWN = {"Alpha", "Beta", "Gamma", "Hello, Goodbye", "Rock and Roll", "Weird Fishes/Arpeggi"}


@pytest.mark.parametrize(
    ("title", "songs"),
    [
        ("Alpha / Beta", ["Alpha", "Beta"]),
        ("Alpha/Beta/Gamma", ["Alpha", "Beta", "Gamma"]),
        ("Alpha > Beta", ["Alpha", "Beta"]),
        ("Alpha -> New One", ["Alpha", "New One"]),
        ("Alpha → Beta > Alpha", ["Alpha", "Beta", "Alpha"]),
        ("Alpha, Beta medley", ["Alpha", "Beta"]),
        ("Alpha, New One (Medley)", ["Alpha", "New One"]),
        ("Medley: Alpha / Beta", ["Alpha", "Beta"]),
        ("Hits Medley: Alpha, Beta", ["Alpha", "Beta"]),
        ("Hello, Goodbye, Alpha medley", ["Hello, Goodbye", "Alpha"]),
        ("Rock and Roll and Alpha", ["Rock and Roll", "Alpha"]),
        ("Alpha + Beta", ["Alpha", "Beta"]),
        ("Alpha >", ["Alpha"]),
        ("Weird Fishes/Arpeggi", ["Weird Fishes/Arpeggi"]),
        ("AC/DC Bag", ["AC/DC Bag"]),
        ("Alpha / Unknown", ["Alpha / Unknown"]),
        ("Hello, Goodbye", ["Hello, Goodbye"]),
        ("Goodbye, Stranger", ["Goodbye, Stranger"]),
        ("Motown Medley", ["Motown Medley"]),
        ("Medley", ["Medley"]),
        ("(Medley)", ["(Medley)"]),
        ("I <3 You", ["I <3 You"]),
    ],
)
def test_a_medley_is_cut(title: str, songs: list[str]) -> None:
    """A sign or a word that says so cuts; an ambiguous sign cuts into known titles only."""
    assert cut_medley(title, KNOWN.__contains__) == songs


@given(st.text(alphabet="AB >/,+-→ medly:()", max_size=30))
def test_any_title_is_cut_into_songs(title: str) -> None:
    """A cut gives songs that are not empty."""
    assert all(part.strip() for part in cut_medley(title, KNOWN.__contains__)) or not title.strip()


def test_predictions_and_setlists_cut_alike() -> None:
    """A medley counts for its songs in a prediction as in the played setlist, also when no song is in the catalogue yet."""
    one = Setlist(id="1", event_date="25-11-2026", sets=Sets([Set(song=[Song("Alpha / Beta"), Song("Gamma > Delta")])]))
    other = Setlist(id="2", event_date="24-11-2026", sets=Sets([Set(song=[Song("Beta"), Song("Alpha")])]))
    canonical = CanonicalTitles()
    first, second = to_played_sets([one, other], canonical)
    assert [song.title for song in first.songs] == ["Alpha", "Beta", "Gamma", "Delta"]
    assert [song.title for song in second.songs] == ["Beta", "Alpha"]
    (written,) = to_set_records(one, {}, canonical)
    assert [(song.title, song.medley) for song in written.songs] == [
        ("Alpha", 1),
        ("Beta", 1),
        ("Gamma", 2),
        ("Delta", 2),
    ]
