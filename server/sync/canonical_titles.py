"""Canonical titles of songs: the spelling that the catalogue had first, whatever spelling a provider uses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from server.sync.matching import plain_title
from server.sync.medleys import cut_medley, may_be_medley
from server.sync.queries import identities, records

if TYPE_CHECKING:
    from server.store.database import Connection

TITLE_CHARS_MAX = 300


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

    def learn(self, songs: Iterable[tuple[str | None, str]]) -> None:
        """Makes titles canonical that cannot be medleys, so that a medley is cut into them wherever it stands."""
        for by, title in songs:
            if not may_be_medley(title):
                self.of(by, title)

    def parts(self, by: str | None, title: str) -> list[str]:
        """The canonical titles of the songs of a medley; otherwise the canonical whole, alone."""
        return [self.of(by, part) for part in cut_medley(title, lambda part: self._is_known(by, part))]

    def _is_known(self, by: str | None, title: str) -> bool:
        return (by, plain_title(title)) in self._titles


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
