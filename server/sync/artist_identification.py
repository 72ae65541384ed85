"""Identifies an artist by name or id: exactly one artist of MusicBrainz, or an error."""

from __future__ import annotations

import re
from typing import NamedTuple

from server.errors import MysetlistError
from server.sync.clients import musicbrainz
from server.sync.clients.musicbrainz import MusicBrainzClient
from server.sync.matching import plain_name

# MusicBrainz gives the best match of a search the score 100; below this minimum a name is only similar.
SCORE_MIN = 90
# The confidence in a name alone, when only one artist has it.
NAME_CONFIDENCE = 0.9
GIVEN_CONFIDENCE = 1.0

MBID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class NotIdentified(MysetlistError):
    """No artist has the name, or more than one has it; the message says what to do."""


class IdentifiedArtist(NamedTuple):
    """An artist, the confidence in it, and the reason. lacks_details: only ids and a name are known, no country or genre."""

    artist: musicbrainz.Artist
    confidence: float
    evidence: str
    lacks_details: bool = False


async def identify_artist(source: MusicBrainzClient, wanted: str) -> IdentifiedArtist:
    """Finds the artist with a name or a MusicBrainz id, by MusicBrainz alone.

    Raises: NotIdentified, ProviderError, StoreUnavailable
    """
    if MBID.fullmatch(wanted.lower()):
        artist = await source.fetch_artist(wanted.lower())
        if artist is None:
            raise NotIdentified(f"MusicBrainz has no artist with the id {wanted}: check the id at musicbrainz.org")
        return IdentifiedArtist(artist, GIVEN_CONFIDENCE, "its MusicBrainz id was given")
    candidates = [found for found in await source.search_artists(wanted) if found.score >= SCORE_MIN]
    namesakes = [found for found in candidates if has_name(found, wanted)]
    if not namesakes:
        similar = ", ".join(_described(found) for found in candidates[:3])
        raise NotIdentified(
            f"MusicBrainz has no artist called {wanted!r}: check the name, or give a MusicBrainz id"
            + (f"; similar names: {similar}" if similar else "")
        )
    if len(namesakes) > 1:
        named = ", ".join(_described(found) for found in namesakes[:5])
        raise NotIdentified(f"{len(namesakes)} artists are called {wanted!r}: give the id of one of them: {named}")
    artist = await source.fetch_artist(namesakes[0].id)
    if artist is None:
        raise NotIdentified(f"MusicBrainz removed {wanted!r} ({namesakes[0].id}) a moment ago: try again tomorrow")
    evidence = f"the only artist called {namesakes[0].name!r}, with a score of {namesakes[0].score}"
    return IdentifiedArtist(artist, NAME_CONFIDENCE, evidence)


def has_name(found: musicbrainz.Artist, wanted: str) -> bool:
    """Whether an artist has that name or alias, apart from spelling."""
    return plain_name(wanted) in {plain_name(found.name), *(plain_name(alias.name) for alias in found.aliases)}


def _described(found: musicbrainz.Artist) -> str:
    about = ", ".join(filter(None, (found.country, found.disambiguation)))
    return f"{found.name} ({about}) {found.id}" if about else f"{found.name} {found.id}"
