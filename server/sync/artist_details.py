"""Completes artists that are known by links alone: many in one request, because MusicBrainz allows one a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.store.database import Database, savepoint
from server.sync.artist_identification import NotIdentified, has_name
from server.sync.artists import STAGE, write_artist
from server.sync.clients import musicbrainz
from server.sync.identities import DOUBTFUL_CONFIDENCE
from server.sync.jobs import Job, log_results
from server.sync.providers import Providers
from server.sync.queries import identities, jobs
from server.sync.records import RecordResult

if TYPE_CHECKING:
    from server.store.database import Connection


class ArtistDetailsSyncService:
    """Fetches name, country and genre of artists of which only ids are known."""

    def __init__(self, database: Database, providers: Providers) -> None:
        self._database = database
        self._providers = providers

    async def sync(self, job: Job) -> None:
        """Completes all such artists, musicbrainz.IDS_MAX in one request.

        When MusicBrainz has another name for an id, the link was wrong: a person is asked, and the artist is searched
        again.

        Raises: ProviderError, StoreUnavailable; artists that were completed stay
        """
        done = 0
        while True:
            async with self._database.connection() as connection:
                rows = [row async for row in identities.list_without_details(connection, count=musicbrainz.IDS_MAX)]
            if not rows:
                return
            found = await self._providers.musicbrainz.fetch_artists([row["external_id"] for row in rows])
            by_id = {artist.id: artist for artist in found}
            for row in rows:
                async with self._database.transaction() as connection:
                    await _put_details(connection, job.id, row, by_id.get(row["external_id"]))
            done += len(rows)
            await job.report_progress(STAGE, done, done)


async def _put_details(connection: Connection, job_id: int, row: Any, found: musicbrainz.Artist | None) -> None:
    """Stores the details of an artist whose id came from a link.

    Takes: row of list_without_details; found, None: MusicBrainz has no artist under that id now
    """
    results: list[RecordResult] = []
    if found is None:
        # The entry was merged into another one, to which the artist's own page redirects.
        await _queue_search(connection, row["artist_id"])
    elif not has_name(found, row["name"]):
        evidence = f"linked at Ticketmaster, but called {found.name!r} at MusicBrainz"
        url = musicbrainz.PAGE_URL + found.id
        await identities.put_review(
            connection, service=musicbrainz.SERVICE, external_id=found.id, name=found.name, url=url,
            artist_id=row["artist_id"], venue_id=None, confidence=DOUBTFUL_CONFIDENCE, evidence=evidence,
        )  # fmt: skip
        await identities.delete_identity(connection, service=musicbrainz.SERVICE, external_id=found.id)
        await _queue_search(connection, row["artist_id"])
        message = f"{row['slug']}: {evidence}; decide about it in the sync manager"
        results = [RecordResult(None, "refused", message)]
    else:
        try:
            async with savepoint(connection):
                _, slug, outcome = await write_artist(connection, found, row["slug"])
            results = [RecordResult(None, outcome, slug)]
        except NotIdentified as error:
            results = [RecordResult(None, "refused", str(error))]
    await identities.set_lacks_details(connection, external_id=row["external_id"], lacks_details=False)
    await log_results(connection, job_id, STAGE, results)


async def _queue_search(connection: Connection, artist_id: int) -> None:
    await jobs.queue_job(
        connection, service=musicbrainz.SERVICE, kind="artist", subject=str(artist_id), priority="normal", delay_s=0.0
    )
