"""The head of a page: what its tab, a search engine and a messenger say about it before any script runs."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import msgspec
from babel.dates import format_date

from server.catalog.documents import Artist, Show, ShowItem, Song, Venue
from server.protocol.service import SERVICE
from server.web import structured_data
from server.words.texts import Language

Subject = Literal["show", "artist", "venue", "song"]
SUBJECTS: tuple[Subject, ...] = ("show", "artist", "venue", "song")

CARD_SIZE = (1200, 630)  # what messengers show without cutting it
PLAIN_CARD = "/static/card.png"  # for a page that is about no single thing

_TITLE = re.compile(r"<title>[^<]*</title>")
_DESCRIPTION = re.compile(r'<meta name="description" content="[^"]*">')


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of one page.

    Takes: title, without the name of the service, empty: its name alone; path, of the page's one address; kind, as Open Graph
           has it; data, for search engines (schema.org); card, the path of its picture, and card_text, which says what is on it,
           empty: the name of the service;
           feed, the path of its calendar, and feed_title, its name
    """

    title: str
    description: str
    path: str
    data: dict[str, Any]
    kind: str = "website"
    card: str = PLAIN_CARD
    card_text: str = ""
    feed: str = ""
    feed_title: str = ""


def with_head(text: str, head: Head, base: str, service: str = SERVICE) -> str:
    """The HTML of a page with this head.

    Takes: base, the address of the service, which a client may have made up; service, its name, or that of a brand
    """
    title = f"{head.title} | {service}" if head.title else service
    address = f"{base}{head.path}"
    lines = [
        f'<link rel="canonical" href="{html.escape(address)}">',
        *_properties({
            "og:title": head.title or service, "og:description": head.description, "og:type": head.kind, "og:url": address,
            "og:site_name": service,
        }),
    ]  # fmt: skip
    if head.feed:
        lines.append(
            f'<link rel="alternate" type="text/calendar" href="{html.escape(head.feed)}" title="{html.escape(head.feed_title)}">'
        )
    text = with_title(text, title)
    description = f'<meta name="description" content="{html.escape(head.description)}">'
    text = with_picture(
        _in_head(_DESCRIPTION.sub(lambda _: description, text, count=1), lines),
        base,
        head.card_text or service,
        head.card,
    )
    return _at_end(text, f'<script type="application/ld+json">{_script_text(head.data)}</script>')


def with_picture(text: str, base: str, card_text: str, card: str = PLAIN_CARD) -> str:
    """The HTML of a page with the picture that messengers show for it. Takes: base as with_head; card and card_text as Head."""
    width, height = CARD_SIZE
    lines = [
        *_properties({
            "og:image": f"{base}{card}", "og:image:type": "image/png", "og:image:width": str(width),
            "og:image:height": str(height), "og:image:alt": card_text,
        }),
        # X takes the title, the description and the picture from the properties of Open Graph.
        '<meta name="twitter:card" content="summary_large_image">',
    ]  # fmt: skip
    return _in_head(text, lines)


def with_title(text: str, title: str) -> str:
    """The HTML of a page with this title."""
    return _TITLE.sub(lambda _: f"<title>{html.escape(title)}</title>", text, count=1)


def with_document(text: str, name: str, document: object) -> str:
    """The HTML of a page with a document of the API, which the page's script reads by this id."""
    return _at_end(text, f'<script type="application/json" id="{name}">{_script_text(document)}</script>')


def _properties(values: dict[str, str]) -> list[str]:
    return [f'<meta property="{name}" content="{html.escape(value)}">' for name, value in values.items()]


def _script_text(document: object) -> str:
    # "<" would end the script element; as an escape it is the same JSON.
    return msgspec.json.encode(document).decode().replace("<", "\\u003c")


def _in_head(text: str, lines: list[str]) -> str:
    before, end, after = text.partition("</head>")
    return "\n".join([before, *lines]) + f"\n{end}{after}"


def _at_end(text: str, more: str) -> str:
    """After what can be seen already: a slow phone draws that while the data still comes."""
    before, end, after = text.rpartition("</body>")
    return f"{before}{more}{end}{after}"


# ─────────────────────────────────────────────────────────────────── the pages


def head_of_home(base: str, service: str, words: Language) -> Head:
    """The head of the page with the list of shows."""
    return Head(
        title="",
        description=words.text("home-description"),
        path="/",
        data=structured_data.of_service(service, base),
    )


def head_of_show(show: Show, base: str, words: Language) -> Head:
    """The head of the page of a show. It tells no counts: an embargo may hide them."""
    card, card_text = picture_of_show(show, words)
    description = describe_show(show, words)
    return Head(
        title=title_of_show(show),
        description=description,
        path=f"/shows/{show['slug']}",
        data=structured_data.of_show(show, base, words, description=description, card=card),
        card=card,
        card_text=card_text,
    )


def picture_of_show(show: Show, words: Language) -> tuple[str, str]:
    """The path of a show's picture, and what is on it."""
    text = f"{title_of_show(show)}, {show['venue']['city']}, {day_text(show['local_date'], words)}"
    return f"/shows/{show['slug']}/card.png", text


def head_of_artist(artist: Artist, base: str, words: Language) -> Head:
    """The head of the page of an artist."""
    name, shows, path = artist["name"], artist["shows"], f"/artists/{artist['slug']}"
    return Head(
        title=name,
        description=(
            words.text(
                "head-artist-next", artist=name, place=_place(shows[0]), date=day_text(shows[0]["local_date"], words)
            )
            if shows
            else words.text("head-artist", artist=name)
        ),
        path=path,
        kind="profile",
        data=structured_data.of_artist(artist, base, words),
        card=f"{path}/card.png",
        card_text=name,
        feed=f"{path}.ics?lang={words.tag}",
        feed_title=words.text("head-calendar"),
    )


def head_of_venue(venue: Venue, base: str, words: Language) -> Head:
    """The head of the page of a venue."""
    where = {"venue": venue["name"], "city": venue["city"]}
    shows = venue["shows"]
    if shows:
        next_one = {"artist": shows[0]["artist"]["name"], "date": day_text(shows[0]["local_date"], words)}
        description = words.text("head-venue-next", **where, **next_one)
    else:
        description = words.text("head-venue", **where)
    return Head(
        title=f"{venue['name']}, {venue['city']}",
        description=description,
        path=f"/venues/{venue['slug']}",
        kind="place",
        data=structured_data.of_venue(venue, base, words),
        card=f"/venues/{venue['slug']}/card.png",
        card_text=f"{venue['name']}, {venue['city']}",
    )


def head_of_song(song: Song, base: str, words: Language) -> Head:
    """The head of the page of a song."""
    artist = song["artist"]["name"]
    return Head(
        title=f"{song['title']}, {artist}",
        description=words.text("head-song", title=song["title"], artist=artist),
        path=f"/songs/{song['id']}",
        kind="music.song",
        data=structured_data.of_song(song, base),
        card=f"/songs/{song['id']}/card.png",
        card_text=f"{song['title']}, {artist}",
    )


def title_of_show(show: ShowItem) -> str:
    """What a show is called: its artist and its venue."""
    return f"{show['artist']['name']}, {show['venue']['name']}"


def describe_show(show: ShowItem, words: Language) -> str:
    """One or two sentences about a show."""
    values = {
        "artist": show["artist"]["name"],
        "place": _place(show),
        "date": day_text(show["local_date"], words),
    }
    match show["status"]:
        case "cancelled":
            return words.text("head-show-cancelled", **values)
        case "finished":
            return words.text("head-show-finished", **values)
        case _:
            return words.text("head-show", **values)


def day_text(local_date: str, words: Language) -> str:
    """A date as people write it: 24 November 2026."""
    return format_date(date.fromisoformat(local_date), words.text("head-date-pattern"), locale=words.locale)


def _place(show: ShowItem) -> str:
    return f"{show['venue']['name']}, {show['venue']['city']}"
