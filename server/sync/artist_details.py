"""What MusicBrainz says of artists whom a link elsewhere made known: many at one question, since it takes one a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.store.database import Database, savepoint
from server.sync.artist_identification import NotIdentified, has_name
from server.sync.artists import STAGE, write_artist
from server.sync.clients import musicbrainz
from server.sync.file_import import log_outcomes
from server.sync.identities import DOUBTFUL_CONFIDENCE, identities
from server.sync.providers import Providers
from server.sync.record_writer import Outcomes
from server.sync.scheduler import Job, jobs

if TYPE_CHECKING:
    from server.store.database import Connection


class DetailsSyncService:
    """Completes artists of whom only ids are known."""

    def __init__(self, database: Database, providers: Providers) -> None:
        self._database = database
        self._providers = providers

    async def sync(self, job: Job) -> None:
        """Name, country and genre of artists of whom only ids are known so far, many at one question.

        One whom MusicBrainz calls otherwise was linked wrongly: a person is asked, and the artist is looked for anew.

        Raises: ProviderError, StoreUnavailable; what was written stays
        """
        done = 0
        while True:
            async with self._database.connection() as connection:
                rows = [row async for row in identities.lacking_details(connection, count=musicbrainz.IDS_MAX)]
            if not rows:
                return
            found = await self._providers.musicbrainz.fetch_artists([row["external_id"] for row in rows])
            by_id = {artist.id: artist for artist in found}
            for row in rows:
                async with self._database.transaction() as connection:
                    await _put_details(connection, job.id, row, by_id.get(row["external_id"]))
            done += len(rows)
            await job.tell(STAGE, done, done)


async def _put_details(connection: Connection, job_id: int, row: Any, found: musicbrainz.Artist | None) -> None:
    """What MusicBrainz says under an id that only a link gave us.

    Takes: row, of lacking_details; found, None: nobody has that id, or not any more
    """
    outcomes: Outcomes = []
    if found is None:
        # Merged into another, whom the artist's own page leads to.
        await _look_anew(connection, row["artist_id"])
    elif not has_name(found, row["name"]):
        evidence = f"linked at Ticketmaster, but called {found.name!r} at MusicBrainz"
        url = musicbrainz.PAGE_URL + found.id
        await identities.put_review(
            connection, service=musicbrainz.SERVICE, external_id=found.id, name=found.name, url=url,
            artist_id=row["artist_id"], venue_id=None, confidence=DOUBTFUL_CONFIDENCE, evidence=evidence,
        )  # fmt: skip
        await identities.delete_identity(connection, service=musicbrainz.SERVICE, external_id=found.id)
        await _look_anew(connection, row["artist_id"])
        outcomes = [(0, "refused", f"{row['slug']}: {evidence}")]
    else:
        try:
            async with savepoint(connection):
                _, slug, outcome = await write_artist(connection, found, row["slug"])
            outcomes = [(0, outcome, slug)]
        except NotIdentified as error:
            outcomes = [(0, "refused", str(error))]
    await identities.set_lacks_details(connection, external_id=row["external_id"], lacks_details=False)
    await log_outcomes(connection, job_id, STAGE, outcomes)


async def _look_anew(connection: Connection, artist_id: int) -> None:
    await jobs.queue_job(
        connection, service=musicbrainz.SERVICE, kind="artist", subject=str(artist_id), priority="normal", delay_s=0.0
    )
