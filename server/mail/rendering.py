"""Letters as plain text and as HTML, from the same lines. Names are other people's words: cleaned, isolated, escaped."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from server.mail.items import Item

NAME_CHARS_MAX = 120
NAMES_LISTED_MAX = 3

# Signs that turn the direction of what follows them, also outside of the name that holds them.
_TURNING = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


class Name(str):
    """A name of an artist, a show, a song or a place, as it is stored."""

    __slots__ = ()


Line = tuple[str, ...]  # plain words and names


@dataclass(frozen=True, slots=True)
class Section:
    """One thing that is said: a heading, lines, a list, and where there is more."""

    heading: Line
    lines: tuple[Line, ...] = ()
    songs: tuple[Line, ...] = ()
    link: str = ""
    subject: Line = field(default=())


def section_of(item: Item, public_url: str) -> Section:
    """What is said about a show."""
    assert item.starts_at is not None
    assert item.time_zone is not None
    where = (Name(item.venue), ", ", Name(item.city))
    when = local_time(item.starts_at, item.time_zone)
    link = f"{public_url}/shows/{item.slug}"
    place: tuple[Line, ...] = ((Name(item.show),), (when,), where)
    if item.kind == "show_announced":
        who = _listed(item.followed)
        verb = " has a new show" if len(item.followed) == 1 else " have a new show"
        return Section((*who, verb), place, link=link, subject=(*who, verb, ": ", Name(item.city), ", ", when))
    if item.kind == "show_reminder":
        subject = (Name(item.artist), " in ", Name(item.city), ": ", when)
        return Section((Name(item.artist), " plays soon"), place, link=link, subject=subject)
    voted = tuple((Name(title),) for title in item.songs)
    heading = ("What fans want to hear from ", Name(item.artist))
    return Section(heading, place, voted, link, (*heading, ", ", Name(item.city)))


def local_time(instant: datetime, time_zone: str) -> str:
    """`Friday 27 November 2026, 20:00 (America/New_York)`; in UTC when this machine does not know the zone."""
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone, time_zone = None, "UTC"
    local = instant.astimezone(zone or UTC)
    return f"{local:%A} {local.day} {local:%B %Y, %H:%M} ({time_zone})"


def one_line(line: Line) -> str:
    """A line as plain text, without any sign that could break it or turn it round."""
    return "".join(_isolated(clean(part)) if isinstance(part, Name) else part for part in line)


def as_text(opening: Iterable[Line], sections: Iterable[Section], closing: Iterable[Line]) -> str:
    """The letter as plain text."""
    blocks = ["\n".join(one_line(line) for line in opening)]
    for section in sections:
        rows = [one_line(section.heading), *(one_line(line) for line in section.lines)]
        rows += [f"{number}. {one_line(song)}" for number, song in enumerate(section.songs, 1)]
        blocks.append("\n".join([*rows, section.link]))
    blocks.append("-- \n" + "\n".join(one_line(line) for line in closing))
    return "\n\n".join(block for block in blocks if block) + "\n"


def as_html(opening: Iterable[Line], sections: Iterable[Section], closing: Iterable[Line]) -> str:
    """The letter as HTML: no pictures, no styles, nothing that is loaded."""
    parts = [f"<p>{_html(line)}</p>" for line in opening]
    for section in sections:
        parts.append(f"<h2>{_html(section.heading)}</h2>")
        parts.append("<p>" + "<br>".join(_html(line) for line in section.lines) + "</p>")
        if section.songs:
            parts.append("<ol>" + "".join(f"<li>{_html(song)}</li>" for song in section.songs) + "</ol>")
        parts.append(f"<p>{_html((section.link,))}</p>")
    parts += ["<hr>", *(f"<p>{_html(line)}</p>" for line in closing)]
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"></head>\n<body>\n{body}\n</body></html>\n'


def clean(name: str) -> str:
    """A name on one line, without control characters and without what turns the direction of writing."""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c for c in name)
    words = " ".join(kept.translate(_TURNING).split())
    return words if len(words) <= NAME_CHARS_MAX else words[: NAME_CHARS_MAX - 1].rstrip() + "…"


def _isolated(name: str) -> str:
    # So that a name from right to left leaves the order of the words around it alone (Unicode Annex 9).
    if any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for char in name):
        return f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}"
    return name


def _listed(names: list[str]) -> Line:
    if len(names) > NAMES_LISTED_MAX:
        return (Name(names[0]), f" and {len(names) - 1} more")
    line: list[str] = []
    for number, name in enumerate(names):
        if number:
            line.append(" and " if number == len(names) - 1 else ", ")
        line.append(Name(name))
    return tuple(line)


def _html(line: Line) -> str:
    def shown(part: str) -> str:
        if isinstance(part, Name):
            return f"<bdi>{html.escape(clean(part))}</bdi>"
        if part.startswith(("http://", "https://")):
            return f'<a href="{html.escape(part)}">{html.escape(part)}</a>'
        return html.escape(part)

    return "".join(shown(part) for part in line)
