"""Canonical titles of songs: the spelling that the catalogue had first, whatever spelling a provider uses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from server.sync.matching import plain_title
from server.sync.queries import identities

if TYPE_CHECKING:
    from server.store.database import Connection

TITLE_CHARS_MAX = 300
_SLASH = re.compile(r"\s*/\s*")


class CanonicalTitles:
    """Titles of an artist and of the artists that they cover. `by` is a MusicBrainz id; None: the artist's own song.

    Takes: known, (by, title) of existing songs, the oldest first
    """

    def __init__(self, known: Iterable[tuple[str | None, str]] = ()) -> None:
        self._titles: dict[tuple[str | None, str], str] = {}
        for by, title in known:
            self.of(by, title)

    def of(self, by: str | None, title: str) -> str:
        """The canonical form of a title; a new title becomes canonical."""
        title = title.strip()[:TITLE_CHARS_MAX]
        return self._titles.setdefault((by, plain_title(title)), title)

    def parts(self, by: str | None, title: str) -> list[str]:
        """Splits a medley such as `A / B`, when no song has the whole title and each part is the title of a song.

        Gives: the canonical title of each part; otherwise the canonical whole, alone
        """
        if (by, plain_title(title)) not in self._titles:
            parts = [self._titles.get((by, plain_title(part))) for part in _SLASH.split(title) if part.strip()]
            known = [part for part in parts if part is not None]
            if len(known) == len(parts) > 1:
                return known
        return [self.of(by, title)]


async def fetch_canonical_titles(connection: Connection, artist_id: int, mbids: Sequence[str]) -> CanonicalTitles:
    """Reads the titles of the catalogue.

    Takes: mbids of the artists that this artist covers
    Raises: StoreUnavailable
    """
    rows = identities.fetch_canonical_titles(connection, artist_id=artist_id, mbids=list(mbids))
    return CanonicalTitles([(row["mbid"], row["title"]) async for row in rows])
