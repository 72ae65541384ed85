"""Renders emails as plain text and as HTML from the same lines. Names are untrusted: cleaned, isolated and escaped."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from server.mail.items import EmailItem

NAME_CHARS_MAX = 120
NAMES_LISTED_MAX = 3

# Characters that change the direction of the text after them, also outside of the name.
_DIRECTION_MARKS = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


class Name(str):
    """The stored name of an artist, show, song or place."""

    __slots__ = ()


Line = tuple[str, ...]  # plain text and names


@dataclass(frozen=True, slots=True)
class Section:
    """A section about one show: a heading, lines, a list of songs, and a link.

    `subject` is the subject of an email that has only this section.
    """

    heading: Line
    lines: tuple[Line, ...] = ()
    songs: tuple[Line, ...] = ()
    link: str = ""
    subject: Line = field(default=())


def section_of(item: EmailItem, public_url: str) -> Section:
    """Builds the section of an item."""
    assert item.starts_at is not None
    assert item.time_zone is not None
    where = (Name(item.venue), ", ", Name(item.city))
    when = local_time(item.starts_at, item.time_zone)
    link = f"{public_url}/shows/{item.slug}"
    subject: Line
    lines: tuple[Line, ...] = ((Name(item.show),), (when,), where)
    if item.change == "cancelled":
        subject = (Name(item.artist), " in ", Name(item.city), " is cancelled: ", when)
        lines = (lines[0], ("It was planned for ", when, "."), where)
        return Section((Name(item.artist), " does not play: the show is cancelled"), lines, link=link, subject=subject)
    if item.change:
        subject = (Name(item.artist), " in ", Name(item.city), " has a new date: ", when)
        lines = (lines[0], ("It is now on ", when, "."), where, ("Your votes stay.",))
        return Section((Name(item.artist), " plays on another day"), lines, link=link, subject=subject)
    if item.kind == "show_announced":
        artists = _joined_names(item.followed)
        verb = " has a new show" if len(item.followed) == 1 else " have a new show"
        return Section((*artists, verb), lines, link=link, subject=(*artists, verb, ": ", Name(item.city), ", ", when))
    if item.kind == "show_reminder":
        subject = (Name(item.artist), " in ", Name(item.city), ": ", when)
        return Section((Name(item.artist), " plays soon"), lines, link=link, subject=subject)
    voted = tuple((Name(title),) for title in item.songs)
    heading = ("What fans want to hear from ", Name(item.artist))
    return Section(heading, lines, voted, link, (*heading, ", ", Name(item.city)))


def local_time(instant: datetime, time_zone: str) -> str:
    """Formats `Friday 27 November 2026, 20:00 (America/New_York)`, or in UTC if this machine does not know the zone."""
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone, time_zone = None, "UTC"
    local = instant.astimezone(zone or UTC)
    return f"{local:%A} {local.day} {local:%B %Y, %H:%M} ({time_zone})"


def single_line(line: Line) -> str:
    """Renders a line as plain text, without characters that break the line or change its direction."""
    return "".join(_isolated(clean(part)) if isinstance(part, Name) else part for part in line)


def render_text(opening: Iterable[Line], sections: Iterable[Section], closing: Iterable[Line]) -> str:
    """Renders an email as plain text."""
    blocks = ["\n".join(single_line(line) for line in opening)]
    for section in sections:
        rows = [single_line(section.heading), *(single_line(line) for line in section.lines)]
        rows += [f"{number}. {single_line(song)}" for number, song in enumerate(section.songs, 1)]
        blocks.append("\n".join([*rows, section.link]))
    blocks.append("-- \n" + "\n".join(single_line(line) for line in closing))
    return "\n\n".join(block for block in blocks if block) + "\n"


def render_html(opening: Iterable[Line], sections: Iterable[Section], closing: Iterable[Line]) -> str:
    """Renders an email as HTML without images, styles or anything else to load."""
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
    """Gives a name on one line, without control characters and direction marks, cut to NAME_CHARS_MAX."""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c for c in name)
    words = " ".join(kept.translate(_DIRECTION_MARKS).split())
    return words if len(words) <= NAME_CHARS_MAX else words[: NAME_CHARS_MAX - 1].rstrip() + "…"


def _isolated(name: str) -> str:
    # A right-to-left name must not change the order of the words around it (Unicode Annex 9).
    if any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for char in name):
        return f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}"
    return name


def _joined_names(names: list[str]) -> Line:
    if len(names) > NAMES_LISTED_MAX:
        return (Name(names[0]), f" and {len(names) - 1} more")
    line: list[str] = []
    for number, name in enumerate(names):
        if number:
            line.append(" and " if number == len(names) - 1 else ", ")
        line.append(Name(name))
    return tuple(line)


def _html(line: Line) -> str:
    def render(part: str) -> str:
        if isinstance(part, Name):
            return f"<bdi>{html.escape(clean(part))}</bdi>"
        if part.startswith(("http://", "https://")):
            return f'<a href="{html.escape(part)}">{html.escape(part)}</a>'
        return html.escape(part)

    return "".join(render(part) for part in line)
