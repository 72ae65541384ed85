"""Who asks providers when: jobs in PostgreSQL, each done by one node at a time, none lost with a node.

Every node does the same: it takes jobs whose time has come (SKIP LOCKED, so nobody waits for anybody), holds a lease on
each and renews it; a job whose lease ran out is taken over where its cursor stands. A queue of one's own, because a
kept one (procrastinate, pgqueuer) would bring its own tables, connections and migrations for the hundred lines below.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from server.errors import MysetlistError, ProviderError, StoreError
from server.store.database import Database
from server.store.queries import load_queries
from server.sync.file_import import Progress, recording_end
from server.sync.record_writer import queries as catalogue
from server.telemetry import SYNC_JOBS

if TYPE_CHECKING:
    from server.store.database import Connection

log = structlog.get_logger()

POLL_EVERY_S = 5.0
LEASE_S = 60.0
ATTEMPTS_MAX = 6
BACKOFF_S = 60.0
BACKOFF_S_MAX = 6 * 3_600.0
# Jobs of one service at once on one node; how fast they ask is the gate's business.
JOBS_PER_SERVICE = 2

jobs = load_queries(Path(__file__).with_name("jobs.sql"))


class JobImpossible(MysetlistError):
    """A job that can never be done: trying again would not help. The message says why."""


@dataclass(slots=True)
class Job:
    """One job under way; `cursor` is where an earlier attempt left it."""

    id: int
    service: str
    kind: str
    subject: str
    cursor: dict[str, Any]
    database: Database
    progress: Progress = lambda *_: None

    async def save(self, cursor: dict[str, Any]) -> None:
        """Remembers how far it is, for whoever goes on.

        Raises: StoreUnavailable
        """
        self.cursor = cursor
        async with self.database.connection() as connection:
            await jobs.save_cursor(connection, id=self.id, cursor=msgspec.json.encode(cursor).decode())

    async def tell(self, stage: str, done: int, total: int) -> None:
        """How far a stage is, for whoever looks.

        Raises: StoreUnavailable
        """
        async with self.database.connection() as connection:
            await catalogue.put_progress(connection, job_id=self.id, stage=stage, done=done, total=total)
        self.progress(stage, done, total)


JobHandler = Callable[[Job], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is queued every_s seconds.

    Takes: queue, adds jobs on a connection and gives how many
    """

    name: str
    every_s: int
    queue: Callable[[Connection], Awaitable[int]]


async def queue_job(
    database: Database, service: str, kind: str, subject: str, *, priority: str = "normal", delay_s: float = 0.0
) -> int:
    """Queues a job; one that waits already is done at the earlier time.

    Gives:  its id
    Raises: StoreUnavailable
    """
    async with database.connection() as connection:
        job_id: int = await jobs.queue_job(
            connection, service=service, kind=kind, subject=subject, priority=priority, delay_s=delay_s
        )
    return job_id


async def run_job_now(
    database: Database, handler: JobHandler, what: tuple[str, str], subject: str, progress: Progress = lambda *_: None
) -> int:
    """Does a job here and now, and records it like any other.

    Takes:  what, its service and kind
    Gives:  its id; how it ended stands there
    Raises: StoreUnavailable
    Cancel: it is marked cancelled; what was written stays
    """
    service, kind = what
    async with database.connection() as connection:
        job_id: int = await catalogue.insert_job(connection, service=service, kind=kind, subject=subject)
    job = Job(job_id, service, kind, subject, {}, database, progress)
    try:
        async with recording_end(database, job_id):
            await handler(job)
    except StoreError:
        raise
    except MysetlistError as error:
        log.info("sync.job_failed", job=job_id, error=str(error))
    return job_id


class SyncScheduler:
    """Does jobs on this node.

    Takes: handlers, by service and kind; schedules
    """

    def __init__(
        self, database: Database, handlers: Mapping[tuple[str, str], JobHandler], schedules: Sequence[Schedule]
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._schedules = {schedule.name: schedule for schedule in schedules}
        self._are_schedules_known = False
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._services: dict[int, str] = {}

    async def run(self) -> None:
        """Until cancelled; then what is under way is left to whoever takes it over."""
        try:
            while True:
                begun = 0
                try:
                    begun = await self.start_due_jobs()
                except StoreError as error:
                    log.warning("sync.not_looked", error=str(error))
                if self._tasks:
                    await asyncio.wait(self._tasks.values(), timeout=POLL_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                elif not begun:
                    await asyncio.sleep(POLL_EVERY_S)
        finally:
            under_way = list(self._tasks.values())
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def start_due_jobs(self) -> int:
        """Renews what is under way, takes over what nobody does any more, queues what is due, and begins jobs.

        Gives:  how many it began; some may be over already
        Raises: StoreUnavailable
        """
        async with self._database.connection() as connection:
            await self._renew(connection)
            taken_over: int = await jobs.take_over_jobs(connection)
            if taken_over:
                log.warning("sync.jobs_taken_over", count=taken_over)
            await self._queue_due(connection)
            return await self._begin(connection)

    async def run_until_idle(self) -> None:
        """Returns when nothing that is due is left, and nothing under way; for commands and tests."""
        while True:
            begun = await self.start_due_jobs()
            if self._tasks:
                await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)
            elif not begun:
                return

    async def _renew(self, connection: Connection) -> None:
        if not self._tasks:
            return
        own = {row["id"] async for row in jobs.renew_leases(connection, ids=list(self._tasks), lease_s=LEASE_S)}
        for job_id in self._tasks.keys() - own:
            # Cancelled, or somebody thought us dead: it is not ours any more.
            self._tasks[job_id].cancel()

    async def _queue_due(self, connection: Connection) -> None:
        if not self._are_schedules_known:
            names, everies = list(self._schedules), [schedule.every_s for schedule in self._schedules.values()]
            await jobs.put_schedules(connection, names=names, everies_s=everies)
            self._are_schedules_known = True
        for name in [row["name"] async for row in jobs.take_schedules(connection)]:
            # A schedule that a newer version has and this one does not is left to that one's nodes.
            if name in self._schedules:
                count = await self._schedules[name].queue(connection)
                log.info("sync.schedule_queued", schedule=name, jobs=count)

    async def _begin(self, connection: Connection) -> int:
        begun = 0
        for service in sorted({service for service, _ in self._handlers}):
            free = JOBS_PER_SERVICE - sum(own == service for own in self._services.values())
            if free <= 0:
                continue
            kinds = [kind for of, kind in self._handlers if of == service]
            rows = jobs.claim_jobs(connection, service=service, kinds=kinds, count=free, lease_s=LEASE_S)
            async for row in rows:
                cursor = msgspec.json.decode(row["cursor"], type=dict[str, Any])
                job = Job(row["id"], row["service"], row["kind"], row["subject"], cursor, self._database)
                self._services[job.id] = job.service
                task = asyncio.create_task(self._do(job, row["attempts"]), name=f"sync {job.kind} {job.subject}")
                self._tasks[job.id] = task
                task.add_done_callback(lambda done, job_id=job.id: self._forget(job_id, done))  # type: ignore[misc]
                begun += 1
        return begun

    def _forget(self, job_id: int, done: asyncio.Task[None]) -> None:
        del self._tasks[job_id], self._services[job_id]
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("sync.job_broken", job=job_id, exc_info=error)

    async def _do(self, job: Job, attempts: int) -> None:
        log.info("sync.job_begun", job=job.id, service=job.service, kind=job.kind, subject=job.subject)
        status, error = "succeeded", ""
        trouble: ProviderError | StoreError | None = None
        try:
            await self._handlers[job.service, job.kind](job)
        except (ProviderError, StoreError) as away:
            trouble = away
        except MysetlistError as unfit:
            status, error = "failed", str(unfit)
        except Exception as bug:
            # A bug in one job is no reason to stop the others; it is told, and not tried again.
            log.exception("sync.job_broken", job=job.id)
            status, error = "failed", f"{type(bug).__name__}: see the log"
        try:
            if trouble is None:
                await self._end(job, status, error)
            else:
                await self._postpone(job, trouble, attempts)
        except StoreError as away:
            # Its lease runs out, and whoever is there then goes on.
            log.warning("sync.job_left", job=job.id, error=str(away))

    async def _end(self, job: Job, status: str, error: str) -> None:
        async with self._database.connection() as connection:
            await jobs.end_job(connection, id=job.id, status=status, error=error)
        SYNC_JOBS.labels(job.service, job.kind, status).inc()
        log.info("sync.job_ended", job=job.id, kind=job.kind, subject=job.subject, status=status, error=error)

    async def _postpone(self, job: Job, trouble: ProviderError | StoreError, attempts: int) -> None:
        """Later: when the provider said, or after a while that doubles; not for ever."""
        told_s = trouble.retry_after_s if isinstance(trouble, ProviderError) else None
        if told_s is not None:
            delay_s = told_s
        elif attempts >= ATTEMPTS_MAX:
            await self._end(job, "failed", str(trouble))
            return
        elif isinstance(trouble, StoreError) and attempts == 1:
            # PostgreSQL was busy for a moment, or two jobs met.
            delay_s = 0.0
        else:
            delay_s = min(BACKOFF_S * 2 ** (attempts - 1), BACKOFF_S_MAX)
        async with self._database.connection() as connection:
            await jobs.postpone_job(
                connection, id=job.id, error=str(trouble), delay_s=delay_s, is_counted=told_s is None
            )
        SYNC_JOBS.labels(job.service, job.kind, "postponed").inc()
        log.info("sync.job_postponed", job=job.id, delay_s=delay_s, error=str(trouble))
