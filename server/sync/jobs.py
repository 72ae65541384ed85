"""Jobs: units of work that fetch from providers. The database holds each job, its progress and its results.

Jobs have a queue of their own: an existing one (procrastinate, pgqueuer) would add its own tables, connections and
migrations to replace a few hundred lines (docs/adr/0026).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from server.errors import MysetlistError, StoreError
from server.moderation.logs import command_line_user
from server.protocol.progress import ReportProgress, ignore_progress
from server.store.database import Database
from server.sync.clients.responses import collect_faults
from server.sync.queries import jobs
from server.sync.records import RecordResult

if TYPE_CHECKING:
    from server.store.database import Connection

log = structlog.get_logger()

JobType = tuple[str, str]  # service, kind

# The stage in whose log a faulty item stands: by the item, else by the service.
_STAGES = {
    "artist": "artists", "attraction": "artists", "venue": "venues", "event": "shows", "track": "songs",
    "musicbrainz": "artists", "ticketmaster": "shows", "setlistfm": "setlists", "spotify": "songs",
}  # fmt: skip


class JobImpossible(MysetlistError):
    """A job that no further attempt can complete; the message says why and what to do."""


@dataclass(slots=True)
class Job:
    """One running job; `cursor` is the place where an earlier attempt stopped."""

    id: int
    service: str
    kind: str
    subject: str
    cursor: dict[str, Any]
    database: Database
    on_progress: ReportProgress = ignore_progress

    async def save_cursor(self, cursor: dict[str, Any]) -> None:
        """Stores the place where another attempt continues.

        Raises: StoreUnavailable
        """
        self.cursor = cursor
        async with self.database.connection() as connection:
            await jobs.save_cursor(connection, id=self.id, cursor=msgspec.json.encode(cursor).decode())

    async def report_progress(self, stage: str, done: int, total: int) -> None:
        """Stores how far a stage is, and passes it on.

        Raises: StoreUnavailable
        """
        async with self.database.connection() as connection:
            await jobs.put_progress(connection, job_id=self.id, stage=stage, done=done, total=total)
        self.on_progress(stage, done, total)


JobHandler = Callable[[Job], Awaitable[None]]


async def queue_job(
    database: Database, service: str, kind: str, subject: str, *, priority: str = "normal", delay_s: float = 0.0
) -> int:
    """Queues a job. If the same job waits already, it runs at the earlier of both times.

    Gives:  its id
    Raises: StoreUnavailable
    """
    async with database.connection() as connection:
        job_id: int = await jobs.queue_job(
            connection, service=service, kind=kind, subject=subject, priority=priority, delay_s=delay_s
        )
    return job_id


@asynccontextmanager
async def recorded_job(database: Database, service: str, kind: str, subject: str) -> AsyncIterator[int]:
    """Records the work of a command in its block as a job, and in the audit log: its start, and whether it succeeded, failed or was cancelled.

    Gives:  the job's id
    Raises: StoreUnavailable, and every error of the work
    """
    async with database.connection() as connection:
        job_id: int = await jobs.insert_job(
            connection,
            service=service,
            kind=kind,
            subject=subject,
            maker=f"the command line, run by {command_line_user()}",
        )
    status, reason = "cancelled", "The command was stopped. What it had written stays."
    try:
        async with reported_faults(database, job_id):
            yield job_id
        status, reason = "succeeded", ""
    except MysetlistError as error:
        status, reason = "failed", str(error)
        raise
    except Exception as bug:
        status, reason = (
            "failed",
            f"A bug stopped this job ({type(bug).__name__}). The output of the command has the details.",
        )
        raise
    finally:
        async with database.connection() as connection:
            await jobs.finish_job(connection, id=job_id, status=status, error=reason)


@asynccontextmanager
async def reported_faults(database: Database, job_id: int) -> AsyncIterator[None]:
    """Writes the items of providers that could not be read within the block to the job's log, each with its name.

    Raises: StoreUnavailable, and every error of the block
    """
    with collect_faults() as faults:
        try:
            yield
        finally:
            for service, fault in faults:
                message = f"{service}: {fault.item} cannot be read and was left out: {fault.reason}"
                stage = _STAGES.get(fault.kind) or _STAGES[service]
                async with database.connection() as connection:
                    await log_results(connection, job_id, stage, [RecordResult(None, "refused", message)])


async def run_job_now(
    database: Database,
    handler: JobHandler,
    job_type: JobType,
    subject: str,
    report_progress: ReportProgress = ignore_progress,
) -> int:
    """Runs a job at once, and records it like a queued one.

    Gives:  the job's id; its row says whether it succeeded
    Raises: StoreUnavailable
    Cancel: the job is recorded as cancelled; rows that were written stay
    """
    service, kind = job_type
    try:
        async with recorded_job(database, service, kind, subject) as job_id:
            await handler(Job(job_id, service, kind, subject, {}, database, report_progress))
    except StoreError:
        raise
    except MysetlistError as error:
        log.info("sync.job_failed", job=job_id, error=str(error))
    return job_id


async def log_results(connection: Connection, job_id: int, stage: str, results: Sequence[RecordResult]) -> None:
    """Writes the results of a job's records to its log, without unchanged ones.

    Raises: StoreUnavailable
    """
    rows = [
        {"line": result.line, "outcome": result.outcome, "message": result.told}
        for result in results
        if result.outcome != "unchanged"
    ]
    if rows:
        await jobs.insert_outcomes(connection, job_id=job_id, stage=stage, rows=msgspec.json.encode(rows).decode())
