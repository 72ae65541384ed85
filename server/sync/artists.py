"""Bringing one artist in from MusicBrainz, and remembering who they are there and elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from server.errors import MysetlistError, StoreConflict
from server.store.database import Database
from server.sync.clients import musicbrainz
from server.sync.importing import Progress, finishing_job
from server.sync.records import ArtistRecord, slug_of
from server.sync.writing import NotTaken, queries, write

if TYPE_CHECKING:
    from server.store.database import Connection

# MusicBrainz scores the best match of a search 100; under this a name is only similar.
SCORE_MIN = 90
# As sure as one can be by a name alone, when nobody else is called so; a link on an artist's own page says more.
NAME_CONFIDENCE = 0.9
GIVEN_CONFIDENCE = 1.0
LINK_CONFIDENCE = 0.95
STAGE = "artists"

_MBID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ArtistSource(Protocol):
    """The part of MusicBrainzClient that is needed here."""

    async def search_artists(self, name: str) -> list[musicbrainz.Artist]:
        """Artists called like that, best match first."""

    async def fetch_artist(self, mbid: str) -> musicbrainz.Artist | None:
        """An artist with genres and links."""


class NotIdentified(MysetlistError):
    """Nobody is called so, or several are; the message says what to do about it."""


class SyncedArtist(msgspec.Struct, frozen=True, kw_only=True):
    """What a run made of an artist."""

    job_id: int
    id: int
    slug: str
    name: str
    outcome: str  # added, changed, unchanged
    identities: list[str]  # `musicbrainz 65f4f0c5-…`, in the order of certainty
    evidence: str


async def sync_artist(
    database: Database, source: ArtistSource, wanted: str, *, progress: Progress = lambda *_: None
) -> SyncedArtist:
    """Finds an artist at MusicBrainz, writes them into the catalogue, and records their ids.

    Twice is once: an artist who was found before is known again by the id, whatever they are called by then.

    Takes:  wanted, a name or a MusicBrainz id
    Raises: NotIdentified: nobody, or several; ProviderError; StoreUnavailable
    Cancel: the catalogue is as before; the run is marked cancelled
    """
    async with database.connection() as connection:
        job_id: int = await queries.insert_job(
            connection, service=musicbrainz.SERVICE, kind="artist", subject=wanted[:300]
        )
    async with finishing_job(database, job_id):
        progress(STAGE, 0, 1)
        artist, confidence, evidence = await _identify(source, wanted)
        own_slug = await _own_slug(database, source, artist)
        async with database.transaction() as connection:
            artist_id, slug, outcome = await _write(connection, artist, own_slug)
            identities = await _put_identities(connection, artist, artist_id, confidence, evidence)
            if outcome != "unchanged":
                rows = [{"line": None, "outcome": outcome, "message": slug}]
                await queries.insert_outcomes(
                    connection, job_id=job_id, stage=STAGE, rows=msgspec.json.encode(rows).decode()
                )
            await queries.put_progress(connection, job_id=job_id, stage=STAGE, done=1, total=1)
        progress(STAGE, 1, 1)
    return SyncedArtist(
        job_id=job_id,
        id=artist_id,
        slug=slug,
        name=artist.name,
        outcome=outcome,
        identities=identities,
        evidence=evidence,
    )


async def _identify(source: ArtistSource, wanted: str) -> tuple[musicbrainz.Artist, float, str]:
    """The artist meant, how sure that is, and why."""
    if _MBID.fullmatch(wanted.lower()):
        artist = await source.fetch_artist(wanted.lower())
        if artist is None:
            raise NotIdentified(f"MusicBrainz knows no artist {wanted}")
        return artist, GIVEN_CONFIDENCE, "its MusicBrainz id was given"
    candidates = [found for found in await source.search_artists(wanted) if found.score >= SCORE_MIN]
    namesakes = [found for found in candidates if _is_called(found, wanted)]
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
    return artist, NAME_CONFIDENCE, f"the only one called {namesakes[0].name!r}, with a score of {namesakes[0].score}"


def _is_called(found: musicbrainz.Artist, wanted: str) -> bool:
    return _plain(wanted) in {_plain(found.name), *(_plain(alias.name) for alias in found.aliases)}


def _plain(name: str) -> str:
    return " ".join(re.findall(r"\w+", name.casefold()))


def _described(found: musicbrainz.Artist) -> str:
    about = ", ".join(filter(None, (found.country, found.disambiguation)))
    return f"{found.name} ({about}) {found.id}" if about else f"{found.name} {found.id}"


async def _own_slug(database: Database, source: ArtistSource, artist: musicbrainz.Artist) -> str | None:
    """The slug of the artist in our catalogue, None for the one their name makes.

    Somebody of that name who has another id may be a namesake, or the same after two entries were made one there.
    """
    async with database.connection() as connection:
        known = await queries.find_identity(connection, service=musicbrainz.SERVICE, external_id=artist.id)
        if known is not None:
            return str(known["slug"])
        slug = slug_of(artist.name)
        others = [
            row["external_id"] async for row in queries.find_ids(connection, service=musicbrainz.SERVICE, slug=slug)
        ]
    for other in others:
        successor = await source.fetch_artist(other)
        if successor is not None and successor.id == artist.id:
            return slug
    return f"{slug}-{artist.id[:8]}" if others else None


async def _write(connection: Connection, artist: musicbrainz.Artist, slug: str | None) -> tuple[int, str, str]:
    """Id, slug and what became of the row."""
    try:
        record = ArtistRecord(
            name=artist.name[:200],
            slug=slug,
            country=artist.country if artist.country and re.fullmatch("[A-Z]{2}", artist.country) else None,
            genre=artist.genre[:80].capitalize() if artist.genre else None,
        )
        ((_, outcome, slug),) = await write(connection, STAGE, [(0, record)])
    except (StoreConflict, NotTaken) as error:
        raise NotIdentified(f"{artist.name!r} cannot be taken: {error}") from error
    artist_id: int = await queries.find_artist_id(connection, slug=slug)
    return artist_id, slug, outcome


async def _put_identities(
    connection: Connection, artist: musicbrainz.Artist, artist_id: int, confidence: float, evidence: str
) -> list[str]:
    rows = [(musicbrainz.SERVICE, artist.id, musicbrainz.PAGE_URL + artist.id, confidence, evidence)]
    rows += _linked(artist)
    await queries.put_identities(
        connection,
        artist_id=artist_id,
        services=[row[0] for row in rows],
        external_ids=[row[1] for row in rows],
        urls=[row[2] for row in rows],
        confidences=[row[3] for row in rows],
        evidences=[row[4] for row in rows],
    )
    return [f"{service} {external_id}" for service, external_id, *_ in rows]


def _linked(artist: musicbrainz.Artist) -> Sequence[tuple[str, str, str, float, str]]:
    return [
        (
            "spotify",
            spotify_id,
            f"https://open.spotify.com/artist/{spotify_id}",
            LINK_CONFIDENCE,
            "linked at MusicBrainz",
        )
        for spotify_id in artist.spotify_ids
    ]
