"""Which jobs a node runs by itself: the handlers of the available providers, and the schedules that queue jobs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from server.store.database import Database
from server.sync.artist_details import ArtistDetailsSyncService
from server.sync.artists import ArtistSyncService
from server.sync.identities import ids_by_service
from server.sync.jobs import Job, JobHandler, JobType, queue_job
from server.sync.providers import Providers
from server.sync.queries import identities, jobs
from server.sync.scheduler import Schedule, SyncScheduler
from server.sync.setlists import SetlistSyncService
from server.sync.shows import ShowSyncService
from server.sync.songs import SongSyncService
from server.sync.venues import VenueSyncService

if TYPE_CHECKING:
    from server.store.database import Connection

# The jobs of an artist, in order: shows first, because predictions need a show; recordings last, because they replace
# missing setlists.
ARTIST_JOBS = (("ticketmaster", "shows"), ("setlistfm", "setlists"), ("spotify", "songs"))

# The service whose id of an artist a kind of job needs.
IDENTITY_FOR = {"shows": "ticketmaster", "setlists": "musicbrainz", "songs": "spotify"}

HOUR_S = 3_600
DAY_S = 24 * HOUR_S
# How many jobs a schedule adds at once, and the time over which it spreads their starts.
JOBS_MAX = 200
SPREAD_S = 600.0


def build_handlers(database: Database, providers: Providers) -> dict[JobType, JobHandler]:
    """The handlers of all jobs that the available providers can do, by service and kind."""
    artists = ArtistSyncService(database, providers)

    async def artist(job: Job) -> None:
        await artists.sync_known(int(job.subject), job.id)

    async def search(job: Job) -> None:
        found = await artists.sync_named(job.subject, job.id)
        # From here on the artist is synced like any other.
        await queue_job(database, "musicbrainz", "artist", str(found.id))

    handlers: dict[JobType, JobHandler] = {
        ("musicbrainz", "artist"): artist,
        ("musicbrainz", "search"): search,
        ("musicbrainz", "details"): ArtistDetailsSyncService(database, providers).sync,
    }
    if providers.ticketmaster is not None:
        shows, venues = (
            ShowSyncService(database, providers.ticketmaster, providers.change_rules),
            VenueSyncService(database, providers.ticketmaster),
        )
        handlers |= {
            ("ticketmaster", "shows"): shows.sync,
            ("ticketmaster", "show"): shows.sync_show,
            ("ticketmaster", "venue"): venues.sync,
        }
    if providers.setlistfm is not None:
        setlists = SetlistSyncService(database, providers.setlistfm, providers.change_rules)
        handlers |= {("setlistfm", "setlists"): setlists.sync, ("setlistfm", "played"): setlists.sync_played}
    if providers.spotify is not None:
        songs = SongSyncService(database, providers.spotify, providers.change_rules)
        handlers["spotify", "songs"] = songs.sync
    return handlers


def chain_artist_jobs(database: Database, handlers: Mapping[JobType, JobHandler]) -> dict[JobType, JobHandler]:
    """Lets each job of an artist queue the artist's next job: after the artist its shows, then setlists, then songs."""
    chain = [("musicbrainz", "artist"), *ARTIST_JOBS]

    def chained(number: int, handler: JobHandler) -> JobHandler:
        async def handle(job: Job) -> None:
            await handler(job)
            async with database.connection() as connection:
                row = await identities.fetch_artist(connection, artist_id=int(job.subject))
            known = ids_by_service(row) if row is not None else {}
            for service, kind in chain[number + 1 :]:
                # An artist without a link to Spotify can still be identified there by songs.
                if (service, kind) in handlers and (kind == "songs" or IDENTITY_FOR[kind] in known):
                    await queue_job(database, service, kind, job.subject)
                    return

        return handle

    return {
        job_type: chained(chain.index(job_type), handler) if job_type in chain else handler
        for job_type, handler in handlers.items()
    }


def build_scheduler(database: Database, providers: Providers) -> SyncScheduler:
    """A scheduler with all jobs that the available providers can do, and the schedules that queue them."""
    handlers = build_handlers(database, providers)
    schedules = [
        Schedule("artists", HOUR_S, _queue_artists),
        Schedule("shows", HOUR_S, partial(_queue_of_artists, "ticketmaster", "shows")),
        Schedule("setlists", HOUR_S, partial(_queue_of_artists, "setlistfm", "setlists")),
        Schedule("played", HOUR_S // 4, _queue_played),
        Schedule("venues", DAY_S, _queue_venues),
        Schedule("songs", DAY_S, partial(_queue_of_artists, "spotify", "songs")),
    ]
    kinds = {"artists", *(kind for _, kind in handlers)} | (
        {"venues"} if ("ticketmaster", "venue") in handlers else set()
    )
    return SyncScheduler(
        database, chain_artist_jobs(database, handlers), [one for one in schedules if one.name in kinds]
    )


async def _queue_artists(connection: Connection) -> int:
    count: int = await jobs.queue_artists(
        connection, service="musicbrainz", older_than_s=30 * DAY_S, count=JOBS_MAX, spread_s=SPREAD_S
    )
    return count


async def _queue_of_artists(service: str, kind: str, connection: Connection) -> int:
    count: int = await jobs.queue_of_artists(
        connection, service=service, kind=kind, identity=IDENTITY_FOR[kind], older_than_s=7 * DAY_S, near_older_than_s=DAY_S,
        count=JOBS_MAX, spread_s=SPREAD_S,
    )  # fmt: skip
    return count


async def _queue_played(connection: Connection) -> int:
    count: int = await jobs.queue_played(connection, service="setlistfm", count=JOBS_MAX, spread_s=SPREAD_S)
    return count


async def _queue_venues(connection: Connection) -> int:
    count: int = await jobs.queue_venues(
        connection, service="ticketmaster", older_than_s=30 * DAY_S, count=JOBS_MAX, spread_s=SPREAD_S
    )
    return count
