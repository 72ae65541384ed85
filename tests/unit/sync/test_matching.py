"""Whether two names mean the same: the traps that providers' data holds, and what must hold for any name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.sync.matching import (
    Place,
    is_tribute,
    judge_show,
    judge_venue,
    name_similarity,
    plain_name,
    plain_title,
    shown_title,
)

NAMES = st.text(min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Beatles", "beatles"),
        ("Simon & Garfunkel", "Simon and Garfunkel"),
        ("Mötley Crüe", "Motley Crue"),
        ("Beyoncé", "BEYONCE"),
        ("AC/DC", "ACDC"),
        ("Guns N’ Roses", "Guns N' Roses"),
        ("Earth, Wind & Fire", "Earth Wind and Fire"),
        ("The Tragically  Hip", "Tragically Hip"),
    ],
)
def test_spellings_of_one_name(one: str, other: str) -> None:
    """Case, accents, punctuation, `&` and a leading article make no difference."""
    assert plain_name(one) == plain_name(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("!!!", "+/-"),
        ("!!!", "The"),
        ("The The", "The"),
        ("東京事変", "東京"),
        ("Кино", "Kino"),
        ("Silver Harbour", "Silver Harbour Tribute"),
        ("Boston", "Boston Pops"),
        ("P!NK", "Pink Floyd"),
    ],
)
def test_names_of_two(one: str, other: str) -> None:
    """Names of signs alone stay what they are, and no script is lost."""
    assert plain_name(one) != plain_name(other)


@pytest.mark.parametrize(
    "name",
    [
        "The Music of ABBA: A Tribute",
        "Salute to Pink Floyd",
        "Celebrating David Bowie",
        "Queen Tribute Band",
        "A Night of Queen",
        "The Doors Experience",
    ],
)
def test_tributes_are_told(name: str) -> None:
    """Somebody who plays somebody else's songs says so."""
    assert is_tribute(name)


@pytest.mark.parametrize("name", ["Queen", "Radiohead", "The Jimi Hendrix", "Celebration Day"[:5]])
def test_others_are_none(name: str) -> None:
    """A name is not suspected for nothing."""
    assert not is_tribute(name)


@pytest.mark.parametrize(
    ("live", "recorded"),
    [
        ("Always on My Mind", "Always on My Mind - Remastered"),
        ("Heroes", "Heroes - 2009 Remaster"),
        ("Heroes", '"Heroes" - Remastered 2017'),
        ("Creep", "Creep - Radio Edit"),
        ("Creep", "Creep (Live)"),
        ("Creep", "Creep (2011 Remaster)"),
        ("Creep", "Creep - Mono"),
        ("Song", "Song - Live At Arena Ciudad De Mexico, Mexico City / 2012"),
        ("Song", "Song - Bonus Track"),
        ("Song", "Song (feat. Somebody)"),
        ("Song", "Song feat. Somebody"),
        ("Song", "Song ft. Somebody"),
        ("Song", "Song (with Somebody)"),
        ("Song", "Song (med Loreen)"),
        ("Rock 'n' Roll", "Rock ’n’ Roll"),
        ("Rock and Roll", "Rock & Roll"),
        ("Señal de Vida", "Senal de Vida"),
        ("Are You There?", "Are You There"),
        ("3rd Planet", "Third Planet"),
        ("Weird Fishes/Arpeggi", "Weird Fishes / Arpeggi"),
        ("AC/DC Bag", "AC/DC bag"),
        ("Another Brick in the Wall, Pt. 2", "Another Brick in the Wall, Part 2"),
        ("Another Brick in the Wall, Part II", "Another Brick in the Wall, Part 2"),
        ("Can't Stop", "Can’t Stop"),
        ("Semi-Charmed Life", "Semi‐Charmed Life"),
    ],
)
def test_spellings_of_one_song(live: str, recorded: str) -> None:
    """What says which recording it is makes no difference."""
    assert plain_title(live) == plain_title(recorded)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Tweezer", "Tweezer Reprise"),
        ("Home", "Sweet Home Alabama"),
        ("Another Brick in the Wall, Part 1", "Another Brick in the Wall, Part 2"),
        ("Track", "Track (Pitbull Remix)"),
        ("(I Can't Get No) Satisfaction", "Satisfaction"),
        ("Lounge (Closing Time)", "Lounge"),
        ("Doo Doo Doo Doo Doo (Heartbreaker)", "Heartbreaker"),
        ("Live and Let Die", "Let Die"),
        ("Live Forever", "Forever"),
        ("Symphony No. 2", "Symphony No. 3"),
        ("Nine - to - Five", "Nine"),
    ],
)
def test_titles_of_two_songs(one: str, other: str) -> None:
    """What tells songs apart stays, and so do brackets and dashes that belong to a title."""
    assert plain_title(one) != plain_title(other)


def test_a_title_is_shown_as_one_writes_it() -> None:
    """Without what says which recording it is; accents, brackets and slashes of its own stay."""
    assert shown_title("Señal - Remastered 2011") == "Señal"
    assert shown_title("It's Only Rock 'n' Roll (but I Like It) - Live") == "It's Only Rock 'n' Roll (but I Like It)"
    assert shown_title("Weird Fishes/Arpeggi") == "Weird Fishes/Arpeggi"
    assert shown_title("(Live)") == "(Live)"


HALL = Place("The Grand Hall", "New York", "US", 40.75, -73.99)


@pytest.mark.parametrize(
    ("theirs", "outcome"),
    [
        (Place("Grand Hall", "New York", "US", 40.7501, -73.9901), "same"),
        (Place("Grand Hall at New York", "New York", "US"), "same"),
        (Place("Grand Hall", "New York ", "US", 40.78, -74.03, is_city_centre=True), "same"),
        (Place("Grand Hall", "Phoenix", "US", 33.4, -112.0), "different"),
        (Place("Grand Hall", "York", "GB"), "different"),
        (Place("Acme Arena", "New York", "US", 40.7501, -73.9901), "doubtful"),
        (Place("Acme Arena", "New York", "US", 40.70, -73.95), "different"),
    ],
)
def test_venues(theirs: Place, outcome: str) -> None:
    """One city and about one name; a city's middle is no address; another name on the spot is a question."""
    assert judge_venue(HALL, theirs).outcome == outcome
    assert judge_venue(theirs, HALL).outcome == outcome


@pytest.mark.parametrize(
    ("theirs", "outcome"),
    [
        (Place("Some Other Room", "New York", "US", 40.78, -74.03, is_city_centre=True), "same"),
        (Place("Grand Hall, New York, United States", "", ""), "same"),
        (Place("Some Other Room", "Boston", "US", 42.3, -71.0, is_city_centre=True), "different"),
        (Place("Grand Hall", "New York", "GB"), "different"),
    ],
)
def test_shows_of_one_artist_on_one_day(theirs: Place, outcome: str) -> None:
    """One city will do, for nobody plays two halls a night; another city is another show."""
    assert judge_show(HALL, theirs).outcome == outcome


@given(NAMES)
def test_a_plain_name_says_no_less_than_it_must(name: str) -> None:
    """Plain twice is plain once, and only what is blank is empty."""
    plain = plain_name(name)
    assert plain_name(plain) == plain
    assert bool(plain) == bool(name.split())


@given(NAMES)
def test_a_plain_title_says_no_less_than_it_must(title: str) -> None:
    """Only what is blank is empty; what is shown of a title is of the same song."""
    assert bool(plain_title(title)) == bool(title.split())
    assert plain_title(shown_title(title)) == plain_title(title)


@given(NAMES, NAMES)
def test_likeness_has_no_side(one: str, other: str) -> None:
    """0 to 1, the same either way, and 1 for a name and itself."""
    assert name_similarity(one, other) == name_similarity(other, one)
    assert 0 <= name_similarity(one, other) <= 1
    if one.split():
        assert name_similarity(one, one) == 1
