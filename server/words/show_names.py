"""The name of a show in a language."""

from __future__ import annotations

from server.protocol.show_names import own_name
from server.words.texts import Language


def name_of_show(name: str, artist: str, venue: str, words: Language) -> str:
    """The name that somebody gave a show, else its artist and its venue. Takes: name, as it is stored; artist and venue, their names."""
    return own_name(name, artist, venue) or words.text("show-name", artist=artist, venue=venue)
