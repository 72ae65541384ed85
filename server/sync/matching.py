"""Decides whether two names mean the same artist, venue or song, and whether two shows are one. Pure functions.

Names are compared in a plain form that is never shown. A name alone is never enough to match (docs/matching.md).
"""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from rapidfuzz import fuzz

from server.sync.hall_names import compare_halls, differ_in_sponsor

# The similarity of two plain names of venues, from 0 to 100.
VENUE_SCORE_MIN = 80.0
VENUE_SCORE_SURE = 90.0
# Coordinates of a city are those of its centre; coordinates of a venue are right within a street or two.
CITY_KM_MAX = 25.0
SPOT_KM_MAX = 0.35


# Signs that people write in several ways; Unicode's compatible forms (NFKC) leave them apart.
_SIGNS = str.maketrans(
    dict.fromkeys("’‘‛ʼʻʽʹ`´′＇", "'")
    | dict.fromkeys("“”„‟″＂", '"')
    | dict.fromkeys("‐‑‒–—―−﹘﹣－", "-")
    | {"…": "..."}
)
# Marks that no one sees: the joiner of graphemes, and the selectors of an emoji's style.
_UNSEEN = frozenset("\u034f\ufe0e\ufe0f")
_TRIBUTE = re.compile(
    r"\b(tributes?|the music of|salute to|celebrat(ing|ion)|a night of|plays the|performed by|cover band|experience)\b",
    re.IGNORECASE,
)
# Words beside a title that say which recording it is.
_VERSION_WORDS = (
    r"(?:\d{4} )?(?:digital )?re-?master(?:ed)?(?: \d{4})?(?: version)?|live|live (?:at|in|from|on) .+|radio edit|edit|single edit|"
    r"mono|stereo|(?:mono|stereo) (?:mix|version)|bonus track|demo|acoustic|acoustic version|album version|single version|"
    r"(?:original|extended|radio|studio|deluxe|explicit|clean) (?:mix|version|edit)|\d{4} (?:version|mix|edit)|"
    r"deluxe edition|deluxe|from [\"“'].+|featured in .+|remastered .+|taylor's version"
)
_VERSION_TAIL = re.compile(rf" - (?:{_VERSION_WORDS})$", re.IGNORECASE)
_VERSION_BRACKET = re.compile(rf"\s*[(\[](?:{_VERSION_WORDS})[)\]]", re.IGNORECASE)
_GUESTS = re.compile(
    r"\s*[(\[](?:feat\.?|ft\.?|featuring|with|med|avec|con|mit) [^)\]]+[)\]]|\s+(?:feat\.?|ft\.?|featuring) .+$",
    re.IGNORECASE,
)
_NUMBERS = {
    "0": "zero", "1st": "first", "2nd": "second", "3rd": "third", "4th": "fourth", "5th": "fifth",
    "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven", "8": "eight", "9": "nine",
    "10": "ten",
}  # fmt: skip
_SPELLINGS = {"pt": "part", "pts": "parts", "vol": "volume", "n": "and", "ii": "two", "iii": "three", "iv": "four"}
# After these words, Roman numerals are numbers; elsewhere `I` and `V` are words.
_SERIES = frozenset(
    {"part", "parts", "volume", "chapter", "act", "movement", "number", "book", "phase", "suite", "symphony"}
)
_ROMAN = dict(zip(["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x"], map(str, range(1, 11)), strict=True))


class Place(NamedTuple):
    """A venue in the form for comparing; latitude and longitude in degrees, None: unknown."""

    name: str
    city: str
    country: str
    latitude: float | None = None
    longitude: float | None = None
    is_city_centre: bool = False


class Verdict(NamedTuple):
    """The result of a comparison, the confidence in it (0 to 1), and the reason."""

    outcome: Literal["same", "doubtful", "different"]
    confidence: float
    evidence: str


def folded(text: str) -> str:
    """The form in which all names and titles are compared: two texts with one folded form differ in spelling only.

    Case, spaces, kinds of apostrophes and dashes, invisible characters and full-width forms make no difference. Accents
    make none in Latin and Greek, and Cyrillic `ё` is `е`. Marks of all other scripts stay, because they make another
    letter there: `ガ` is not `カ`, `й` is not `и`. The function fold() of the database keeps the same letters apart.
    """
    text = unicodedata.normalize("NFKC", text.translate(_SIGNS)).casefold()
    text = unicodedata.normalize("NFKC", text).translate(_SIGNS)
    return " ".join(unicodedata.normalize("NFC", "".join(map(_without_accent, text))).split())


@functools.lru_cache(maxsize=4096)
def _without_accent(char: str) -> str:
    if char.isascii():
        return char
    category = unicodedata.category(char)
    if category == "Cf" or char in _UNSEEN or "\u0300" <= char <= "\u036f":
        return ""
    if char == "ё":
        return "е"
    if category[0] == "L" and unicodedata.name(char, "").startswith(("LATIN", "GREEK")):
        return "".join(part for part in unicodedata.normalize("NFD", char) if unicodedata.category(part) != "Mn")
    return char


def _words(text: str, glued: str | None) -> list[str]:
    """The words of a folded text, with the marks of their letters.

    Takes: glued, signs that do not end a word; None: no sign ends a word
    """

    def kept(char: str) -> str:
        if char.isspace() or unicodedata.category(char)[0] in "LNM":
            return char
        return "" if glued is None or char in glued else " "

    return "".join(map(kept, text)).split()


def plain_name(name: str) -> str:
    """The plain form of the name of an artist, a venue or a city; empty only when the name is blank.

    Besides the differences in spelling (`folded`), punctuation, `&` for `and` and a leading `The` make no difference. A
    name without letters or digits (`!!!`) stays as it is, and so do all scripts.
    """
    text = folded(name)
    text = text.replace("&", " and ").replace("+", " and " if re.search(r"\w\s*\+\s*\w", text) else "+")
    words = _words(text, glued=None)
    if len(words) > 1 and words[0] == "the" and words[1] != "the":
        words = words[1:]
    return " ".join(words) or " ".join(text.split()) or " ".join(name.split())


def name_similarity(one: str, other: str) -> float:
    """The similarity of two names, 0 to 1."""
    return fuzz.token_sort_ratio(plain_name(one), plain_name(other)) / 100


def is_tribute(name: str) -> bool:
    """Whether the name is that of a tribute act, which plays another artist's songs."""
    return bool(_TRIBUTE.search(name))


def plain_title(title: str) -> str:
    """The plain form of a song's title: titles with one plain form are one song. Empty only when the title is blank.

    It leaves out words about the recording (`- Remastered 2011`, `(Live)`, `feat. X`), and keeps words that distinguish
    songs (`Reprise`, `Part II`, a remix, brackets that belong to the title). Numbers have one spelling.
    """
    shown = folded(shown_title(title))
    text = re.sub(r"#(?=\d)", " number ", shown.replace("&", " and "))
    text = re.sub(r"(\w)\*+(\w)", r"\1\2", text)
    words = list(_plain_words(_words(text, glued="'.*")))
    return " ".join(words) or shown or " ".join(title.split())


def _plain_words(words: Sequence[str]) -> Iterator[str]:
    """One spelling of numbers: `Part I` is `Part 1`, and `No. 1` is `Number One`, while `No One` stays."""
    is_series = False
    for place, found in enumerate(words):
        word = _ROMAN.get(found, found) if is_series else found
        if word == "no" and words[place + 1 : place + 2] and words[place + 1].isdigit():
            word = "number"
        word = _SPELLINGS.get(word, word)
        is_series = word in _SERIES or (is_series and word.isdigit())
        yield _NUMBERS.get(word, word)


def shown_title(title: str) -> str:
    """The title for display: without words about the recording, and without guests."""
    text = " ".join(title.translate(_SIGNS).split())
    while True:
        shorter = _GUESTS.sub("", _VERSION_TAIL.sub("", _VERSION_BRACKET.sub("", text))).strip()
        if not shorter:
            return text or title
        if shorter == text:
            return text
        text = shorter


def judge_venue(ours: Place, theirs: Place) -> Verdict:
    """Whether two venues are one: in one city, with similar names or at the same spot."""
    if ours.country and theirs.country and ours.country != theirs.country:
        return Verdict("different", 1.0, "in another country")
    km = _distance_km(ours, theirs)
    is_centre = ours.is_city_centre or theirs.is_city_centre
    is_near = km is not None and km <= (CITY_KM_MAX if is_centre else 2.0)
    has_city = bool(ours.city and theirs.city)
    if has_city and plain_name(ours.city) != plain_name(theirs.city) and not is_near:
        return Verdict("different", 1.0, "in another city")
    if km is not None and km > CITY_KM_MAX:
        return Verdict("different", 1.0, f"{km:.0f} km apart")
    score = _venue_score(ours, theirs)
    if score >= VENUE_SCORE_SURE:
        return Verdict("same", 0.95, f"their names are alike ({score:.0f} of 100), in one city")
    if km is not None and km <= SPOT_KM_MAX and not is_centre:
        halls = compare_halls(plain_name(ours.name), plain_name(theirs.name), plain_name(ours.city or theirs.city))
        if halls == "one" or (halls == "unknown" and score >= 50):
            return Verdict("same", 0.9, f"{km * 1000:.0f} m apart, and their names fit ({score:.0f} of 100)")
        return Verdict("doubtful", 0.6, f"{km * 1000:.0f} m apart, under another name")
    if score >= VENUE_SCORE_MIN or (
        has_city and differ_in_sponsor(plain_name(ours.name), plain_name(theirs.name), plain_name(ours.city))
    ):
        return Verdict("same", 0.85, f"their names are alike ({score:.0f} of 100), in one city")
    return Verdict("different", 0.8, f"their names differ ({score:.0f} of 100)")


def judge_show(ours: Place, theirs: Place) -> Verdict:
    """Whether two shows of an artist on one local day are one: at one venue, or in one city."""
    venue = judge_venue(ours, theirs)
    if venue.outcome == "same":
        return venue
    is_one_city = bool(ours.city and theirs.city) and plain_name(ours.city) == plain_name(theirs.city)
    km = _distance_km(ours, theirs)
    if venue.evidence not in ("in another country", "in another city") and (
        is_one_city or (km is not None and km <= CITY_KM_MAX)
    ):
        return Verdict("same", 0.8, "the same day, in one city")
    # A venue without a city usually has the city in its name.
    if not theirs.city and fuzz.token_set_ratio(plain_name(ours.name), plain_name(theirs.name)) >= VENUE_SCORE_SURE:
        return Verdict("same", 0.75, "the same day, at a venue of that name")
    return Verdict("different", venue.confidence, venue.evidence)


def _venue_score(ours: Place, theirs: Place) -> float:
    """The similarity of two venues' names, 0 to 100; the city's name within them does not count."""

    def words(place: Place) -> str:
        city = set(plain_name(place.city).split())
        kept = [
            word
            for word in plain_name(place.name).split()
            if word not in city and word not in ("at", "of", "and", "the")
        ]
        return " ".join(kept) or plain_name(place.name)

    return max(fuzz.ratio(words(ours), words(theirs)), fuzz.token_sort_ratio(words(ours), words(theirs)))


def _distance_km(one: Place, other: Place) -> float | None:
    """The distance along the earth's surface; None: coordinates are unknown."""
    if one.latitude is None or one.longitude is None or other.latitude is None or other.longitude is None:
        return None
    a, b = math.radians(one.latitude), math.radians(other.latitude)
    half = (
        math.sin((b - a) / 2) ** 2
        + math.cos(a) * math.cos(b) * math.sin(math.radians(other.longitude - one.longitude) / 2) ** 2
    )
    return 2 * 6371.0 * math.asin(min(1.0, math.sqrt(half)))
