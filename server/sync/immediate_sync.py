"""Syncs an artist or a show at once, for a command: runs the jobs that nodes would run over time, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from server.errors import SetupError
from server.protocol.progress import ReportProgress, ignore_progress
from server.store.database import Database
from server.sync.jobs import JobType, run_job_now
from server.sync.providers import Providers
from server.sync.queries import identities
from server.sync.schedules import ARTIST_JOBS, build_handlers

SHOW_JOBS = (("ticketmaster", "show"), ("setlistfm", "played"))
PREDICTION_JOBS = (("setlistfm", "setlists"),)


async def sync_artist_now(
    database: Database, providers: Providers, artist_id: int, *, report_progress: ReportProgress = ignore_progress
) -> list[int]:
    """Fetches everything that the providers know about an artist's shows.

    Gives:  ids of the jobs, in order; a failed job says why, and the others still ran
    Raises: StoreUnavailable
    """
    return await _run_jobs(database, providers, ARTIST_JOBS, str(artist_id), report_progress)


async def sync_show_now(
    database: Database, providers: Providers, show_id: int, *, report_progress: ReportProgress = ignore_progress
) -> list[int]:
    """Fetches everything that the providers know about a show, and predicts its setlist.

    Gives:  ids of the jobs, in order; a failed job says why, and the others still ran
    Raises: SetupError: no such show, or no key of a provider that knows shows; StoreUnavailable
    """
    async with database.connection() as connection:
        show = await identities.fetch_show(connection, show_id=show_id)
    if show is None:
        raise SetupError(f"the catalogue has no show {show_id}: check the id")
    if providers.ticketmaster is None and providers.setlistfm is None:
        raise SetupError(
            "no provider of shows has a key: set TICKETMASTER_API_KEY or SETLISTFM_API_KEY (docs/providers.md)"
        )
    job_ids = await _run_jobs(database, providers, SHOW_JOBS, str(show_id), report_progress)
    return job_ids + await _run_jobs(database, providers, PREDICTION_JOBS, str(show["artist_id"]), report_progress)


async def _run_jobs(
    database: Database,
    providers: Providers,
    job_types: Sequence[JobType],
    subject: str,
    report_progress: ReportProgress,
) -> list[int]:
    handlers = build_handlers(database, providers)
    possible = [job_type for job_type in job_types if job_type in handlers]
    job_ids = []
    for number, job_type in enumerate(possible):
        report_progress("runs", number, len(possible))
        job_ids.append(await run_job_now(database, handlers[job_type], job_type, subject, report_progress))
    report_progress("runs", len(possible), len(possible))
    return job_ids
