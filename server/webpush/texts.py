"""What a notice says."""

from __future__ import annotations

import datetime as dt
from typing import Literal
from zoneinfo import ZoneInfo

Kind = Literal["voting_closes", "show_begins", "song_on"]
KINDS: tuple[Kind, ...] = ("voting_closes", "show_begins", "song_on")
TEXT_CHARS_MAX = 200


def title_and_text(
    kind: Kind, *, artist: str, venue: str, song: str, closes_at: dt.datetime, time_zone: str
) -> tuple[str, str]:
    """The title of a notice, and its sentence. Takes: time_zone, of the device."""
    show = f"{artist}, {venue}"
    match kind:
        case "voting_closes":
            title = f"{artist}: voting closes soon"
            text = f"{show}. You can vote until {closes_at.astimezone(ZoneInfo(time_zone)):%H:%M}."
        case "show_begins":
            title, text = f"{artist}: the show begins", f"{show}. Follow the songs live."
        case "song_on":
            title, text = f"Your song is on: {song}", f"{show}. You voted for it."
    return title[:TEXT_CHARS_MAX], text[:TEXT_CHARS_MAX]
