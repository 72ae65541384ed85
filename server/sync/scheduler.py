"""Runs queued jobs: every job on one node at a time, and no job is lost with its node.

All nodes do the same. A node claims due jobs (SKIP LOCKED, so that no node waits for another), holds a lease on each
and renews it. When a lease expires, another node takes the job over and continues from its cursor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from server.clock import backoff_s
from server.errors import MysetlistError, ProviderError, Refused, StoreError
from server.store.database import Database
from server.sync.clients.provider import Unreadable
from server.sync.jobs import Job, JobHandler, JobType, reported_faults
from server.sync.queries import jobs
from server.telemetry import SYNC_JOBS

if TYPE_CHECKING:
    from server.store.database import Connection

log = structlog.get_logger()

POLL_EVERY_S = 5.0
LEASE_S = 60.0
ATTEMPTS_MAX = 6
BACKOFF_S = 60.0
BACKOFF_S_MAX = 6 * 3_600.0
# Jobs of one service that a node runs at once; the gate limits the rate of their requests.
JOBS_PER_SERVICE = 2


@dataclass(frozen=True, slots=True)
class Schedule:
    """Adds jobs again and again, every_s seconds apart.

    Takes: queue, adds jobs through a connection and gives their number
    """

    name: str
    every_s: int
    queue: Callable[[Connection], Awaitable[int]]


class SyncScheduler:
    """Runs jobs on this node.

    Takes: handlers, by service and kind; schedules
    """

    def __init__(
        self, database: Database, handlers: Mapping[JobType, JobHandler], schedules: Sequence[Schedule]
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._schedules = {schedule.name: schedule for schedule in schedules}
        self._are_schedules_stored = False
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._services: dict[int, str] = {}

    async def run(self) -> None:
        """Runs jobs until cancelled; then other nodes take over the jobs that are still running."""
        try:
            while True:
                started_count = 0
                try:
                    started_count = await self.start_due_jobs()
                except StoreError as error:
                    log.warning("sync.not_looked", error=str(error))
                if self._tasks:
                    await asyncio.wait(self._tasks.values(), timeout=POLL_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                elif not started_count:
                    await asyncio.sleep(POLL_EVERY_S)
        finally:
            running = list(self._tasks.values())
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def start_due_jobs(self) -> int:
        """Renews the leases of this node, requeues jobs of lost nodes, runs due schedules, and starts due jobs.

        Gives:  the number of jobs that it started; some may be over already
        Raises: StoreUnavailable
        """
        async with self._database.connection() as connection:
            await self._renew_leases(connection)
            taken_over: int = await jobs.take_over_jobs(connection)
            if taken_over:
                log.warning("sync.jobs_taken_over", count=taken_over)
            await self._run_due_schedules(connection)
            return await self._start_jobs(connection)

    async def run_until_idle(self) -> None:
        """Returns when no job is due and none runs; for commands and tests."""
        while True:
            started_count = await self.start_due_jobs()
            if self._tasks:
                await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)
            elif not started_count:
                return

    async def _renew_leases(self, connection: Connection) -> None:
        if not self._tasks:
            return
        own = {row["id"] async for row in jobs.renew_leases(connection, ids=list(self._tasks), lease_s=LEASE_S)}
        for job_id in self._tasks.keys() - own:
            # The job was cancelled, or another node took it over: it no longer belongs to this node.
            self._tasks[job_id].cancel()

    async def _run_due_schedules(self, connection: Connection) -> None:
        if not self._are_schedules_stored:
            names, everies = list(self._schedules), [schedule.every_s for schedule in self._schedules.values()]
            await jobs.put_schedules(connection, names=names, everies_s=everies)
            self._are_schedules_stored = True
        for name in [row["name"] async for row in jobs.take_schedules(connection)]:
            # A newer version may have a schedule that this one lacks: only the nodes of that version run it.
            if name in self._schedules:
                count = await self._schedules[name].queue(connection)
                log.info("sync.schedule_queued", schedule=name, jobs=count)

    async def _start_jobs(self, connection: Connection) -> int:
        started_count = 0
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
                task = asyncio.create_task(self._run_job(job, row["attempts"]), name=f"sync {job.kind} {job.subject}")
                self._tasks[job.id] = task
                task.add_done_callback(lambda done, job_id=job.id: self._drop_task(job_id, done))  # type: ignore[misc]
                started_count += 1
        return started_count

    def _drop_task(self, job_id: int, done: asyncio.Task[None]) -> None:
        del self._tasks[job_id], self._services[job_id]
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("sync.job_broken", job=job_id, exc_info=error)

    async def _run_job(self, job: Job, attempts: int) -> None:
        log.info("sync.job_begun", job=job.id, service=job.service, kind=job.kind, subject=job.subject)
        status, error = "succeeded", ""
        outage: ProviderError | StoreError | Refused | None = None
        try:
            async with reported_faults(self._database, job.id):
                await self._handlers[job.service, job.kind](job)
        except Unreadable as failure:
            # Another attempt would read the same.
            status, error = "failed", str(failure)
        except (ProviderError, StoreError, Refused) as unavailable:
            # Refused: Valkey does not answer, so no voting rules can change.
            outage = unavailable
        except MysetlistError as failure:
            status, error = "failed", str(failure)
        except Exception as bug:
            # A bug in one job must not stop the others. The job fails at once: another attempt meets the same bug.
            log.exception("sync.job_broken", job=job.id)
            status, error = "failed", f"A bug stopped this job ({type(bug).__name__}). The node's log has the details."
        try:
            if outage is None:
                await self._end_job(job, status, error)
            else:
                await self._postpone_job(job, outage, attempts)
        except StoreError as unavailable:
            # Its lease expires, and another node continues it.
            log.warning("sync.job_left", job=job.id, error=str(unavailable))

    async def _end_job(self, job: Job, status: str, error: str) -> None:
        async with self._database.connection() as connection:
            await jobs.end_job(connection, id=job.id, status=status, error=error)
        SYNC_JOBS.labels(job.service, job.kind, status).inc()
        log.info("sync.job_ended", job=job.id, kind=job.kind, subject=job.subject, status=status, error=error)

    async def _postpone_job(self, job: Job, outage: ProviderError | StoreError | Refused, attempts: int) -> None:
        """Queues a job again: at the time that the provider asked for, or after a delay that doubles, ATTEMPTS_MAX times."""
        asked_delay_s = outage.retry_after_s if isinstance(outage, ProviderError) else None
        if asked_delay_s is not None:
            delay_s = asked_delay_s
        elif attempts >= ATTEMPTS_MAX:
            await self._end_job(job, "failed", str(outage))
            return
        elif isinstance(outage, StoreError) and attempts == 1:
            # PostgreSQL was busy for a moment, or two jobs blocked each other.
            delay_s = 0.0
        else:
            delay_s = backoff_s(attempts, first_s=BACKOFF_S, max_s=BACKOFF_S_MAX)
        async with self._database.connection() as connection:
            await jobs.postpone_job(
                connection, id=job.id, error=str(outage), delay_s=delay_s, is_counted=asked_delay_s is None
            )
        SYNC_JOBS.labels(job.service, job.kind, "postponed").inc()
        log.info("sync.job_postponed", job=job.id, delay_s=delay_s, error=str(outage))
