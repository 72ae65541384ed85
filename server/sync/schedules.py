"""What a node does for the catalogue by itself, with the providers it may ask."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from server.store.database import Database
from server.sync.artist_details import DetailsSyncService
from server.sync.artists import ArtistSyncService
from server.sync.identities import identities, ids_by_service
from server.sync.providers import Providers
from server.sync.scheduler import Job, JobHandler, Schedule, SyncScheduler, jobs, queue_job
from server.sync.setlists import SetlistSyncService
from server.sync.shows import ShowSyncService
from server.sync.songs import SongSyncService
from server.sync.venues import VenueSyncService

if TYPE_CHECKING:
    from server.store.database import Connection

# What is looked up for an artist, in this order: shows first, so that there is something to predict for; recordings last,
# for who has no setlists.
ARTIST_JOBS = (("ticketmaster", "shows"), ("setlistfm", "setlists"), ("spotify", "songs"))

# By which service's id an artist is known there.
IDENTITY_FOR = {"shows": "ticketmaster", "setlists": "musicbrainz", "songs": "spotify"}

HOUR_S = 3_600
DAY_S = 24 * HOUR_S
# How many jobs a schedule adds at once, and over how long they are spread.
JOBS_MAX = 200
SPREAD_S = 600.0


def build_handlers(database: Database, providers: Providers) -> dict[tuple[str, str], JobHandler]:
    """All jobs that can be done with the providers there are, by service and kind."""
    artists = ArtistSyncService(database, providers)

    async def artist(job: Job) -> None:
        await artists.sync_known(int(job.subject), job.id)

    handlers: dict[tuple[str, str], JobHandler] = {
        ("musicbrainz", "artist"): artist,
        ("musicbrainz", "details"): DetailsSyncService(database, providers).sync,
    }
    if providers.ticketmaster is not None:
        shows, venues = ShowSyncService(database, providers), VenueSyncService(database, providers)
        handlers |= {
            ("ticketmaster", "shows"): shows.sync,
            ("ticketmaster", "show"): shows.sync_show,
            ("ticketmaster", "venue"): venues.sync,
        }
    if providers.setlistfm is not None:
        setlists = SetlistSyncService(database, providers)
        handlers |= {("setlistfm", "setlists"): setlists.sync, ("setlistfm", "played"): setlists.sync_played}
    if providers.spotify is not None:
        handlers["spotify", "songs"] = SongSyncService(database, providers).sync
    return handlers


def chain_artist_jobs(
    database: Database, handlers: Mapping[tuple[str, str], JobHandler]
) -> dict[tuple[str, str], JobHandler]:
    """Jobs of an artist one after the other: who was found has shows, shows are predicted for, and so on."""
    chain = [("musicbrainz", "artist"), *ARTIST_JOBS]

    def followed(number: int, handler: JobHandler) -> JobHandler:
        async def handle(job: Job) -> None:
            await handler(job)
            async with database.connection() as connection:
                row = await identities.fetch_artist(connection, artist_id=int(job.subject))
            known = ids_by_service(row) if row is not None else {}
            for service, kind in chain[number + 1 :]:
                # Who an artist is at Spotify is told by songs, if by no link.
                if (service, kind) in handlers and (kind == "songs" or IDENTITY_FOR[kind] in known):
                    await queue_job(database, service, kind, job.subject)
                    return

        return handle

    return {
        what: followed(chain.index(what), handler) if what in chain else handler for what, handler in handlers.items()
    }


def build_scheduler(database: Database, providers: Providers) -> SyncScheduler:
    """All jobs that can be done with the providers there are, and the schedules that queue them."""
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
