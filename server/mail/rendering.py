"""Renders emails as plain text and as HTML from the same lines. Names are untrusted: cleaned, isolated and escaped."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_datetime
from babel.lists import format_list

from server.mail.items import EmailItem
from server.protocol.show_names import own_name
from server.words.texts import Language

NAME_CHARS_MAX = 120
# A phone shows letters as large as other texts, and a dark one shows them dark.
_META = '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
# Links have tokens of hundreds of letters: one that is not broken makes the whole letter as wide.
_FRAME = (
    '<div style="max-width:36em;margin:0 auto;font:16px/1.5 sans-serif;overflow-wrap:anywhere;word-break:break-word">'
)
NAMES_LISTED_MAX = 3

# Characters that change the direction of the text after them, also outside of the name.
_DIRECTION_MARKS = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


class Link(str):
    """A line that is an address of this service."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A section about one show: a heading, lines, a list of songs, and a link.

    `subject` is the subject of an email that has only this section.
    """

    heading: str
    subject: str
    lines: tuple[str, ...]
    songs: tuple[str, ...]
    link: Link


class Look(NamedTuple):
    """The name and the colours of a brand; a brand without colours has None. Its texts can be read on its ground."""

    name: str
    ground: str | None
    text: str | None
    accent: str | None


def section_of(item: EmailItem, public_url: str, words: Language) -> Section:
    """Builds the section of an item, in a language."""
    assert item.starts_at is not None
    assert item.time_zone is not None
    show, artist, venue, city = (clean(name or "") for name in (item.show, item.artist, item.venue, item.city))
    when = local_time(item.starts_at, item.time_zone, words)
    where = words.text("letter-where", venue=venue, city=city)
    more: tuple[str, ...] = ()
    if item.change == "cancelled":
        heading = words.text("letter-cancelled-heading", artist=artist)
        subject = words.text("letter-cancelled-subject", artist=artist, city=city, when=when)
        when = words.text("letter-cancelled-when", when=when)
    elif item.change:
        heading = words.text("letter-moved-heading", artist=artist)
        subject = words.text("letter-moved-subject", artist=artist, city=city, when=when)
        when, more = words.text("letter-moved-when", when=when), (words.text("letter-moved-votes"),)
    elif item.kind == "show_announced":
        artists, count = _joined_names(item.followed, words), len(item.followed)
        heading = words.text("letter-announced-heading", artists=artists, count=count)
        subject = words.text("letter-announced-subject", artists=artists, count=count, city=city, when=when)
    elif item.kind == "show_reminder":
        heading = words.text("letter-reminder-heading", artist=artist)
        subject = words.text("letter-reminder-subject", artist=artist, city=city, when=when)
    else:
        heading = words.text("letter-result-heading", artist=artist)
        subject = words.text("letter-result-subject", artist=artist, city=city)
    songs = tuple(words.isolated(clean(title)) for title in item.songs) if item.kind == "show_result" else ()
    named = own_name(show, artist, venue)
    lines = (*([words.isolated(named)] if named else []), when, where, *more)
    return Section(heading, subject, lines, songs, Link(f"{public_url}/shows/{item.slug}"))


def local_time(instant: datetime, time_zone: str, words: Language) -> str:
    """Formats `Friday 27 November 2026, 20:00 (America/New York)`, or in UTC if this machine does not know the zone."""
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone, time_zone = None, "UTC"
    local = instant.astimezone(zone or UTC).replace(tzinfo=None)
    date = format_datetime(local, words.text("letter-date-pattern"), locale=words.locale)
    return words.text("letter-when", date=date, zone=time_zone.replace("_", " "))


def render_text(opening: Iterable[str], sections: Iterable[Section], closing: Iterable[str]) -> str:
    """Renders an email as plain text."""
    blocks = ["\n".join(opening)]
    for section in sections:
        songs = [f"{number}. {song}" for number, song in enumerate(section.songs, 1)]
        blocks.append("\n".join([section.heading, *section.lines, *songs, section.link]))
    blocks.append("-- \n" + "\n".join(closing))
    return "\n\n".join(block for block in blocks if block) + "\n"


def render_html(
    opening: Iterable[str],
    sections: Iterable[Section],
    closing: Iterable[str],
    words: Language,
    look: Look | None = None,
) -> str:
    """Renders an email as HTML without images or anything else to load, and without colours but those of a brand."""
    parts = [f"<p>{_html(line)}</p>" for line in opening]
    for section in sections:
        parts.append(f"<h2>{_html(section.heading)}</h2>")
        parts.append("<p>" + "<br>".join(_html(line) for line in section.lines) + "</p>")
        if section.songs:
            parts.append("<ol>" + "".join(f"<li>{_html(song)}</li>" for song in section.songs) + "</ol>")
        parts.append(f"<p>{_html(section.link)}</p>")
    parts += ["<hr>", *(f"<p>{_html(line)}</p>" for line in closing)]
    body = "\n".join(parts)
    if look is not None:
        body = _in_look(body, look)
    head = f'<html lang="{words.tag}" dir="{words.direction}"><head><meta charset="utf-8">{_META}</head>'
    return f"<!doctype html>\n{head}\n<body>\n{_FRAME}\n{body}\n</div>\n</body></html>\n"


def _in_look(body: str, look: Look) -> str:
    name = f"<strong>{html.escape(look.name)}</strong>"
    if look.ground is None:
        return f"<p>{name}</p>\n{body}"
    coloured = body.replace("<a href", f'<a style="color:{look.accent}" href')
    return (
        f'<div style="padding:16px;background:{look.ground};color:{look.text}">\n'
        f'<p style="color:{look.accent}">{name}</p>\n{coloured}\n</div>'
    )


def clean(name: str) -> str:
    """Gives a name on one line, without control characters and direction marks, cut to NAME_CHARS_MAX."""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c for c in name)
    words = " ".join(kept.translate(_DIRECTION_MARKS).split())
    return words if len(words) <= NAME_CHARS_MAX else words[: NAME_CHARS_MAX - 1].rstrip() + "…"


def _joined_names(names: list[str], words: Language) -> str:
    if len(names) > NAMES_LISTED_MAX:
        return words.text("letter-artists-more", artist=clean(names[0]), count=len(names) - 1)
    if len(names) == 1:
        return clean(names[0])  # the sentence isolates it
    return format_list([words.isolated(clean(name)) for name in names], locale=words.locale)


def _html(line: str) -> str:
    text = html.escape(line)
    if isinstance(line, Link):
        return f'<a href="{text}">{text}</a>'
    # Names have no such characters of their own (`clean`).
    return text.replace("\N{FIRST STRONG ISOLATE}", "<bdi>").replace("\N{POP DIRECTIONAL ISOLATE}", "</bdi>")
