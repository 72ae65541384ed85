"""Serves a picture of a show for messengers: `/shows/{show}/card.png`.

A process of its own draws it, so that drawing takes neither the event loop nor the interpreter from the votes of this node.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import OrderedDict
from dataclasses import dataclass

import msgspec
import structlog
from aiohttp import web

from server.catalog.brands import KnownBrands
from server.catalog.documents import SetlistSong, Show
from server.clock import Clock
from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.http.endpoints import Call, Handler
from server.store.turns import Turns, client_of
from server.web.card import Card, CardSong
from server.web.heads import SERVICE, day_text
from server.web.identity import AddressOf
from server.web.revalidation import revalidated

log = structlog.get_logger()

SONGS_MAX = 3
KEPT_MAX = 200  # of about 40 kB
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
    revision: int
    at: int
    drawn_s: float


class Cards:
    """The pictures that were drawn last, and their route.

    Takes: get_show, the handler of `GET /api/shows/{show}`; address_of, a request's address; known_brands, the brands
    """

    def __init__(self, get_show: Handler, address_of: AddressOf, clock: Clock, known_brands: KnownBrands) -> None:
        self._get_show = get_show
        self._address_of = address_of
        self._clock = clock
        self._known_brands = known_brands
        # Show and name of the service or brand -> picture; the one asked for last is the last one.
        self._kept: OrderedDict[tuple[int, str], _Picture] = OrderedDict()
        self._turns = Turns("cards", DRAWN_AT_ONCE_MAX, waiting_max=WAITING_MAX)

    def routes(self) -> list[web.AbstractRouteDef]:
        """Routes for the router of the web application."""
        return [web.get("/shows/{show}/card.png", self.get_card)]

    async def get_card(self, request: web.Request) -> web.Response:
        """`GET /shows/{show}/card.png`: as a reader without an account may see the show, whoever asks."""
        address = self._address_of(request)
        show: Show = (await self._get_show(Call(path=request.match_info, address=address))).document
        brand = self._known_brands.of_host(request.host)
        service = SERVICE if brand is None else brand.name
        picture = self._fresh(show, service)
        if picture is None:
            async with self._turns.turn(client_of(None, address)):
                # Another request may have had it drawn meanwhile.
                picture = self._fresh(show, service) or await self._draw(show, service)
        return revalidated(request, picture.body, "image/png", cache_control=f"public, max-age={KEPT_S}")

    def _fresh(self, show: Show, service: str) -> _Picture | None:
        """The kept picture. A change of the show ends it at once; newer votes alone, after a minute."""
        kept = self._kept.get((show["id"], service))
        if kept is None or kept.revision != show["revision"]:
            return None
        if kept.at != show["at"] and self._clock.monotonic_s() - kept.drawn_s >= KEPT_S:
            return None
        self._kept.move_to_end((show["id"], service))
        return kept

    async def _draw(self, show: Show, service: str) -> _Picture:
        body = await asyncio.to_thread(draw, card_of(show, service))
        picture = _Picture(body, show["revision"], show["at"], self._clock.monotonic_s())
        self._kept[show["id"], service] = picture
        self._kept.move_to_end((show["id"], service))
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return picture


def card_of(show: Show, service: str = SERVICE) -> Card:
    """What the picture of a show says: with the songs that have most votes, when the reader may see the counts."""
    songs = [
        (song["up"], song)
        for setlist in show["setlists"]
        if setlist["type"] == "predicted"
        for song in setlist["songs"]
        if song["up"]
    ]
    best = sorted(songs, key=lambda found: (-(found[0] or 0), found[1]["position"]))[:SONGS_MAX]
    most = best[0][0] if best else 0
    return Card(
        service=service,
        heading=show["artist"]["name"],
        place=f"{show['venue']['name']}, {show['venue']['city']}",
        day=day_text(show["local_date"]),
        badge=_BADGES[show["status"]],
        invitation="" if best or show["status"] in ("finished", "cancelled") else "Vote on the songs of the setlist",
        songs=[_card_song(song, most or 1) for _, song in best],
    )


def _card_song(song: SetlistSong, most: int) -> CardSong:
    count = song["up"] or 0
    return CardSong(title=song["title"], count=f"{count:,}", share=count / most)


def draw(card: Card) -> bytes:
    """Has a process draw a card as PNG; blocks until it is done.

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
