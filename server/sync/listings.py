"""Reads Ticketmaster's listings: which are concerts, which of them take place, and which are one show. Pure functions.

Titles are compared in a plain form: lower case without accents, words with one space between, ` | ` where a part ends. A word
says nothing when it belongs to the name of the act: Camping in Alaska is a band.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

from server.sync.clients.ticketmaster import Event
from server.sync.listing_words import ALONE_WITH, BESIDE, BESIDE_ALONE, CANCELLED, NEW_DATE, POSTPONED
from server.sync.matching import plain_name
from server.sync.show_rows import SAME_SHOW_MAX

# The codes of a listing that does not take place on its day.
OFF_CODES = ("cancelled", "postponed")

Spans = list[tuple[int, int]]


def is_concert(event: Event, artist: str) -> bool:
    """Whether a listing is a concert on a known day at a known venue, and not something that is sold beside one.

    Takes: artist, the name of the act whose listings these are
    """
    if event.test or event.date is None or event.venue is None:
        return False
    title = _plain(event.name)
    acts = _spans(title, _acts(event, artist))
    # `Muse at Camping World Stadium`; a hall with a garage in its name says nothing.
    hall = _spans(title, [event.venue.name] if "parking" not in event.venue.name.casefold() else [])
    if _says(title, BESIDE, acts + hall):
        return False
    return not any(_is_beside(part) for part in _without(title, acts + hall).split("|"))


def status_code(event: Event, artist: str) -> str:
    """Ticketmaster's status of a listing, or what its title says: many sellers change the title only.

    Gives: `cancelled`; `postponed`: not on the listed day, and no other day is known; another code says nothing
    """
    code = event.dates.status.code.casefold()
    if code in ("cancelled", "canceled"):
        return "cancelled"
    title = _plain(event.name)
    acts = _spans(title, _acts(event, artist))
    if _says(title, NEW_DATE, acts):
        return "rescheduled"
    if _says(title, CANCELLED, acts):
        return "cancelled"
    if (code == "postponed" or _says(title, POSTPONED, acts)) and not _has_new_day(event, title):
        return "postponed"
    return code


def group_listings(events: Sequence[Event]) -> list[list[Event]]:
    """Groups listings by show: every seller has its own listing, with its own venue.

    Gives: for each show its listings, the most detailed first
    """
    evenings: dict[tuple[dt.date | None, str], list[Event]] = defaultdict(list)
    for event in events:
        city = plain_name(event.venue.city.name) if event.venue else ""
        evenings[event.date, city].append(event)
    shows = []
    for evening in evenings.values():
        groups: list[list[Event]] = []
        # Listings with a time first: one without a time belongs to a show that is there already.
        for event in sorted(evening, key=lambda event: (event.time is None, *_listing_order(event))):
            fitting = next((group for group in groups if _are_close(group[0], event)), None)
            if fitting is None:
                groups.append([event])
            else:
                fitting.append(event)
        shows += [sorted(group, key=_listing_order) for group in groups]
    return shows


def _listing_order(event: Event) -> tuple[bool, bool, str]:
    """The most detailed listing first: listings of resellers have no time zone and fewer details."""
    return not event.dates.timezone, event.id.startswith("Z7r9jZ"), event.id


def _are_close(one: Event, other: Event) -> bool:
    if one.time is None or other.time is None:
        return True
    day = one.date or dt.date.min
    return abs(dt.datetime.combine(day, one.time) - dt.datetime.combine(day, other.time)) < SAME_SHOW_MAX


def _has_new_day(event: Event, title: str) -> bool:
    """Whether the listed day is the new one: it differs from the first one, or the title names it."""
    day, first = event.date, event.dates.initial_start
    if day is None:
        return False
    if event.dates.status.code == "rescheduled" or (first is not None and first.local_date not in ("", str(day))):
        return True
    dates = rf"\b(?:0?{day.day} 0?{day.month}|0?{day.month} 0?{day.day})\b"
    return bool(re.search(dates, title.replace(" | ", " ")))


def _acts(event: Event, artist: str) -> list[str]:
    """The names of the acts. Packages and parking spaces are acts there too, without a link to another service."""
    return [artist, *(act.name for act in event.embedded.attractions if act.mbids or act.spotify_ids)]


def _plain(title: str) -> str:
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", title).casefold())
    text = "".join(char for char in text if not unicodedata.combining(char)).replace("&", " and ")
    text = re.sub(r"['’‘`´.]", lambda sign: " " if sign[0] == "." else "", text)
    # A dash inside a word joins it; elsewhere it separates, as other signs do.
    text = re.sub(r"(?<=\w)[-‐‑](?=\w)|_", " ", text).replace("+", " plus ")
    return " ".join(re.sub(r"[^\w\s]+", " | ", text).split())


def _spans(title: str, names: Iterable[str]) -> Spans:
    """Where the names stand in a title."""
    found: Spans = []
    for name in names:
        words = [word for word in _plain(name).split() if word != "|"]
        words = words[1:] if len(words) > 1 and words[0] == "the" else words
        if words:
            pattern = r"\b" + r"(?: \|)* ".join(map(re.escape, words)) + r"\b"
            found += [match.span() for match in re.finditer(pattern, title)]
    return found


def _says(title: str, words: re.Pattern[str], names: Spans) -> bool:
    """Whether a title has one of the words outside the names."""
    return any(
        not any(start <= match.start() and match.end() <= end for start, end in names)
        for match in words.finditer(title)
    )


def _without(title: str, names: Spans) -> str:
    for start, end in names:
        title = title[:start] + " " * (end - start) + title[end:]
    return title


def _is_beside(part: str) -> bool:
    """Whether a part of a title has only words of something beside a concert."""
    words = [word for word in part.split() if not word.isdigit()]
    known = all(word in BESIDE_ALONE or word in ALONE_WITH for word in words)
    return known and any(word in BESIDE_ALONE for word in words)
