"""Forgetting a provider: everything that came from it goes, but for what people made theirs. And what may not be kept long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from server.progress import ReportProgress, ignore_progress
from server.store.queries import load_queries
from server.sync.jobs import jobs, recorded_job
from server.sync.record_writer import lock_shards

if TYPE_CHECKING:
    from server.store.database import Connection, Database

Service = Literal["ticketmaster", "spotify", "setlistfm", "musicbrainz"]

# Votes on the shows of a batch wait while it is done.
SHOWS_PER_BATCH = 20
ROWS_PER_BATCH = 1_000

forgetting = load_queries(Path(__file__).with_name("forgetting.sql"))


async def forget(
    database: Database, service: Service, *, report_progress: ReportProgress = ignore_progress
) -> Counter[str]:
    """Takes out what a provider told: answers, links, questions, unvoted sets, and shows and venues only it told us of.

    What has votes stays, without a link. Twice is once; what was cut off is ended by the next. The provider's jobs are
    paused until somebody resumes them, or they would bring it all back.

    Gives:  how many of each are gone; `kept`, how many shows it had told us of stay
    Raises: StoreUnavailable
    Cancel: what was forgotten stays forgotten; the run is marked cancelled
    """
    gone: Counter[str] = Counter()
    async with recorded_job(database, service, "forget", service) as job_id:
        async with database.connection() as connection:
            await jobs.stop_jobs(connection, service=service, job_id=job_id)
        await _forget_shows(database, service, gone, report_progress)
        async with database.connection() as connection:
            while venues := await forgetting.delete_venues(connection, service=service, count=ROWS_PER_BATCH):
                gone["venues"] += venues
            of_run = {"service": service, "job_id": job_id, "count": ROWS_PER_BATCH}
            while any((rows := dict(await forgetting.delete_rows(connection, **of_run))).values()):
                gone.update(rows)
                report_progress("links", gone["links"], gone["links"])
            setlists = gone["played"] + gone["predicted"]
            for stage, count in (("venues", gone["venues"]), ("shows", gone["shows"]), ("setlists", setlists)):
                await jobs.put_progress(connection, job_id=job_id, stage=stage, done=count, total=count)
    return gone


async def _forget_shows(
    database: Database, service: Service, gone: Counter[str], report_progress: ReportProgress
) -> None:
    after_id, seen = 0, 0
    while True:
        async with database.transaction() as connection:
            listed = forgetting.list_shows(connection, service=service, after_id=after_id, count=SHOWS_PER_BATCH)
            shows = [row async for row in listed]
            if not shows:
                return
            ids = await _hold_shows(connection, shows)
            gone["played"] += await forgetting.delete_played(connection, service=service, ids=ids)
            await forgetting.delete_settled(connection, service=service, ids=ids)
            gone["predicted"] += await forgetting.delete_predicted(connection, service=service, ids=ids)
            deleted = await forgetting.delete_shows(connection, service=service, ids=ids)
        gone["shows"] += deleted
        gone["kept"] += len(shows) - deleted
        after_id, seen = ids[-1], seen + len(ids)
        report_progress("shows", seen, seen)


async def expire_played(connection: Connection, days: int) -> int:
    """Takes out what setlist.fm said was played, unless it said so again within so many days.

    What somebody voted on or changed is ours by then. Links stay, and so do scores. What is seen there again comes back.

    Takes:  connection, an owner's, in no transaction
    Gives:  of how many shows it is gone
    """
    after_id, gone = 0, 0
    while True:
        async with connection.transaction():
            listed = forgetting.list_expired(connection, days=days, after_id=after_id, count=SHOWS_PER_BATCH)
            shows = [row async for row in listed]
            if not shows:
                return gone
            ids = await _hold_shows(connection, shows)
            gone += await forgetting.delete_played(connection, service="setlistfm", ids=ids)
            await forgetting.settle_shows(connection, ids=ids)
        after_id = ids[-1]


async def _hold_shows(connection: Connection, shows: Sequence[Any]) -> list[int]:
    await lock_shards(connection, [show["slug"] for show in shows])
    return [row["id"] async for row in forgetting.lock_shows(connection, ids=[show["id"] for show in shows])]
