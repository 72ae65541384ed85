"""What the picture of a show says. A process of its own draws it (card_drawing.py)."""

from __future__ import annotations

import msgspec


class CardSong(msgspec.Struct, frozen=True, kw_only=True):
    """A song with its count; `share` of the greatest count, 0 to 1, is the length of its bar."""

    title: str
    count: str
    share: float


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """All words of a picture. `badge` and `invitation` may be empty."""

    service: str
    heading: str
    place: str
    day: str
    badge: str
    invitation: str
    songs: list[CardSong]
