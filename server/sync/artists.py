"""Syncs artists: identifies them at MusicBrainz, writes them to the catalogue, and stores their ids at every provider."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from server.errors import StoreConflict
from server.protocol.progress import ReportProgress, ignore_progress
from server.protocol.texts import clean_line
from server.store.database import Database
from server.sync.artist_identification import MBID, IdentifiedArtist, NotIdentified, has_name, identify_artist
from server.sync.clients import musicbrainz, setlistfm, spotify, ticketmaster
from server.sync.clients.musicbrainz import MusicBrainzClient
from server.sync.clients.provider import Unreadable
from server.sync.identities import (
    DOUBTFUL_CONFIDENCE,
    LINK_CONFIDENCE,
    Identity,
    KnownArtist,
    fetch_known_artist,
    find_ids,
    ids_by_service,
    put_identities,
    save_identities,
    slug_for,
)
from server.sync.jobs import log_results, recorded_job
from server.sync.matching import is_tribute, plain_name
from server.sync.providers import Providers
from server.sync.queries import identities, jobs
from server.sync.queries import records as queries
from server.sync.record_writer import write_record
from server.sync.records import ArtistRecord, Outcome, RecordResult
from server.sync.references import RecordRefused

if TYPE_CHECKING:
    from server.store.database import Connection

STAGE = "artists"
# One job completes all artists that lack details, so it has one subject.
DETAILS_SUBJECT = "all"


class SyncedArtist(msgspec.Struct, frozen=True, kw_only=True):
    """The result of syncing an artist."""

    job_id: int
    id: int
    slug: str
    name: str
    outcome: Outcome
    identities: list[str]  # `musicbrainz 65f4f0c5-…`, the most certain first
    missing: list[str]  # the services with a key that have no artist who is surely this one
    evidence: str


class ArtistSyncService:
    """Finds artists at all available providers, and stores their ids there.

    MusicBrainz identifies an artist. A link there or at Ticketmaster counts when the names agree. A name alone is never
    enough for another service: it takes songs that both have (SongSyncService), or a person's decision.
    """

    def __init__(self, database: Database, providers: Providers) -> None:
        self._database = database
        self._providers = providers

    async def sync(self, wanted: str, *, report_progress: ReportProgress = ignore_progress) -> SyncedArtist:
        """Finds an artist, writes it to the catalogue, and stores its ids.

        A second sync of the same artist changes nothing: an artist is recognised by its id, even after a change of name.

        Takes:  wanted, a name or a MusicBrainz id
        Raises: NotIdentified: no artist, or more than one; ProviderError; StoreUnavailable
        Cancel: the catalogue stays as it was; the job is recorded as cancelled
        """
        wanted = clean_line(wanted)
        async with recorded_job(self._database, musicbrainz.SERVICE, "search", wanted[:300]) as job_id:
            report_progress(STAGE, 0, 1)
            synced = await self._sync(job_id, wanted)
            report_progress(STAGE, 1, 1)
        return synced

    async def sync_named(self, wanted: str, job_id: int) -> SyncedArtist:
        """Does the same within a job: another attempt of a `sync` that failed.

        Raises: NotIdentified, ProviderError, StoreUnavailable
        """
        return await self._sync(job_id, wanted)

    async def sync_known(self, artist_id: int, job_id: int) -> SyncedArtist:
        """Does the same for an artist of the catalogue, within a job; a later job may add details (artist_details.py).

        Raises: JobImpossible, NotIdentified, ProviderError, StoreUnavailable
        """
        known = await fetch_known_artist(self._database, artist_id)
        mbids = known.ids.get(musicbrainz.SERVICE, [])
        return await self._sync(job_id, mbids[0] if mbids else known.name, known=known)

    async def _sync(self, job_id: int, wanted: str, known: KnownArtist | None = None) -> SyncedArtist:
        attraction = await self._find_attraction(wanted)
        artist, confidence, evidence, lacks_details = await self._identify(wanted, attraction, known)
        own_slug = (
            known.slug if known is not None else await _own_slug(self._database, self._providers.musicbrainz, artist)
        )
        async with self._database.transaction() as connection:
            slug = own_slug or await slug_for(connection, artist.name[:200], artist.id)
            artist_id, slug, outcome = await write_artist(connection, artist, slug)
            row = await identities.fetch_artist(connection, artist_id=artist_id)
            linked_at = "Ticketmaster" if lacks_details else "MusicBrainz"
            found = [
                Identity(musicbrainz.SERVICE, artist.id, musicbrainz.PAGE_URL + artist.id, confidence, evidence),
                *_linked_pages(artist, ids_by_service(row).get(spotify.SERVICE, []), f"linked at {linked_at}"),
            ]
            await put_identities(connection, artist_id, found)
            await identities.set_lacks_details(connection, external_id=artist.id, lacks_details=lacks_details)
            if lacks_details:
                await jobs.queue_job(
                    connection, service=musicbrainz.SERVICE, kind="details", subject=DETAILS_SUBJECT, priority="low",
                    delay_s=0.0,
                )  # fmt: skip
            await log_results(connection, job_id, STAGE, [RecordResult(None, outcome, slug)])
            await jobs.put_progress(connection, job_id=job_id, stage=STAGE, done=1, total=1)
        at_ticketmaster = await self._find_at_ticketmaster(artist_id, artist, attraction)
        found += at_ticketmaster
        if self._providers.ticketmaster is not None and not at_ticketmaster:
            await self._tell_of_miss(job_id, artist.name)
        found += await self._find_at_spotify(artist_id, artist, attraction)
        return SyncedArtist(
            job_id=job_id,
            id=artist_id,
            slug=slug,
            name=artist.name,
            outcome=outcome,
            identities=list(dict.fromkeys(f"{one.service} {one.external_id}" for one in found)),
            missing=sorted(self._providers.by_service().keys() - {setlistfm.SERVICE} - {one.service for one in found}),
            evidence=evidence,
        )

    async def _find_attraction(self, wanted: str) -> ticketmaster.Attraction | None:
        """Finds the only act at Ticketmaster with that name; tribute acts have other names."""
        if self._providers.ticketmaster is None or MBID.fullmatch(wanted.lower()):
            return None
        found = await self._providers.ticketmaster.search_attractions(wanted)
        namesakes = [one for one in found if plain_name(one.name) == plain_name(wanted) and not is_tribute(one.name)]
        linked = [one for one in namesakes if one.mbids]
        return linked[0] if len(linked) == 1 else namesakes[0] if len(namesakes) == 1 else None

    async def _identify(
        self, wanted: str, attraction: ticketmaster.Attraction | None, known: KnownArtist | None
    ) -> IdentifiedArtist:
        """Identifies an artist; an artist of the catalogue (`known`) may go without details for a while."""
        if attraction is None or len(attraction.mbids) != 1:
            return await identify_artist(self._providers.musicbrainz, wanted)
        (mbid,) = attraction.mbids
        if known is not None and attraction.spotify_ids and not await self._is_doubted(mbid, known.id):
            # Two links and the name are enough; one later request to MusicBrainz completes many such artists.
            pages = [musicbrainz.Relation(musicbrainz.Url(spotify.PAGE_URL + one)) for one in attraction.spotify_ids]
            artist = musicbrainz.Artist(id=mbid, name=attraction.name, relations=pages)
            evidence = "linked at Ticketmaster, to Spotify too, and called the same"
            return IdentifiedArtist(artist, LINK_CONFIDENCE, evidence, lacks_details=True)
        linked = await self._providers.musicbrainz.fetch_artist(mbid)
        # Nobody checks links at Ticketmaster: a link to an artist with another name is no evidence.
        if linked is not None and has_name(linked, wanted):
            return IdentifiedArtist(linked, LINK_CONFIDENCE, "linked at Ticketmaster, and called the same")
        return await identify_artist(self._providers.musicbrainz, wanted)

    async def _is_doubted(self, mbid: str, artist_id: int) -> bool:
        """Whether a person was asked about this id of the artist, and has not confirmed it."""
        async with self._database.connection() as connection:
            verdict = await identities.fetch_verdict(
                connection, service=musicbrainz.SERVICE, external_id=mbid, artist_id=artist_id, venue_id=None
            )
        return verdict not in (None, "same")

    async def _find_at_ticketmaster(
        self, artist_id: int, artist: musicbrainz.Artist, attraction: ticketmaster.Attraction | None
    ) -> list[Identity]:
        """Finds and stores the artist's ids at Ticketmaster; ids with the same name alone become questions."""
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
                evidence = "linked to the same MusicBrainz id, and called the same"
                sure.append(Identity(ticketmaster.SERVICE, one.id, one.url, LINK_CONFIDENCE, evidence))
            elif set(one.spotify_ids) & set(artist.spotify_ids):
                evidence = "linked to the same artist at Spotify, and called the same"
                sure.append(Identity(ticketmaster.SERVICE, one.id, one.url, LINK_CONFIDENCE, evidence))
            elif not one.mbids:
                doubtful.append(Identity(ticketmaster.SERVICE, one.id, one.url, DOUBTFUL_CONFIDENCE, "its name alone"))
        return await save_identities(self._database, artist_id, artist.name, sure, doubtful)

    async def _tell_of_miss(self, job_id: int, name: str) -> None:
        """Says in the run's log that no act at Ticketmaster is surely this artist."""
        message = (
            f"{name}: Ticketmaster has no act that is surely this artist, so its shows are not found there: decide about a "
            "question in the sync manager, or import the shows from a file"
        )
        async with self._database.connection() as connection:
            await log_results(connection, job_id, STAGE, [RecordResult(None, "refused", message)])

    async def _find_at_spotify(
        self, artist_id: int, artist: musicbrainz.Artist, attraction: ticketmaster.Attraction | None
    ) -> list[Identity]:
        """Stores the artist's ids at Spotify that only Ticketmaster has; without links SongSyncService searches later."""
        if artist.spotify_ids or attraction is None or artist.id not in attraction.mbids:
            return []
        sure = [
            Identity(spotify.SERVICE, one, spotify.PAGE_URL + one, LINK_CONFIDENCE, "linked at Ticketmaster")
            for one in attraction.spotify_ids
        ]
        return await save_identities(self._database, artist_id, artist.name, sure, []) if sure else []


async def _own_slug(database: Database, source: MusicBrainzClient, artist: musicbrainz.Artist) -> str | None:
    """The slug of the artist in the catalogue; None: the catalogue does not know its id.

    An artist of the catalogue with that name and another id is a namesake, or the same artist after MusicBrainz merged
    two entries.
    """
    async with database.connection() as connection:
        known = await queries.find_identity(connection, service=musicbrainz.SERVICE, external_id=artist.id)
        if known is not None:
            return str(known["slug"])
        rows = [row async for row in queries.find_artists(connection, references=[artist.name])]
        ids = {row["slug"]: await find_ids(connection, row["slug"]) for row in rows if has_name(artist, row["name"])}
    for slug, others in ids.items():
        for other in others:
            try:
                successor = await source.fetch_artist(other)
            except Unreadable:
                # A namesake until it can be read.
                continue
            if successor is not None and successor.id == artist.id:
                return str(slug)
    return None


async def write_artist(connection: Connection, artist: musicbrainz.Artist, slug: str) -> tuple[int, str, Outcome]:
    """Writes an artist of MusicBrainz to the catalogue.

    Gives:  id, slug, outcome
    Raises: NotIdentified: the record is refused; the caller must roll back
    """
    try:
        record = ArtistRecord(
            name=artist.name[:200],
            slug=slug,
            country=artist.country if artist.country and re.fullmatch("[A-Z]{2}", artist.country) else None,
            genre=artist.genre[:80].capitalize() if artist.genre else None,
        )
        written = await write_record(connection, STAGE, record)
    except (StoreConflict, RecordRefused, ValueError) as error:
        raise NotIdentified(f"{artist.name!r} cannot be written to the catalogue: {error}") from error
    artist_id = await queries.find_artist_id(connection, slug=written.message)
    assert artist_id is not None
    return artist_id, written.message, written.outcome


def _linked_pages(artist: musicbrainz.Artist, known: Sequence[str], evidence: str) -> list[Identity]:
    """The artist's linked pages at Spotify: the known ones if any page is known, otherwise all."""
    ids = [one for one in artist.spotify_ids if one in known] or artist.spotify_ids
    return [Identity(spotify.SERVICE, one, spotify.PAGE_URL + one, LINK_CONFIDENCE, evidence) for one in ids]
