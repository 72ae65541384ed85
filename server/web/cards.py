"""Serves pictures for messengers: of a show (`/shows/{show}/card.png`), an artist, a venue, a song.

A separate process draws each picture. So drawing takes neither the event loop nor the interpreter from the votes of this node.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import structlog
from aiohttp import web

from server.catalog.brand_colours import bar_of, variables_of
from server.catalog.brands import Brand, KnownBrands
from server.catalog.documents import Artist, Show, Song, Venue
from server.clock import Clock
from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.http.endpoints import Call, Handler
from server.protocol.service import SERVICE
from server.store.turns import Turns, client_of
from server.web.brands import service_of
from server.web.card import Card, CardColours, CardSong
from server.web.heads import SUBJECTS, Subject, day_text
from server.web.identity import AddressOf
from server.web.revalidation import revalidated
from server.words.texts import DEFAULT_LANGUAGE, shipped

log = structlog.get_logger()

SONGS_MAX = 3
KEPT_MAX = 200  # pictures of about 40 kB each
KEPT_S = 60
DRAWN_AT_ONCE_MAX = 1
WAITING_MAX = 50
DRAWING_S_MAX = 10.0
_RETRY_AFTER_MS = 5_000
_COMMAND = (sys.executable, "-P", "-m", "server.web.card_drawing")
_BADGES = {"upcoming": "", "live": "Live now", "finished": "The result", "cancelled": "Cancelled"}


@dataclass(frozen=True, slots=True)
class _Picture:
    body: bytes
    card: Card
    revision: int
    drawn_s: float


_Key = tuple[Subject, int, tuple[int, int]]


class Cards:
    """The pictures that were drawn last, and their routes.

    Takes: handlers, of `GET /api/shows/{show}`, `GET /api/artists/{artist}` and so on; address_of, a request's address;
           known_brands, the brands; plain, a PNG without words, for when no picture can be drawn
    """

    def __init__(
        self,
        handlers: Mapping[Subject, Handler],
        address_of: AddressOf,
        clock: Clock,
        known_brands: KnownBrands,
        plain: bytes,
    ) -> None:
        self._handlers = handlers
        self._address_of = address_of
        self._clock = clock
        self._known_brands = known_brands
        self._plain = plain
        # Subject, its id, the brand's id and revision (0 and 0: the service) -> picture; the picture used last is last.
        self._kept: OrderedDict[_Key, _Picture] = OrderedDict()
        self._turns = Turns("cards", DRAWN_AT_ONCE_MAX, waiting_max=WAITING_MAX)

    def routes(self) -> list[web.AbstractRouteDef]:
        """Routes for the router of the web application."""
        return [web.get(f"/{subject}s/{{{subject}}}/card.png", partial(self.get_card, subject)) for subject in SUBJECTS]

    async def get_card(self, subject: Subject, request: web.Request) -> web.Response:
        """`GET /shows/{show}/card.png`, …: everybody gets what a reader without an account may see."""
        address = self._address_of(request)
        document = (await self._handlers[subject](Call(path=request.match_info, address=address))).document
        brand = self._known_brands.of_host(request.host)
        service = service_of(brand)
        card = CARDS[subject](document, service)
        key: _Key = (subject, document["id"], (0, 0))
        if brand is not None:
            card = msgspec.structs.replace(card, colours=colours_of(brand))
            key = (subject, document["id"], (brand.id, brand.revision))
        # Only a show has a revision: it grows with every change but votes.
        revision = document.get("revision", 0)
        picture = self._fresh(key, card, revision)
        if picture is None:
            try:
                async with self._turns.turn(client_of(None, address)):
                    # Another request may have had it drawn meanwhile.
                    picture = self._fresh(key, card, revision) or await self._draw(key, card, revision)
            except Refused as error:
                if error.code not in (Code.OVERLOADED, Code.UNAVAILABLE):
                    raise
                return revalidated(request, self._stand_in(key, revision), "image/png", cache_control="no-cache")
        return revalidated(request, picture.body, "image/png", cache_control=f"public, max-age={KEPT_S}")

    def _fresh(self, key: _Key, card: Card, revision: int) -> _Picture | None:
        """The kept picture, while it is fresh. A change of the show ends it at once, a change of only the counts after a minute."""
        kept = self._kept.get(key)
        if kept is None or kept.revision != revision:
            return None
        if kept.card != card and self._clock.monotonic_s() - kept.drawn_s >= KEPT_S:
            return None
        self._kept.move_to_end(key)
        return kept

    def _stand_in(self, key: _Key, revision: int) -> bytes:
        """The picture to send when none can be drawn: the kept one with older counts, or the plain one when the show has changed."""
        kept = self._kept.get(key)
        return self._plain if kept is None or kept.revision != revision else kept.body

    async def _draw(self, key: _Key, card: Card, revision: int) -> _Picture:
        drawing = asyncio.create_task(asyncio.to_thread(draw, card), name="card")
        try:
            body = await asyncio.shield(drawing)
        except asyncio.CancelledError:
            # The client has left, but its thread draws on. It keeps its turn until then: no others may draw beside it.
            await asyncio.wait([drawing])
            raise
        picture = _Picture(body, card, revision, self._clock.monotonic_s())
        self._kept[key] = picture
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return picture


def colours_of(brand: Brand) -> CardColours:
    """The colours of a brand's pictures: the dark ones, else the light ones; those of the service when it has neither."""
    scheme = brand.colours.dark or brand.colours.light
    if scheme is None:
        return CardColours()
    variables = variables_of(scheme)
    return CardColours(
        ground=scheme.ground,
        surface=scheme.surface,
        text=scheme.text,
        muted=variables["--muted"],
        accent=scheme.accent,
        ink=variables["--accent-ink"],
        bar=bar_of("light" if brand.colours.dark is None else "dark", scheme),
    )


def card_of_show(show: Show, service: str = SERVICE) -> Card:
    """The words of a show's picture, with the songs that have most votes when the reader may see the counts."""
    songs = [
        (count, song["title"])
        for setlist in show["setlists"]
        if setlist["type"] == "predicted"
        for song in setlist["songs"]
        if (count := song["up"])
    ]
    best = sorted(songs, key=lambda found: -found[0])[:SONGS_MAX]
    return Card(
        service=service,
        heading=show["artist"]["name"],
        place=f"{show['venue']['name']}, {show['venue']['city']}",
        day=day_text(show["local_date"], shipped().language(DEFAULT_LANGUAGE)),
        badge=_BADGES[show["status"]],
        invitation="" if best or show["status"] in ("finished", "cancelled") else "Vote on the songs of the setlist",
        songs=_card_songs(best),
    )


def card_of_artist(artist: Artist, service: str) -> Card:
    """The words of an artist's picture: the next show, and the songs played most often."""
    show = next(iter(artist["shows"]), None)
    played = [(song["played_count"], song["title"]) for song in artist["songs"] if song["played_count"]]
    return Card(
        service=service,
        heading=artist["name"],
        place=f"{show['venue']['name']}, {show['venue']['city']}" if show else artist["genre"],
        day=day_text(show["local_date"], shipped().language(DEFAULT_LANGUAGE)) if show else "",
        badge="Most played" if played else "",
        invitation="",
        songs=_card_songs(played),
    )


def card_of_venue(venue: Venue, service: str) -> Card:
    """The words of a venue's picture: its city and country, and its next show."""
    show = next(iter(venue["shows"]), None)
    return Card(
        service=service,
        heading=venue["name"],
        place=", ".join(filter(None, (venue["city"], venue["region"], venue["country"]))),
        day=f"{show['artist']['name']}, {day_text(show['local_date'], shipped().language(DEFAULT_LANGUAGE))}"
        if show
        else "",
        badge="",
        invitation="",
        songs=[],
    )


def card_of_song(song: Song, service: str) -> Card:
    """The words of a song's picture: its artist, and the artists that play it most often."""
    played = [(artist["played_count"], artist["name"]) for artist in song["artists"] if artist["played_count"]]
    return Card(
        service=service,
        heading=song["title"],
        place=song["artist"]["name"],
        day="",
        badge="Played by" if played else "",
        invitation="",
        songs=_card_songs(played),
    )


CARDS: Mapping[Subject, Callable[[Any, str], Card]] = {
    "show": card_of_show,
    "artist": card_of_artist,
    "venue": card_of_venue,
    "song": card_of_song,
}


def _card_songs(counted: Sequence[tuple[int, str]]) -> list[CardSong]:
    """The first counts as bars. Takes: counted, the greatest first."""
    return [
        CardSong(title=title, count=f"{count:,}", share=count / counted[0][0]) for count, title in counted[:SONGS_MAX]
    ]


def draw(card: Card) -> bytes:
    """Draws a card as PNG in a separate process; blocks until the picture is done.

    Raises: Refused: unavailable
    """
    try:
        done = subprocess.run(
            _COMMAND, input=msgspec.json.encode(card), capture_output=True, timeout=DRAWING_S_MAX, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or b""
        log.warning("card.failed", reason=str(error), said=said.decode(errors="replace")[-500:])
        raise Refused(
            Code.UNAVAILABLE, "The picture cannot be drawn now. Try again.", retry_after_ms=_RETRY_AFTER_MS
        ) from error
    return done.stdout
