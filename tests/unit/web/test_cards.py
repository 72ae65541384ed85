"""The picture of a show: what is drawn, and what happens when it cannot be."""

from __future__ import annotations

import asyncio
import io
import sys
import threading
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request
from PIL import Image
from structlog.testing import capture_logs

from server.clock import SystemClock
from server.errors import Refused
from server.web import card_drawing, cards
from server.web.card import Card, CardColours, CardSong
from server.web.heads import CARD_SIZE

CARD = Card(
    service="MySetlist",
    heading="Sigur Rós",
    place="Harpa, Reykjavík",
    day="24 November 2026",
    badge="Live now",
    invitation="",
    songs=[CardSong(title="Hoppípolla " * 20, count="1,234", share=1.0), CardSong(title="!!!", count="1", share=0.0)],
)


@pytest.mark.parametrize("heading", ["", "A" * 300, "椎名林檎", "Δεσποινίς Трио", "فيروز", "🎸\u202e\u200d", "a\nb\tc"])
def test_any_name_is_drawn(heading: str) -> None:
    """Whatever an artist is called, it is a PNG of the size that messengers show without cutting it."""
    picture = Image.open(io.BytesIO(card_drawing.picture_of(msgspec.structs.replace(CARD, heading=heading))))
    assert (picture.format, picture.size) == ("PNG", CARD_SIZE)


def test_a_picture_has_the_colours_of_its_brand() -> None:
    """Its ground, and its accent at the top."""
    colours = CardColours(ground="#ffffff", accent="#7a0050")
    picture = Image.open(io.BytesIO(card_drawing.picture_of(msgspec.structs.replace(CARD, colours=colours))))
    pixels = picture.convert("RGB")
    assert (pixels.getpixel((5, 5)), pixels.getpixel((5, 300))) == ((0x7A, 0, 0x50), (255, 255, 255))


def test_what_no_font_has_gets_latin_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is read, not a row of boxes; letters that a font has stay. Japanese has a font when its extra is installed."""
    assert card_drawing._readable("Sigur Rós, Δεσποινίς, Трио 椎名林檎") == "Sigur Rós, Δεσποινίς, Трио 椎名林檎"
    assert card_drawing._readable("ᜉᜒᜎᜒᜉᜒᜈᜓ").isascii()
    monkeypatch.setitem(sys.modules, "noto_cjk", None)
    card_drawing._file_of.cache_clear()
    card_drawing._font_that_has.cache_clear()
    try:
        assert card_drawing._readable("さくら").isascii()
    finally:
        card_drawing._file_of.cache_clear()
        card_drawing._font_that_has.cache_clear()


def test_a_process_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives the same picture as the function; when it fails, the client may ask again, and the log has what it said."""
    assert cards.draw(CARD) == card_drawing.picture_of(CARD)
    monkeypatch.setattr(cards, "_COMMAND", (sys.executable, "-c", "raise SystemExit('no font')"))
    with capture_logs() as records, pytest.raises(Refused) as refused:
        cards.draw(CARD)
    assert (refused.value.code, refused.value.retry_after_ms) == ("unavailable", 5_000)
    assert [(record["event"], record["said"].strip()) for record in records] == [("card.failed", "no font")]
    monkeypatch.setattr(cards, "_COMMAND", (sys.executable, "-c", "import time; time.sleep(60)"))
    monkeypatch.setattr(cards, "DRAWING_S_MAX", 0.05)
    with capture_logs(), pytest.raises(Refused):
        cards.draw(CARD)


async def test_a_client_that_leaves_keeps_its_turn_until_its_picture_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread cannot be stopped: clients that come and leave must not have more pictures drawn at once than DRAWN_AT_ONCE_MAX."""
    drawing: list[int] = []
    at_once: list[int] = []
    began, may_end = threading.Event(), threading.Event()

    def draw(_card: Card) -> bytes:
        drawing.append(1)
        at_once.append(len(drawing))
        began.set()
        may_end.wait(30)
        drawing.pop()
        return b"picture"

    async def show(call: Any) -> Any:
        return SimpleNamespace(document={"id": int(call.path["show"])})

    monkeypatch.setattr(cards, "draw", draw)
    monkeypatch.setattr(cards, "CARDS", {"show": lambda _document, _service: CARD})
    brands: Any = SimpleNamespace(of_host=lambda _host: None)
    made = cards.Cards({"show": show}, lambda _request: "192.0.2.1", SystemClock(), brands, b"plain")

    def ask(show_id: int) -> asyncio.Task[Any]:
        path = f"/shows/{show_id}/card.png"
        return asyncio.create_task(
            made.get_card("show", make_mocked_request("GET", path, match_info={"show": str(show_id)}))
        )

    first = ask(1)
    await asyncio.to_thread(began.wait, 30)
    first.cancel()
    second = ask(2)
    while not made._turns._waiting_count and len(at_once) < 2:
        await asyncio.sleep(0.005)
    may_end.set()
    assert (await second).body == b"picture"
    assert at_once == [1, 1]
    assert first.cancelled()
