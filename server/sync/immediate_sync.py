"""What a command does at once that nodes do by and by: the jobs of one artist, or of one show, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from server.errors import SetupError
from server.store.database import Database
from server.sync.file_import import Progress
from server.sync.identities import identities
from server.sync.providers import Providers
from server.sync.scheduler import run_job_now
from server.sync.schedules import ARTIST_JOBS, build_handlers

SHOW_JOBS = (("ticketmaster", "show"), ("setlistfm", "played"))


async def sync_artist_now(
    database: Database, providers: Providers, artist_id: int, *, progress: Progress = lambda *_: None
) -> list[int]:
    """Everything the providers know of an artist's shows.

    Gives:  the runs, in order; one that failed says why, and the others went on
    Raises: StoreUnavailable
    """
    return await _run_all(database, providers, ARTIST_JOBS, str(artist_id), progress)


async def sync_show_now(
    database: Database, providers: Providers, show_id: int, *, progress: Progress = lambda *_: None
) -> list[int]:
    """Everything the providers know of a show, and what its artist will probably play.

    Gives:  the runs, in order; one that failed says why, and the others went on
    Raises: SetupError: there is no such show, or no key for anybody who could know; StoreUnavailable
    """
    async with database.connection() as connection:
        show = await identities.fetch_show(connection, show_id=show_id)
    if show is None:
        raise SetupError(f"there is no show {show_id}")
    if providers.ticketmaster is None and providers.setlistfm is None:
        raise SetupError("TICKETMASTER_API_KEY, SETLISTFM_API_KEY: at least one is needed to know anything of a show")
    runs = await _run_all(database, providers, SHOW_JOBS, str(show_id), progress)
    predicting = ARTIST_JOBS[1:2]
    return runs + await _run_all(database, providers, predicting, str(show["artist_id"]), progress)


async def _run_all(
    database: Database, providers: Providers, kinds: Sequence[tuple[str, str]], subject: str, progress: Progress
) -> list[int]:
    handlers = build_handlers(database, providers)
    wanted = [kind for kind in kinds if kind in handlers]
    runs = []
    for number, what in enumerate(wanted):
        progress("runs", number, len(wanted))
        runs.append(await run_job_now(database, handlers[what], what, subject, progress))
    progress("runs", len(wanted), len(wanted))
    return runs
