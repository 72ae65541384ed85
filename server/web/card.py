"""What the picture of a show says. A process of its own draws it (card_drawing.py)."""

from __future__ import annotations

import msgspec


class CardSong(msgspec.Struct, frozen=True, kw_only=True):
    """A song with its count; `share` of the greatest count, 0 to 1, is the length of its bar."""

    title: str
    count: str
    share: float


class CardColours(msgspec.Struct, frozen=True, kw_only=True):
    """The colours of a picture: those of the service, or of a brand. bar: under the text of a song; ink: on the accent."""

    ground: str = "#100d16"
    surface: str = "#1a1623"
    text: str = "#f5f1fb"
    muted: str = "#bdb4cd"
    accent: str = "#ffb52e"
    ink: str = "#1b1203"
    bar: str = "#5a3f1c"


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """All words of a picture. `badge` and `invitation` may be empty."""

    service: str
    heading: str
    place: str
    day: str
    badge: str
    invitation: str
    songs: list[CardSong]
    colours: CardColours = CardColours()
