"""Bringing an artist in from MusicBrainz, and remembering who they are there and elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from server.errors import MysetlistError, StoreConflict
from server.store.database import Database
from server.store.queries import load_queries
from server.sync.clients import musicbrainz, spotify, ticketmaster
from server.sync.clients.musicbrainz import MusicBrainzClient
from server.sync.importing import Progress, finishing_job
from server.sync.matching import is_tribute, plain_name, plain_title
from server.sync.providers import Providers
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
# A name and songs that both have.
SHARED_CONFIDENCE = 0.85
# A name alone: a person decides.
DOUBTFUL_CONFIDENCE = 0.5
SHARED_SONGS_MIN = 2
SONGS_MAX = 1_000
NAMESAKES_MAX = 3
STAGE = "artists"

# Service, id there, page there, confidence, evidence.
Identity = tuple[str, str, str, float, str]

identities = load_queries(Path(__file__).with_name("identities.sql"))

_MBID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


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


class ArtistSyncService:
    """Finds artists at all providers that may be asked, and remembers who they are there.

    MusicBrainz says who somebody is; a link there, or at Ticketmaster, is believed when the names agree. A name alone
    is never enough for another service: it needs a song or a date that both have, or a person decides.
    """

    def __init__(self, database: Database, providers: Providers) -> None:
        self._database = database
        self._providers = providers

    async def sync(self, wanted: str, *, progress: Progress = lambda *_: None) -> SyncedArtist:
        """Finds an artist, writes them into the catalogue, and records their ids.

        Twice is once: an artist who was found before is known again by the id, whatever they are called by then.

        Takes:  wanted, a name or a MusicBrainz id
        Raises: NotIdentified: nobody, or several; ProviderError; StoreUnavailable
        Cancel: the catalogue is as before; the run is marked cancelled
        """
        async with self._database.connection() as connection:
            job_id: int = await queries.insert_job(
                connection, service=musicbrainz.SERVICE, kind="artist", subject=wanted[:300]
            )
        async with finishing_job(self._database, job_id):
            progress(STAGE, 0, 1)
            synced = await self._sync(job_id, wanted)
            progress(STAGE, 1, 1)
        return synced

    async def sync_known(self, artist_id: int, job_id: int) -> SyncedArtist:
        """The same for an artist of the catalogue, within a job.

        Raises: NotIdentified, ProviderError, StoreUnavailable
        """
        async with self._database.connection() as connection:
            row = await identities.fetch_artist(connection, artist_id=artist_id)
        if row is None:
            raise NotIdentified(f"there is no artist {artist_id} any more")
        known = msgspec.json.decode(row["identities"], type=dict[str, list[str]])
        mbids = known.get(musicbrainz.SERVICE, [])
        return await self._sync(job_id, mbids[0] if mbids else row["name"], own_slug=row["slug"])

    async def _sync(self, job_id: int, wanted: str, own_slug: str | None = None) -> SyncedArtist:
        attraction = await self._find_attraction(wanted)
        artist, confidence, evidence = await self._identify(wanted, attraction)
        if own_slug is None:
            own_slug = await _own_slug(self._database, self._providers.musicbrainz, artist)
        async with self._database.transaction() as connection:
            artist_id, slug, outcome = await _write(connection, artist, own_slug)
            rows = [(musicbrainz.SERVICE, artist.id, musicbrainz.PAGE_URL + artist.id, confidence, evidence)]
            rows += _linked(artist)
            await _put_identities(connection, artist_id, rows)
            if outcome != "unchanged":
                told = [{"line": None, "outcome": outcome, "message": slug}]
                await queries.insert_outcomes(
                    connection, job_id=job_id, stage=STAGE, rows=msgspec.json.encode(told).decode()
                )
            await queries.put_progress(connection, job_id=job_id, stage=STAGE, done=1, total=1)
        rows += await self._join_ticketmaster(artist_id, artist, attraction)
        rows += await self._join_spotify(artist_id, artist, attraction)
        return SyncedArtist(
            job_id=job_id,
            id=artist_id,
            slug=slug,
            name=artist.name,
            outcome=outcome,
            identities=list(dict.fromkeys(f"{service} {external_id}" for service, external_id, *_ in rows)),
            evidence=evidence,
        )

    async def _find_attraction(self, wanted: str) -> ticketmaster.Attraction | None:
        """The one act at Ticketmaster that is called so; tributes are called otherwise."""
        if self._providers.ticketmaster is None or _MBID.fullmatch(wanted.lower()):
            return None
        found = await self._providers.ticketmaster.search_attractions(wanted)
        called = [one for one in found if plain_name(one.name) == plain_name(wanted) and not is_tribute(one.name)]
        linked = [one for one in called if one.mbids]
        return linked[0] if len(linked) == 1 else called[0] if len(called) == 1 else None

    async def _identify(
        self, wanted: str, attraction: ticketmaster.Attraction | None
    ) -> tuple[musicbrainz.Artist, float, str]:
        """The artist meant, how sure that is, and why."""
        if attraction is not None and len(attraction.mbids) == 1 and attraction.spotify_ids:
            # Two links and the name: that will do, and MusicBrainz is asked another day.
            pages = [musicbrainz.Relation(musicbrainz.Url(spotify.PAGE_URL + one)) for one in attraction.spotify_ids]
            known = musicbrainz.Artist(id=attraction.mbids[0], name=attraction.name, relations=pages)
            return known, LINK_CONFIDENCE, "linked at Ticketmaster, to Spotify too, and called the same"
        if attraction is not None and len(attraction.mbids) == 1:
            linked = await self._providers.musicbrainz.fetch_artist(attraction.mbids[0])
            # Links there are not curated: one that leads to another name is no evidence.
            if linked is not None and _is_called(linked, wanted):
                return linked, LINK_CONFIDENCE, "linked at Ticketmaster, and called the same"
        return await _identify(self._providers.musicbrainz, wanted)

    async def _join_ticketmaster(
        self, artist_id: int, artist: musicbrainz.Artist, attraction: ticketmaster.Attraction | None
    ) -> list[Identity]:
        """What the artist is called at Ticketmaster, when it is sure enough."""
        client = self._providers.ticketmaster
        if client is None:
            return []
        candidates = [attraction] if attraction is not None else []
        if not candidates:
            found = await client.search_attractions(artist.name)
            candidates = [one for one in found if _is_called(artist, one.name) and not is_tribute(one.name)]
        sure, doubtful = [], []
        for one in candidates:
            if artist.id in one.mbids:
                sure.append(
                    (
                        ticketmaster.SERVICE,
                        one.id,
                        one.url,
                        LINK_CONFIDENCE,
                        "linked to the same MusicBrainz id, and called the same",
                    )
                )
            elif set(one.spotify_ids) & set(artist.spotify_ids):
                sure.append(
                    (
                        ticketmaster.SERVICE,
                        one.id,
                        one.url,
                        LINK_CONFIDENCE,
                        "linked to the same artist at Spotify, and called the same",
                    )
                )
            elif not one.mbids:
                doubtful.append((ticketmaster.SERVICE, one.id, one.url, DOUBTFUL_CONFIDENCE, "its name alone"))
        return await self._keep(artist_id, artist, sure, doubtful)

    async def _join_spotify(
        self, artist_id: int, artist: musicbrainz.Artist, attraction: ticketmaster.Attraction | None
    ) -> list[Identity]:
        """What the artist is called at Spotify, where MusicBrainz does not say."""
        if artist.spotify_ids:
            return []
        if attraction is not None and artist.id in attraction.mbids and attraction.spotify_ids:
            sure = [
                (spotify.SERVICE, one, spotify.PAGE_URL + one, LINK_CONFIDENCE, "linked at Ticketmaster")
                for one in attraction.spotify_ids
            ]
            return await self._keep(artist_id, artist, sure, [])
        client = self._providers.spotify
        if client is None:
            return []
        called = [one for one in await client.search_artists(artist.name) if _is_called(artist, one.name)]
        sure, doubtful = [], []
        async with self._database.connection() as connection:
            titles = {
                plain_title(row["title"])
                async for row in identities.fetch_titles(connection, artist_id=artist_id, count=SONGS_MAX)
            }
        for one in called[:NAMESAKES_MAX]:
            shared = titles & {plain_title(track.name) for track in await client.fetch_top_tracks(one)}
            if len(shared) >= SHARED_SONGS_MIN:
                told = f"called the same, and {len(shared)} songs are the same"
                sure.append((spotify.SERVICE, one.id, spotify.PAGE_URL + one.id, SHARED_CONFIDENCE, told))
            else:
                doubtful.append(
                    (spotify.SERVICE, one.id, spotify.PAGE_URL + one.id, DOUBTFUL_CONFIDENCE, "its name alone")
                )
        return await self._keep(artist_id, artist, sure, [] if sure else doubtful)

    async def _keep(
        self, artist_id: int, artist: musicbrainz.Artist, sure: list[Identity], doubtful: list[Identity]
    ) -> list[Identity]:
        """Writes down what is sure, and asks a person about what is not, once."""
        async with self._database.transaction() as connection:
            for service, external_id, url, confidence, evidence in doubtful:
                verdict = await identities.fetch_verdict(
                    connection, service=service, external_id=external_id, artist_id=artist_id, venue_id=None
                )
                if verdict == "same":
                    sure = [*sure, (service, external_id, url, GIVEN_CONFIDENCE, "decided by a person")]
                elif verdict is None:
                    await identities.put_review(
                        connection, service=service, external_id=external_id, name=artist.name, url=url,
                        artist_id=artist_id, venue_id=None, confidence=confidence, evidence=evidence,
                    )  # fmt: skip
            await _put_identities(connection, artist_id, sure)
        return sure


async def _identify(source: MusicBrainzClient, wanted: str) -> tuple[musicbrainz.Artist, float, str]:
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
    return plain_name(wanted) in {plain_name(found.name), *(plain_name(alias.name) for alias in found.aliases)}


def _described(found: musicbrainz.Artist) -> str:
    about = ", ".join(filter(None, (found.country, found.disambiguation)))
    return f"{found.name} ({about}) {found.id}" if about else f"{found.name} {found.id}"


async def _own_slug(database: Database, source: MusicBrainzClient, artist: musicbrainz.Artist) -> str | None:
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


async def _put_identities(connection: Connection, artist_id: int, rows: Sequence[Identity]) -> None:
    await queries.put_identities(
        connection,
        artist_id=artist_id,
        services=[row[0] for row in rows],
        external_ids=[row[1] for row in rows],
        urls=[row[2] for row in rows],
        confidences=[row[3] for row in rows],
        evidences=[row[4] for row in rows],
    )


def _linked(artist: musicbrainz.Artist) -> list[Identity]:
    return [
        (spotify.SERVICE, one, spotify.PAGE_URL + one, LINK_CONFIDENCE, "linked at MusicBrainz")
        for one in artist.spotify_ids
    ]
