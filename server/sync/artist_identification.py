"""Who is meant by a name: exactly one artist of MusicBrainz's, or nobody."""

from __future__ import annotations

import re
from typing import NamedTuple

from server.errors import MysetlistError
from server.sync.clients import musicbrainz
from server.sync.clients.musicbrainz import MusicBrainzClient
from server.sync.matching import plain_name

# MusicBrainz scores the best match of a search 100; under this a name is only similar.
SCORE_MIN = 90
# As sure as one can be by a name alone, when nobody else is called so.
NAME_CONFIDENCE = 0.9
GIVEN_CONFIDENCE = 1.0

MBID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class NotIdentified(MysetlistError):
    """Nobody is called so, or several are; the message says what to do about it."""


class IdentifiedArtist(NamedTuple):
    """Who is meant, how sure that is, and why. lacks_details: only their ids are known, not country, genre and name."""

    artist: musicbrainz.Artist
    confidence: float
    evidence: str
    lacks_details: bool = False


async def identify_artist(source: MusicBrainzClient, wanted: str) -> IdentifiedArtist:
    """The artist meant by a name or a MusicBrainz id, as MusicBrainz alone knows it.

    Raises: NotIdentified, ProviderError, StoreUnavailable
    """
    if MBID.fullmatch(wanted.lower()):
        artist = await source.fetch_artist(wanted.lower())
        if artist is None:
            raise NotIdentified(f"MusicBrainz knows no artist {wanted}")
        return IdentifiedArtist(artist, GIVEN_CONFIDENCE, "its MusicBrainz id was given")
    candidates = [found for found in await source.search_artists(wanted) if found.score >= SCORE_MIN]
    namesakes = [found for found in candidates if has_name(found, wanted)]
    if not namesakes:
        similar = ", ".join(_described(found) for found in candidates[:3])
        raise NotIdentified(
            f"nobody is called {wanted!r} at MusicBrainz" + (f"; similar: {similar}" if similar else "")
        )
    if len(namesakes) > 1:
        named = ", ".join(_described(found) for found in namesakes[:5])
        raise NotIdentified(f"{len(namesakes)} artists are called {wanted!r}; give the id of one: {named}")
    artist = await source.fetch_artist(namesakes[0].id)
    if artist is None:
        raise NotIdentified(f"MusicBrainz finds {wanted!r} but no longer knows {namesakes[0].id}")
    told = f"the only one called {namesakes[0].name!r}, with a score of {namesakes[0].score}"
    return IdentifiedArtist(artist, NAME_CONFIDENCE, told)


def has_name(found: musicbrainz.Artist, wanted: str) -> bool:
    """Whether that is a name of theirs, spelling aside."""
    return plain_name(wanted) in {plain_name(found.name), *(plain_name(alias.name) for alias in found.aliases)}


def _described(found: musicbrainz.Artist) -> str:
    about = ", ".join(filter(None, (found.country, found.disambiguation)))
    return f"{found.name} ({about}) {found.id}" if about else f"{found.name} {found.id}"
