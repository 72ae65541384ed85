"""Canonical titles of songs: the spelling that the catalogue had first, whatever spelling a provider uses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from server.sync.matching import plain_title
from server.sync.queries import identities, records

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


class KnownSong(NamedTuple):
    """A song of the catalogue, with the spelling that the catalogue has."""

    id: int
    title: str


async def ensure_songs(
    connection: Connection, wanted: Sequence[tuple[int, str]]
) -> tuple[dict[tuple[int, str], KnownSong], set[int]]:
    """Finds songs by artist and title, and adds those that the catalogue has in no spelling.

    Takes:  wanted, (artist_id, title)
    Gives:  the song of each, and the ids of the added ones
    Raises: StoreUnavailable
    """
    known = await _find_songs(connection, wanted)
    unknown = [key for key in dict.fromkeys(wanted) if key not in known]
    if not unknown:
        return known, set()
    canonical: dict[tuple[int, str], str] = {}
    async for row in records.list_titles(connection, artist_ids=sorted({artist_id for artist_id, _ in unknown})):
        canonical.setdefault((row["artist_id"], plain_title(row["title"])), row["title"])
    spelling = {
        (artist_id, title): canonical.setdefault((artist_id, plain_title(title)), title) for artist_id, title in unknown
    }
    rows = [
        {"number": number, "artist_id": artist_id, "title": spelling[artist_id, title]}
        for number, (artist_id, title) in enumerate(unknown)
    ]
    outcomes = records.put_songs(connection, rows=msgspec.json.encode(rows).decode())
    numbers = {row["number"] async for row in outcomes if row["outcome"] == "added"}
    found = await _find_songs(connection, [(artist_id, spelling[artist_id, title]) for artist_id, title in unknown])
    new = {(artist_id, title): found[artist_id, spelling[artist_id, title]] for artist_id, title in unknown}
    return known | new, {new[unknown[number]].id for number in numbers}


async def _find_songs(connection: Connection, wanted: Sequence[tuple[int, str]]) -> dict[tuple[int, str], KnownSong]:
    rows = records.find_songs(
        connection, artist_ids=[artist_id for artist_id, _ in wanted], titles=[title for _, title in wanted]
    )
    return {(row["artist_id"], row["title"]): KnownSong(row["id"], row["title"]) async for row in rows}
