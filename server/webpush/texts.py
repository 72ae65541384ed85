"""What a notice says."""

from __future__ import annotations

import datetime as dt
from typing import Literal
from zoneinfo import ZoneInfo

from server.words.texts import Language

Kind = Literal["voting_closes", "show_begins", "song_on"]
KINDS: tuple[Kind, ...] = ("voting_closes", "show_begins", "song_on")
TEXT_CHARS_MAX = 200


def title_and_text(
    kind: Kind, *, artist: str, venue: str, song: str, closes_at: dt.datetime, time_zone: str, words: Language
) -> tuple[str, str]:
    """The title of a notice, and its sentence. Takes: time_zone, of the device; words, in the language of its owner."""
    match kind:
        case "voting_closes":
            title = words.text("notice-voting-closes-title", artist=artist)
            time = f"{closes_at.astimezone(ZoneInfo(time_zone)):%H:%M}"
            text = words.text("notice-voting-closes", artist=artist, venue=venue, time=time)
        case "show_begins":
            title = words.text("notice-show-begins-title", artist=artist)
            text = words.text("notice-show-begins", artist=artist, venue=venue)
        case "song_on":
            title = words.text("notice-song-on-title", song=song)
            text = words.text("notice-song-on", artist=artist, venue=venue)
    return title[:TEXT_CHARS_MAX], text[:TEXT_CHARS_MAX]
