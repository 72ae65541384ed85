"""Long operations on the database: one at a time on all nodes, in the background, with progress.

Who runs one holds an advisory lock on the connection it works on. The lock ends with the connection, whatever happens
to the node, so a row that says `running` while nobody holds it is a dead node's: whoever looks next says so.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal

import msgspec
import structlog

from server.admin.operation_kinds import Hooks, Job, OperationBody, Result, queries, refuse_unknown_table, work
from server.admin.retention import Retention
from server.errors import CacheError, Refused, SetupError, StoreConflict, StoreError
from server.protocol.codes import Code
from server.protocol.identity import Identity
from server.store.database import Database, complaints, connect

log = structlog.get_logger()

PROGRESS_EVERY_S = 1.0
RECENT_OPERATIONS = 20
CLOSE_TIMEOUT_S = 5.0
# The lock of an operation that has just ended, or that is about to write its row: looked at again for about a second.
_LOCK_TRIES = 40
_LOCK_PAUSE_S = 0.025
# The first half of a two-part advisory lock's key; voting/leases.py has its neighbours.
OPERATION_CLASS = 0x6D73_6C33


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """An operation and how far it is: done of total, in what suits the stage."""

    id: int
    operation: str
    options: dict[str, Any]
    status: Literal["running", "succeeded", "failed", "interrupted"]
    stage: str
    done: int
    total: int
    result: dict[str, Any]
    error: str
    started_by: int | None
    started_at: datetime
    finished_at: datetime | None


class Operations:
    """Starts operations for administrators, and does those that were started here.

    Takes: owner, a database with the rights of its owner
    """

    def __init__(self, owner: Database, retention: Retention, hooks: Hooks) -> None:
        self._owner = owner
        self._retention = retention
        self._hooks = hooks
        self._jobs: asyncio.Queue[Job] = asyncio.Queue()  # at most one: its connection holds the lock

    async def start(self, asked: OperationBody, by: Identity) -> Operation:
        """Starts one; it goes on by itself.

        Raises: Refused: bad_request, no such table; forbidden, sample data has no place here; conflict, one is running
                StoreUnavailable
        Cancel: not started, or started and found interrupted later
        """
        if asked.operation == "seed" and (reason := await self._hooks.why_not_seed()) is not None:
            raise Refused(Code.FORBIDDEN, reason)
        connection = await connect(self._owner.url, is_unhurried=True)
        try:
            with complaints():
                await refuse_unknown_table(connection, asked.table)
                await _lock(connection)
                await queries.interrupt_dead_operations(connection, operation_class=OPERATION_CLASS)
                row = await queries.insert_operation(
                    connection,
                    operation=asked.operation,
                    options=msgspec.json.encode(asked.options()).decode(),
                    user_id=by.user_id,
                    subject="" if asked.table is None else f"table:{asked.table}",
                )
        except StoreConflict:
            # The unique index says what the lock should have said.
            connection.terminate()
            raise _already_running() from None
        except BaseException:
            connection.terminate()
            raise
        self._jobs.put_nowait(Job(row["id"], asked, connection, row["pid"]))
        log.info("operation.started", id=row["id"], operation=asked.operation, by=by.user_id)
        return _operation(row)

    async def recent(self) -> list[Operation]:
        """The last operations, the newest first.

        Raises: StoreUnavailable
        """
        async with self._owner.connection() as connection:
            await queries.interrupt_dead_operations(connection, operation_class=OPERATION_CLASS)
            rows = queries.recent_operations(connection, count=RECENT_OPERATIONS)
            return [_operation(row) async for row in rows]

    async def fetch(self, operation_id: int) -> Operation:
        """One operation.

        Raises: Refused: not_found; StoreUnavailable
        """
        async with self._owner.connection() as connection:
            await queries.interrupt_dead_operations(connection, operation_class=OPERATION_CLASS)
            row = await queries.operation_by_id(connection, id=operation_id)
        if row is None:
            raise Refused(Code.NOT_FOUND, "No such operation.")
        return _operation(row)

    async def run(self) -> None:
        """Does what is started, until cancelled; what is under way then is cancelled and says so."""
        try:
            while True:
                await self._do(await self._jobs.get())
        finally:
            while not self._jobs.empty():
                await self._finish(self._jobs.get_nowait(), "interrupted", {}, "The node was stopped.")

    async def _do(self, job: Job) -> None:
        status, result, error = "failed", {}, "A bug; the node's log has it."
        try:
            result = await self._watched(job)
            status, error = "succeeded", ""
        except (StoreError, CacheError, SetupError) as failure:
            error = str(failure)
        except asyncio.CancelledError:
            status, error = "interrupted", "The node was stopped."
            raise
        finally:
            await self._finish(job, status, result, error)

    async def _watched(self, job: Job) -> Result:
        """Works, and tells once a second how far it is."""

        async def working() -> Result:
            with complaints():
                return await work(job, self._retention, self._hooks)

        task = asyncio.create_task(working(), name=f"operation {job.id}")
        try:
            while not (await asyncio.wait([task], timeout=PROGRESS_EVERY_S))[0]:
                await self._tell_progress(job)
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _tell_progress(self, job: Job) -> None:
        stage, done, total = job.stage, job.done, job.total
        try:
            async with self._owner.connection() as connection:
                live = await queries.live_progress(connection, pid=job.pid)
                if live is not None:
                    share = f", {live['done'] * 100 // live['total']} %" if live["total"] else ""
                    stage = f"{stage}: {live['phase']}{share}"
                    done += live["done"] if job.asked.operation == "vacuum" else 0
                await queries.report_progress(connection, id=job.id, stage=stage, done=min(done, total), total=total)
        except StoreError as error:
            log.warning("operation.progress_not_told", id=job.id, error=str(error))

    async def _finish(self, job: Job, status: str, result: Result, error: str) -> None:
        try:
            async with self._owner.connection() as connection:
                await queries.finish_operation(
                    connection,
                    id=job.id,
                    status=status,
                    stage=job.stage,
                    done=job.done,
                    total=job.total,
                    result=msgspec.json.encode(result).decode(),
                    error=error,
                )
        except StoreError as failure:
            # Its row says `running` without a lock: whoever looks next calls it interrupted.
            log.warning("operation.end_not_told", id=job.id, error=str(failure))
        finally:
            # Waits for a statement that was cancelled, so that nothing goes on at the server.
            with suppress(StoreError), complaints():
                await job.connection.close(timeout=CLOSE_TIMEOUT_S)
        log.info("operation.ended", id=job.id, operation=job.asked.operation, status=status, error=error)


async def _lock(connection: Any) -> None:
    """Takes the lock that is held while an operation runs.

    Raises: Refused: conflict
    """
    for _ in range(_LOCK_TRIES):
        if await queries.try_operation_lock(connection, operation_class=OPERATION_CLASS):
            return
        if await queries.is_operation_running(connection):
            break
        await asyncio.sleep(_LOCK_PAUSE_S)
    raise _already_running()


def _already_running() -> Refused:
    return Refused(Code.CONFLICT, "An operation is running already; only one may at a time.")


def _operation(row: Any) -> Operation:
    values = dict(row)
    values.pop("pid", None)
    values["options"] = msgspec.json.decode(values["options"])
    values["result"] = msgspec.json.decode(values["result"])
    return Operation(**values)
