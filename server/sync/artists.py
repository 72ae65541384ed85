"""Bringing an artist in from MusicBrainz, and remembering who they are there and elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from server.errors import StoreConflict
from server.store.database import Database
from server.sync.artist_identification import MBID, IdentifiedArtist, NotIdentified, has_name, identify_artist
from server.sync.clients import musicbrainz, spotify, ticketmaster
from server.sync.clients.musicbrainz import MusicBrainzClient
from server.sync.file_import import Progress, log_outcomes, recording_end
from server.sync.identities import (
    DOUBTFUL_CONFIDENCE,
    LINK_CONFIDENCE,
    Identity,
    identities,
    ids_by_service,
    put_identities,
    save_identities,
)
from server.sync.matching import is_tribute, plain_name
from server.sync.providers import Providers
from server.sync.record_writer import RecordRefused, queries, write_records
from server.sync.records import ArtistRecord, slug_of
from server.sync.scheduler import jobs

if TYPE_CHECKING:
    from server.store.database import Connection

STAGE = "artists"
# All artists whose details are to be asked for are one job's.
DETAILS_SUBJECT = "all"


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
    is never enough for another service: it needs songs that both have (SongSyncService), or a person decides.
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
        async with recording_end(self._database, job_id):
            progress(STAGE, 0, 1)
            synced = await self._sync(job_id, wanted)
            progress(STAGE, 1, 1)
        return synced

    async def sync_known(self, artist_id: int, job_id: int) -> SyncedArtist:
        """The same for an artist of the catalogue, within a job; details may come with a later job, of DetailsSyncService.

        Raises: NotIdentified, ProviderError, StoreUnavailable
        """
        async with self._database.connection() as connection:
            row = await identities.fetch_artist(connection, artist_id=artist_id)
        if row is None:
            raise NotIdentified(f"there is no artist {artist_id} any more")
        mbids = ids_by_service(row).get(musicbrainz.SERVICE, [])
        return await self._sync(job_id, mbids[0] if mbids else row["name"], known=row)

    async def _sync(self, job_id: int, wanted: str, known: Any | None = None) -> SyncedArtist:
        attraction = await self._find_attraction(wanted)
        artist, confidence, evidence, lacks_details = await self._identify(wanted, attraction, known)
        own_slug = (
            known["slug"] if known is not None else await _own_slug(self._database, self._providers.musicbrainz, artist)
        )
        async with self._database.transaction() as connection:
            artist_id, slug, outcome = await write_artist(connection, artist, own_slug)
            rows = [(musicbrainz.SERVICE, artist.id, musicbrainz.PAGE_URL + artist.id, confidence, evidence)]
            at_spotify = ids_by_service(await identities.fetch_artist(connection, artist_id=artist_id)).get(
                spotify.SERVICE, []
            )
            rows += _linked(artist, at_spotify, "linked at " + ("Ticketmaster" if lacks_details else "MusicBrainz"))
            await put_identities(connection, artist_id, rows)
            await identities.set_lacks_details(connection, external_id=artist.id, lacks_details=lacks_details)
            if lacks_details:
                await jobs.queue_job(
                    connection, service=musicbrainz.SERVICE, kind="details", subject=DETAILS_SUBJECT, priority="low",
                    delay_s=0.0,
                )  # fmt: skip
            await log_outcomes(connection, job_id, STAGE, [(0, outcome, slug)])
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
        if self._providers.ticketmaster is None or MBID.fullmatch(wanted.lower()):
            return None
        found = await self._providers.ticketmaster.search_attractions(wanted)
        called = [one for one in found if plain_name(one.name) == plain_name(wanted) and not is_tribute(one.name)]
        linked = [one for one in called if one.mbids]
        return linked[0] if len(linked) == 1 else called[0] if len(called) == 1 else None

    async def _identify(
        self, wanted: str, attraction: ticketmaster.Attraction | None, known: Any | None
    ) -> IdentifiedArtist:
        """Takes: known, the artist of the catalogue whom this is about, who may be without details for a while."""
        if attraction is None or len(attraction.mbids) != 1:
            return await identify_artist(self._providers.musicbrainz, wanted)
        (mbid,) = attraction.mbids
        if known is not None and attraction.spotify_ids and not await self._is_doubted(mbid, known["id"]):
            # Two links and the name will do; the rest is asked of MusicBrainz with others' at one question.
            pages = [musicbrainz.Relation(musicbrainz.Url(spotify.PAGE_URL + one)) for one in attraction.spotify_ids]
            artist = musicbrainz.Artist(id=mbid, name=attraction.name, relations=pages)
            told = "linked at Ticketmaster, to Spotify too, and called the same"
            return IdentifiedArtist(artist, LINK_CONFIDENCE, told, lacks_details=True)
        linked = await self._providers.musicbrainz.fetch_artist(mbid)
        # Links there are not curated: one that leads to another name is no evidence.
        if linked is not None and has_name(linked, wanted):
            return IdentifiedArtist(linked, LINK_CONFIDENCE, "linked at Ticketmaster, and called the same")
        return await identify_artist(self._providers.musicbrainz, wanted)

    async def _is_doubted(self, mbid: str, artist_id: int) -> bool:
        """Whether a person was asked if this is the artist, and did not say so."""
        async with self._database.connection() as connection:
            verdict = await identities.fetch_verdict(
                connection, service=musicbrainz.SERVICE, external_id=mbid, artist_id=artist_id, venue_id=None
            )
        return verdict not in (None, "same")

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
            candidates = [one for one in found if has_name(artist, one.name) and not is_tribute(one.name)]
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
        return await save_identities(self._database, artist_id, artist.name, sure, doubtful)

    async def _join_spotify(
        self, artist_id: int, artist: musicbrainz.Artist, attraction: ticketmaster.Attraction | None
    ) -> list[Identity]:
        """Who the artist is at Spotify, where MusicBrainz does not say and Ticketmaster does."""
        if artist.spotify_ids:
            return []
        if attraction is not None and artist.id in attraction.mbids and attraction.spotify_ids:
            sure = [
                (spotify.SERVICE, one, spotify.PAGE_URL + one, LINK_CONFIDENCE, "linked at Ticketmaster")
                for one in attraction.spotify_ids
            ]
            return await save_identities(self._database, artist_id, artist.name, sure, [])
        # Whoever is linked nowhere is looked for when songs are there to tell by.
        return []


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


async def write_artist(connection: Connection, artist: musicbrainz.Artist, slug: str | None) -> tuple[int, str, str]:
    """An artist of MusicBrainz's, in the catalogue.

    Takes:  slug, None: the one their name makes
    Gives:  id, slug, and what became of the row: added, changed, unchanged
    Raises: NotIdentified: they cannot be taken, and the transaction is lost
    """
    try:
        record = ArtistRecord(
            name=artist.name[:200],
            slug=slug,
            country=artist.country if artist.country and re.fullmatch("[A-Z]{2}", artist.country) else None,
            genre=artist.genre[:80].capitalize() if artist.genre else None,
        )
        ((_, outcome, slug),) = await write_records(connection, STAGE, [(0, record)])
    except (StoreConflict, RecordRefused) as error:
        raise NotIdentified(f"{artist.name!r} cannot be taken: {error}") from error
    artist_id: int = await queries.find_artist_id(connection, slug=slug)
    return artist_id, slug, outcome


def _linked(artist: musicbrainz.Artist, known: Sequence[str], evidence: str) -> list[Identity]:
    """Pages at Spotify that are linked: those we know already if any of them is, else all."""
    ids = [one for one in artist.spotify_ids if one in known] or artist.spotify_ids
    return [(spotify.SERVICE, one, spotify.PAGE_URL + one, LINK_CONFIDENCE, evidence) for one in ids]
