"""A show's name: the one that somebody gave it, or the default, which is stored in English.

Staff, a file and a provider may name a show. Without a name the default is stored, for programs and for search. What people read
says artist and venue in the reader's language instead (`show-name` in static/words/).
"""

from __future__ import annotations

NAME_CHARS_MAX = 300


def default_name(artist: str, venue: str) -> str:
    """The name of a show that nobody has named."""
    return f"{artist} at {venue}"[:NAME_CHARS_MAX]


def own_name(name: str, artist: str, venue: str) -> str:
    """The name that somebody gave a show; empty: it has none, or one that only repeats the artist. As `ownShowName` in static/messages.js."""
    return "" if name in (artist, default_name(artist, venue)) else name
