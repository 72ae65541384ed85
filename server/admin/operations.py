"""Long operations on the database: one at a time on all nodes, in the background, with progress.

The life of an operation, from top to bottom of this file:
start    POST: takes the lock, inserts the row, puts the operation into this node's queue, and answers
run      a loop of the node: takes the operation from the queue
_run_one runs it (operation_kinds.run_operation), stores its progress once a second, and at the end its result
fetch    GET: reads the row

A running operation holds an advisory lock on the connection that it works on. The lock ends with the connection, even when
the node dies. So a row that says `running` without the lock belongs to a dead node: `start`, `recent` and `fetch` mark it
as interrupted.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import structlog

from server.admin.operation_kinds import (
    OperationBody,
    OperationHooks,
    Result,
    RunningOperation,
    refuse_unknown_table,
    run_operation,
)
from server.admin.queries import operations as queries
from server.admin.retention import Retention
from server.errors import CacheError, Refused, SetupError, StoreConflict, StoreError
from server.protocol.codes import Code
from server.protocol.identity import Identity
from server.store.database import Database, connect, translated_all

if TYPE_CHECKING:
    from server.store.database import Connection

log = structlog.get_logger()

PROGRESS_EVERY_S = 1.0
RECENT_OPERATIONS = 20
CLOSE_TIMEOUT_S = 5.0
# An operation that has just ended holds the lock for another moment, and a starting one holds it before its row exists. So
# `start` tries for about a second.
_LOCK_TRIES = 40
_LOCK_PAUSE_S = 0.025
# The first half of an advisory lock's two-part key. voting/leases.py uses the two numbers before it.
OPERATION_CLASS = 0x6D73_6C33

_NODE_STOPPED = "The node that ran it was stopped. Start the operation again."


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """An operation and its progress: done of total, in the unit that fits the stage."""

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
    """Starts operations for administrators, and runs those that this node started.

    Takes: owner, a database with its owner's rights
    """

    def __init__(self, owner: Database, retention: Retention, hooks: OperationHooks) -> None:
        self._owner = owner
        self._retention = retention
        self._hooks = hooks
        # Holds one operation at most, because only one can hold the lock.
        self._started: asyncio.Queue[RunningOperation] = asyncio.Queue()

    async def start(self, request: OperationBody, by: Identity) -> Operation:
        """Starts an operation, which then runs in the background.

        Raises: Refused: bad_request, no such table; forbidden, no sample data here; conflict, another one is running;
                StoreUnavailable
        Cancel: not started, or started and later marked as interrupted
        """
        if request.operation == "seed" and (reason := await self._hooks.why_not_seed()) is not None:
            raise Refused(Code.FORBIDDEN, reason)
        connection = await connect(self._owner.url, is_unhurried=True)
        try:
            with translated_all():
                await refuse_unknown_table(connection, request.table)
                await _take_lock(connection)
                await queries.interrupt_dead_operations(connection, operation_class=OPERATION_CLASS)
                row = await queries.insert_operation(
                    connection,
                    operation=request.operation,
                    options=msgspec.json.encode(request.options()).decode(),
                    user_id=by.user_id,
                    subject="" if request.table is None else f"table:{request.table}",
                )
        except StoreConflict:
            # A second guard beside the lock: a unique index lets only one row be `running`.
            connection.terminate()
            raise _already_running() from None
        except BaseException:
            connection.terminate()
            raise
        self._started.put_nowait(RunningOperation(row["id"], request, connection, row["pid"]))
        log.info("operation.started", id=row["id"], operation=request.operation, by=by.user_id)
        return _from_row(row)

    async def run(self) -> None:
        """Runs started operations until cancelled; then a running one is interrupted, and its row says so."""
        try:
            while True:
                await self._run_one(await self._started.get())
        finally:
            while not self._started.empty():
                await self._store_end(self._started.get_nowait(), "interrupted", {}, _NODE_STOPPED)

    async def _run_one(self, operation: RunningOperation) -> None:
        status, result, error = "failed", {}, "A bug stopped this operation. The node's log has the details."
        try:
            result = await self._run_with_progress(operation)
            status, error = "succeeded", ""
        except (StoreError, CacheError, SetupError) as failure:
            error = str(failure)
        except asyncio.CancelledError:
            status, error = "interrupted", _NODE_STOPPED
            raise
        finally:
            await self._store_end(operation, status, result, error)

    async def _run_with_progress(self, operation: RunningOperation) -> Result:
        """Runs an operation, and stores its progress every PROGRESS_EVERY_S."""

        async def translated() -> Result:
            with translated_all():
                return await run_operation(operation, self._retention, self._hooks)

        task = asyncio.create_task(translated(), name=f"operation {operation.id}")
        try:
            while not (await asyncio.wait([task], timeout=PROGRESS_EVERY_S))[0]:
                await self._store_progress(operation)
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _store_progress(self, operation: RunningOperation) -> None:
        stage, done, total = operation.stage, operation.done, operation.total
        try:
            async with self._owner.connection() as connection:
                live = await queries.live_progress(connection, pid=operation.pid)
                if live is not None:
                    share = f", {live['done'] * 100 // live['total']} %" if live["total"] else ""
                    stage = f"{stage}: {live['phase']}{share}"
                    done += live["done"] if operation.request.operation == "vacuum" else 0
                await queries.report_progress(
                    connection, id=operation.id, stage=stage, done=min(done, total), total=total
                )
        except StoreError as error:
            log.warning("operation.progress_not_told", id=operation.id, error=str(error))

    async def _store_end(self, operation: RunningOperation, status: str, result: Result, error: str) -> None:
        try:
            async with self._owner.connection() as connection:
                await queries.finish_operation(
                    connection,
                    id=operation.id,
                    status=status,
                    stage=operation.stage,
                    done=operation.done,
                    total=operation.total,
                    result=msgspec.json.encode(result).decode(),
                    error=error,
                )
        except StoreError as failure:
            # Its row still says `running`, without the lock: the next start, recent or fetch marks it as interrupted.
            log.warning("operation.end_not_told", id=operation.id, error=str(failure))
        finally:
            # Waits for a cancelled statement, so that the server does not go on with it.
            with suppress(StoreError), translated_all():
                await operation.connection.close(timeout=CLOSE_TIMEOUT_S)
        log.info("operation.ended", id=operation.id, operation=operation.request.operation, status=status, error=error)

    async def recent(self) -> list[Operation]:
        """The last operations, the newest first.

        Raises: StoreUnavailable
        """
        async with self._owner.connection() as connection:
            await queries.interrupt_dead_operations(connection, operation_class=OPERATION_CLASS)
            rows = queries.recent_operations(connection, count=RECENT_OPERATIONS)
            return [_from_row(row) async for row in rows]

    async def fetch(self, operation_id: int) -> Operation:
        """One operation.

        Raises: Refused: not_found; StoreUnavailable
        """
        async with self._owner.connection() as connection:
            await queries.interrupt_dead_operations(connection, operation_class=OPERATION_CLASS)
            row = await queries.operation_by_id(connection, id=operation_id)
        if row is None:
            raise Refused(Code.NOT_FOUND, f"No operation has the number {operation_id}.")
        return _from_row(row)


async def _take_lock(connection: Connection) -> None:
    """Takes the lock of running operations.

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
    return Refused(Code.CONFLICT, "Another operation is running. Start this one when it has ended.")


def _from_row(row: Any) -> Operation:
    values = dict(row)
    values.pop("pid", None)
    values["options"] = msgspec.json.decode(values["options"])
    values["result"] = msgspec.json.decode(values["result"])
    return Operation(**values)
