"""Compares the names of halls, which change with their sponsors: `Nokia Theatre` and `Peacock Theater` are one. Pure.

A name has a sponsor, words of its own (`Palladium`), and words for the kind of hall. The sponsor does not count. All names
here are in the form of `plain_name`.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from rapidfuzz import fuzz

# The similarity of words that are one in another spelling, from 0 to 100.
SPELLING_SCORE_MIN = 70.0

# The words for each kind of hall. A word may stand for two: a `Center` is an arena or an open theatre.
_KINDS = {
    "arena": "arena arenas dome superdome coliseum colosseum center centre centrum world garden palais palau",
    "open theatre": "amphitheatre amphitheater amphitheatro anfiteatro pavilion shed center centre",
    "stadium": "stadium stadion stade stadio estadio park field ground",
    "theatre": "theatre theater theatro teatro theatret teatern",
    "hall": "hall halle sala salle zaal auditorium music konzerthaus",
    "club": "club ballroom academy",
    "fair": "convention expo exhibition messe messehalle",
}
# One place has only one hall of these kinds.
_LARGE = frozenset({"arena", "open theatre", "stadium"})
# A second room in a house is another venue.
_ROOM = re.compile(
    r"\b(studio|room|upstairs|downstairs|basement|annexe?|foyer|small|klein\w*|petite?|lounge|cafe|bar|terrace|lawn|rooftop|"
    r"underground|outdoor|stage|plaza|courtyard|parking|garage|lot|2|3|two|three|ii|iii|second)\b"
)
_PHRASE = re.compile(r"\b(?:(?:presented|powered|sponsored) by|formerly|previously|fka|ehemals|vormals) .+$")
# A sponsor by the word for its business, with the word before it, or by its name: the best known of the world's halls.
_BUSINESS = (
    "bank|insurance|versicherung|assurance|mortgage|credit union|financial|airlines?|airways|motors?|energy|mobile|telecom|"
    "telekom|wireless|communications|healthcare|card|casino|brewery|cola|sporting goods"
)
_BRANDS = (
    "o2|3|nokia|microsoft|peacock|best buy|playstation|uber eats|uber|mercedes ?benz|verti|barclaycard|barclays|color line|"
    "staples|crypto ?com|footprint|talking stick|quicken loans|little caesars|scotiabank|rogers|bell|air canada|at and t|verizon|"
    "t ?mobile|sprint|mci|capital one|xfinity|comcast|tweeter|blockbuster|sony|bb and t|live nation|carling|heineken|budweiser|"
    "coors|pepsi|coca ?cola|toyota|honda|ford|kia|nissan|lexus|audi|bmw|volkswagen|allianz|axa|aviva|zurich|generali|santander|"
    "wizink|movistar|vodafone|orange|swisscom|ziggo|lanxess|sap|ing|rabobank|telenor|telia|ericsson|avicii|tele2|unipol|"
    "mediolanum|altice|meo|accorhotels|accor|qudos|allphones|acer|hisense|suncorp|telstra|fedex|ticketmaster|amazon|oracle|"
    "climate pledge|key|wells fargo|chase|citi|citizens|acrisure|paycom|gainbridge|bankers life|fiserv|kaseya|ftx|moda|"
    "golden 1|delta|vivint|jiffy lube|pnc|hard rock|mgm|utilita|ao|first direct|motorpoint|ovo|sse|kpn"
)
_SPONSOR = re.compile(rf"\b(?:(?:{_BRANDS})\b(?: (?:{_BUSINESS})\b)?|\w+ (?:{_BUSINESS})\b)")
_SMALL_WORDS = frozenset(
    [
        "the",
        "of",
        "and",
        "at",
        "in",
        "on",
        "im",
        "am",
        "an",
        "der",
        "die",
        "das",
        "de",
        "la",
        "le",
        "del",
        "et",
        "und",
        "y",
    ]
)


class _Hall(NamedTuple):
    """The parts of a name that compare."""

    own: frozenset[str]
    kinds: frozenset[str]
    has_sponsor: bool


def compare_halls(one: str, other: str, city: str) -> Literal["one", "two", "unknown"]:
    """Whether two names at one spot are names of one hall, perhaps under another sponsor.

    one: large and of one kind; or with a word of their own in common; or of one kind, and both with a sponsor.
    two: two rooms of a house, halls of different kinds, or each with words of its own.
    """
    a, b = _hall(one, city), _hall(other, city)
    if set(_ROOM.findall(one)) != set(_ROOM.findall(other)) or (a.kinds and b.kinds and not a.kinds & b.kinds):
        return "two"
    shared = a.kinds & b.kinds
    if shared & _LARGE or a.own & b.own or (shared and a.has_sponsor and b.has_sponsor):
        return "one"
    if a.own and b.own and fuzz.ratio(" ".join(sorted(a.own)), " ".join(sorted(b.own))) < SPELLING_SCORE_MIN:
        return "two"
    return "unknown"


def differ_in_sponsor(one: str, other: str, city: str) -> bool:
    """Whether two names in one city differ in the sponsor only: `Palladium` and `Palladium presented by Acme Bank`."""
    a, b = _hall(one, city), _hall(other, city)
    return bool(a.own) and (a.own, a.kinds) == (b.own, b.kinds) and (a.has_sponsor or b.has_sponsor)


def _hall(name: str, city: str) -> _Hall:
    unsponsored = _SPONSOR.sub(" ", _PHRASE.sub("", name) or name)
    here = set(city.split()) | _SMALL_WORDS
    words = [word for word in unsponsored.split() if word not in here]
    kinds = {kind for word in words for kind, named in _KINDS.items() if word in named.split()}
    own = {word for word in words if not any(word in named.split() for named in _KINDS.values())}
    if "fair" in kinds:
        kinds = {"fair"}
    return _Hall(frozenset(own), frozenset(kinds), unsponsored != name)
