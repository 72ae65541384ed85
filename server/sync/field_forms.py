"""The forms in which people write a field of a file, and the sentence that says what was found beside what is wanted."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from server.protocol.time_zones import canonical_zone

LIST_SEPARATOR = ";"

# What a field wants. Fields that are texts of any kind need no entry.
_WANTED = {
    "name": "a name of 1 to 200 characters",
    "title": "a title of 1 to 300 characters",
    "city": "the name of a city, 1 to 120 characters",
    "slug": "lower-case letters, digits and single hyphens, such as grand-hall-leeds; digits alone are an id",
    "show": "the slug of a show: lower-case letters, digits and single hyphens; digits alone are an id",
    "artist": "the slug or the name of an artist",
    "venue": "the slug or the name of a venue",
    "by": "the slug or the name of an artist",
    "country": "the two letters of a country, such as DE",
    "latitude": "degrees from -90 to 90, such as 51.5; decimals take a point",
    "longitude": "degrees from -180 to 180, such as -0.12; decimals take a point",
    "time_zone": "an IANA time zone, such as Europe/Paris",
    "capacity": "a whole number from 1, such as 2000",
    "date": "the date as year-month-day, such as 2027-04-27",
    "time": "the local time as hours:minutes, such as 20:00",
    "opens_at": "a time such as 2027-04-27T20:00:00Z, or without Z or offset the local time at the show",
    "closes_at": "a time such as 2027-04-27T20:00:00Z, or without Z or offset the local time at the show",
    "votes_per_user_max": "a whole number from 1 to 1000000",
    "status": "upcoming, live, finished or cancelled",
    "type": "predicted or actual",
    "set": "the number of the set, from 1 to 1000; an encore has its word in `kind`",
    "kind": "main, encore or alternate",
    "is_tape": "yes or no",
    "medley": "a number from 1 to 1000 that the songs of one medley share",
    "note": "a text of at most 200 characters",
    "songs": "titles of 1 to 300 characters",
    "supports": "slugs or names of artists",
    "genre": "a text of at most 80 characters",
    "region": "a text of at most 80 characters",
}
_YES_NO = {"true": True, "yes": True, "y": True, "1": True, "false": False, "no": False, "n": False, "0": False}
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]00:00(?::00(?:\.0+)?)?")
# With the offset, for the hour that the clocks show twice.
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::00)?(?: ?([ap])\.?m\.?)?([+-]\d{2}:\d{2})?", re.IGNORECASE)
_HOUR = re.compile(r"(\d{1,2})() ?([ap])\.?m\.?()", re.IGNORECASE)


def in_stored_form(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record in the forms that records have; a text in another form stays, and is refused."""
    return {
        name: _FORMS[name](value.strip()) if name in _FORMS and isinstance(value, str) else value
        for name, value in given.items()
    }


def split_list(text: str) -> list[str]:
    r"""The items of a list in one cell; `\;` is a semicolon within an item."""
    parts = re.split(r"(?<!\\);|[\r\n]+", text)
    return [part.replace(r"\;", LIST_SEPARATOR).strip() for part in parts if part.strip()]


def explain(error: Exception, stage: str, given: Any) -> str:
    """Why a record is refused: what was found, and what is wanted.

    Takes: given, the record as it was decoded
    """
    rule, _, path = str(error).rpartition(" - at `$")
    if not rule:
        rule, path = path, ""
    path = path.removesuffix("`").removeprefix(".")
    named = re.fullmatch(r"Object (missing required|contains unknown) field `(.+)`", rule, re.DOTALL)
    if named is not None:
        field = f"{path}.{named[2]}" if path else named[2]
        if named[1] == "missing required":
            return f"`{field}` is missing or empty; give {_WANTED.get(named[2], 'it')}"
        return f"`{field}` is no field of {stage}; remove it"
    if not path:
        return rule if isinstance(given, dict) else f"{_shown(given)} stands where an object is wanted"
    name = re.split(r"[.\[]", re.sub(r"\[[^\]]*\]$", "", path))[-1]
    found = f"`{path}` is {_shown(_value_at(given, path))}"
    return f"{found}; give {_WANTED[name]}" if name in _WANTED else f"{found}: {rule[:1].lower()}{rule[1:]}"


def _value_at(given: Any, path: str) -> Any:
    for name, number in re.findall(r"(\w+)|\[(\d+)\]", path):
        try:
            given = given[name] if name else given[int(number)]
        except (KeyError, IndexError, TypeError):
            return None
    return given


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"`{text}`" if len(text) <= 80 else f"`{text[:79]}…`"


def _date(text: str) -> str:
    """A spreadsheet adds midnight to a day."""
    match = _DAY.fullmatch(text)
    return match[1] if match is not None else text


def _time(text: str) -> str:
    """`9:30`, `20:00:00`, `8:00 PM` and `8 pm` as hours:minutes."""
    match = _TIME.fullmatch(text) or _HOUR.fullmatch(text)
    if match is None:
        return text
    hour, minute, half, offset = int(match[1]), match[2] or "00", match[3], match[4] or ""
    if half is not None:
        if not 1 <= hour <= 12:
            return text
        hour = hour % 12 + (12 if half in "pP" else 0)
    return f"{hour:02}:{minute}{offset}"


def _instant(text: str) -> str:
    """A day alone is no instant, although a parser may take it for midnight."""
    try:
        return dt.datetime.fromisoformat(text).isoformat() if len(text) > len("2027-04-27") else text
    except ValueError:
        return text


def _yes_no(text: str) -> bool | str:
    return _YES_NO.get(text.lower(), text)


_FORMS: dict[str, Callable[[str], Any]] = {
    "date": _date,
    "time": _time,
    "opens_at": _instant,
    "closes_at": _instant,
    "country": str.upper,
    "time_zone": lambda text: canonical_zone(text) or text,
    "is_tape": _yes_no,
}
