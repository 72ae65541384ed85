"""Matching of names and titles: known traps in providers' data, and properties that hold for any name."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.sync.matching import (
    Place,
    folded,
    is_tribute,
    judge_show,
    judge_venue,
    name_similarity,
    plain_name,
    plain_title,
    shown_title,
)

NAMES = st.text(min_size=1, max_size=40)
# Two songs that differ in one mark or one letter.
MINIMAL_PAIRS = [
    ("ガラス", "カラス"),
    ("ハート", "バード"),
    ("パン", "バン"),
    ("दिल", "दाल"),
    ("ดี", "ดู"),
    ("ไม่", "ไม้"),
    ("Чай", "Чаи"),
    ("Їжа", "Іжа"),
    ("שלום", "שׁלום"),
    ("كَتَبَ", "كُتِبَ"),
    ("가", "거"),
]


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
        ("Sigur Rós", "Sigur Ro\u0301s"),
        ("Guns N‘ Roses", "Guns N′ Roses"),
        ("Blink\u2010182", "Blink\u2011182"),
        ("ＡＢＢＡ", "\u200bABBA\ufeff"),
        ("Ёлка", "Елка"),
        ("ΜΕΛΙΝΑ ΜΕΡΚΟΎΡΗ", "Μελίνα Μερκούρη"),
    ],
)
def test_two_spellings_of_a_name_have_one_plain_form(one: str, other: str) -> None:
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
def test_two_names_have_two_plain_forms(one: str, other: str) -> None:
    """A name without letters stays as it is, and no script is lost."""
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
def test_a_tribute_act_is_recognised(name: str) -> None:
    """The name of a tribute act says that it plays another artist's songs."""
    assert is_tribute(name)


@pytest.mark.parametrize("name", ["Queen", "Radiohead", "The Jimi Hendrix", "Celebration Day"[:5]])
def test_another_act_is_no_tribute(name: str) -> None:
    """A name without such words is not taken for a tribute act."""
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
        ("Part I", "Part 1"),
        ("Part I", "Pt. One"),
        ("Shine On You Crazy Diamond (Parts I–V)", "Shine On You Crazy Diamond, Pts. 1-5"),
        ("Mambo No. 5", "Mambo Number 5"),
        ("#9 Dream", "No. 9 Dream"),
        ("Vol. II", "Volume 2"),
        ("ｶﾞﾗｽ", "カ\u3099ラス"),
        ("Би-2", "би‒2"),
    ],
)
def test_two_spellings_of_a_title_have_one_plain_form(live: str, recorded: str) -> None:
    """Words about the recording make no difference."""
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
        ("No. 1", "No One"),
        ("I Want You", "1 Want You"),
        *MINIMAL_PAIRS,
    ],
)
def test_two_titles_have_two_plain_forms(one: str, other: str) -> None:
    """Words that distinguish songs stay, and so do brackets and dashes that belong to a title."""
    assert plain_title(one) != plain_title(other)


def test_a_title_for_display_has_no_words_about_the_recording() -> None:
    """Accents, brackets and slashes of the title stay."""
    assert shown_title("Señal - Remastered 2011") == "Señal"
    assert shown_title("It's Only Rock 'n' Roll (but I Like It) - Live") == "It's Only Rock 'n' Roll (but I Like It)"
    assert shown_title("Weird Fishes/Arpeggi") == "Weird Fishes/Arpeggi"
    assert shown_title("(Live)") == "(Live)"


@pytest.mark.parametrize(("one", "other"), MINIMAL_PAIRS)
def test_marks_that_make_another_letter_stay(one: str, other: str) -> None:
    """Only accents of Latin, Greek and Cyrillic are folded; the composed and the loose form of a mark are one."""
    assert folded(one) != folded(other)
    assert plain_name(one) != plain_name(other)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert folded(unicodedata.normalize(form, one)) == folded(one)
        assert plain_title(unicodedata.normalize(form, one)) == plain_title(one)


@given(NAMES)
def test_a_folded_text_is_stable(text: str) -> None:
    """Folding twice changes nothing, and the four normal forms, spaces and case make no difference."""
    assert folded(folded(text)) == folded(text)
    assert folded(f"  {text}\u200b") == folded(text)
    for form in ("NFC", "NFD"):
        assert folded(unicodedata.normalize(form, text)) == folded(text)


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
def test_venues_match_by_city_and_name_or_by_spot(theirs: Place, outcome: str) -> None:
    """Similar names in one city match; the centre of a city is no spot; another name at the same spot is doubtful."""
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
def test_shows_on_one_day_match_by_city(theirs: Place, outcome: str) -> None:
    """An artist plays one hall a night, so one city is enough; another city is another show."""
    assert judge_show(HALL, theirs).outcome == outcome


@given(NAMES)
def test_a_plain_name_is_stable_and_empty_only_for_a_blank_name(name: str) -> None:
    """The plain form of a plain form is the same."""
    plain = plain_name(name)
    assert plain_name(plain) == plain
    assert bool(plain) == bool(name.split())


@given(NAMES)
def test_a_plain_title_is_empty_only_for_a_blank_title(title: str) -> None:
    """The title for display has the same plain form."""
    assert bool(plain_title(title)) == bool(title.split())
    assert plain_title(shown_title(title)) == plain_title(title)


@given(NAMES, NAMES)
def test_similarity_is_symmetric(one: str, other: str) -> None:
    """It lies between 0 and 1, and it is 1 for a name and itself."""
    assert name_similarity(one, other) == name_similarity(other, one)
    assert 0 <= name_similarity(one, other) <= 1
    if one.split():
        assert name_similarity(one, one) == 1
