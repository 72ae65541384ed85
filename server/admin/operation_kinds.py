"""The kinds of operations: what each one does to the database, on a connection of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from server.admin.queries import operations as queries
from server.admin.retention import Retention
from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.progress import ReportProgress

if TYPE_CHECKING:
    from server.store.database import Connection

TABLE_CHARS_MAX = 63
VIOLATIONS_MAX = 50  # listed in a result for each rule

OperationKind = Literal["vacuum", "reindex", "integrity-check", "cleanup", "seed"]
Result = dict[str, Any]


class OperationBody(msgspec.Struct, frozen=True, kw_only=True):
    """A requested operation: `table` is for vacuum and reindex (left out: all tables), `repair` for integrity-check."""

    operation: OperationKind
    table: Annotated[str, msgspec.Meta(min_length=1, max_length=TABLE_CHARS_MAX)] | None = None
    repair: bool = False

    def __post_init__(self) -> None:
        """Checks fields against each other.

        Raises: Refused: bad_request
        """
        if self.table is not None and self.operation not in ("vacuum", "reindex"):
            raise Refused(Code.BAD_REQUEST, f"`table` is for vacuum and reindex. Leave it out of {self.operation}.")
        if self.repair and self.operation != "integrity-check":
            raise Refused(Code.BAD_REQUEST, f"`repair` is for integrity-check. Leave it out of {self.operation}.")

    def options(self) -> dict[str, Any]:
        """The fields of the request without the name of the operation."""
        return {
            **({} if self.table is None else {"table": self.table}),
            **({"repair": self.repair} if self.operation == "integrity-check" else {}),
        }


@dataclass(frozen=True, slots=True)
class OperationHooks:
    """The functions of other rooms that operations call; server/node supplies them.

    reopen_shards: takes the ids of shows whose tallies were repaired; drops the hot copies of their shards
    why_not_seed:  gives the reason why this database may not get sample data; None: it may
    seed:          adds sample data; gives the number of added rows of each kind
    """

    reopen_shards: Callable[[list[int]], Awaitable[None]]
    why_not_seed: Callable[[], Awaitable[str | None]]
    seed: Callable[[ReportProgress], Awaitable[Mapping[str, int]]]


@dataclass(slots=True)
class RunningOperation:
    """An operation that runs, its connection, and its progress."""

    id: int
    request: OperationBody
    connection: Connection
    pid: int  # of the connection, at the server
    stage: str = ""
    done: int = 0
    total: int = 0

    def report_progress(self, stage: str, done: int, total: int, /) -> None:
        """Remembers the progress; Operations stores it once a second."""
        self.stage, self.done, self.total = stage, done, total


async def refuse_unknown_table(connection: Connection, table: str | None) -> None:
    """Refuses a name that no table of this database has; None stands for all tables.

    Raises: Refused: bad_request
    """
    rows = [row async for row in queries.tables_to_vacuum(connection, table_name=table)]
    if not rows:
        raise Refused(Code.BAD_REQUEST, f"`{table}` is no table of this database. The statistics list the tables.")


async def run_operation(operation: RunningOperation, retention: Retention, hooks: OperationHooks) -> Result:
    """Runs an operation to its end.

    Gives:  its result
    Raises: StoreError, CacheError, SetupError: the operation failed; asyncpg's errors, untranslated
    Cancel: the running statement is cancelled
    """
    match operation.request.operation:
        case "vacuum":
            return await _vacuum(operation)
        case "reindex":
            return await _reindex(operation)
        case "integrity-check":
            return await _check_integrity(operation, hooks)
        case "cleanup":
            return await _clean_up(operation, retention)
        case "seed":
            return {"added": dict(await hooks.seed(operation.report_progress))}


async def _vacuum(operation: RunningOperation) -> Result:
    """Vacuums the tables one by one. The progress counts blocks, because the sizes of tables differ widely."""
    tables = await _tables(operation)
    total = sum(table["blocks"] for table in tables)
    for table in tables:
        operation.report_progress(table["name"], operation.done, total)
        await operation.connection.execute(table["statement"])
        operation.done += table["blocks"]
    after = await _tables(operation)
    return {
        "tables": len(tables),
        "bytes_before": sum(table["bytes"] for table in tables),
        "bytes_after": sum(table["bytes"] for table in after),
    }


async def _tables(operation: RunningOperation) -> list[Any]:
    rows = queries.tables_to_vacuum(operation.connection, table_name=operation.request.table)
    return [row async for row in rows]


async def _reindex(operation: RunningOperation) -> Result:
    indexes = await _indexes(operation)
    for number, index in enumerate(indexes):
        operation.report_progress(index["name"], number, len(indexes))
        await operation.connection.execute(index["statement"])
    operation.done = len(indexes)
    after = await _indexes(operation)
    return {
        "indexes": len(after),
        "leftovers_dropped": sum(index["is_leftover"] for index in indexes),
        "bytes_before": sum(index["bytes"] for index in indexes),
        "bytes_after": sum(index["bytes"] for index in after),
    }


async def _indexes(operation: RunningOperation) -> list[Any]:
    rows = queries.indexes_to_reindex(operation.connection, table_name=operation.request.table)
    return [row async for row in rows]


async def _check_integrity(operation: RunningOperation, hooks: OperationHooks) -> Result:
    """Finds violations; with `repair` it corrects the counts, in Valkey too, and checks again."""
    total = 4 if operation.request.repair else 1
    operation.report_progress("checking", 0, total)
    result = await _find_violations(operation.connection)
    if operation.request.repair:
        show_ids = [row["show_id"] async for row in queries.miscounted_shows(operation.connection)]
        operation.report_progress("repairing counts", 1, total)
        repaired = await queries.repair_counts(operation.connection)
        await queries.update_trending_scores(operation.connection)
        operation.report_progress("dropping hot copies in Valkey", 2, total)
        if show_ids:
            await hooks.reopen_shards(show_ids)
        operation.report_progress("checking again", 3, total)
        remaining = await _find_violations(operation.connection)
        result |= {"repaired": repaired, "shows_reopened": len(show_ids), "remaining": remaining}
    operation.done = total
    return result


async def _find_violations(connection: Connection) -> Result:
    rows = [row async for row in queries.violations(connection, count=VIOLATIONS_MAX)]
    return {
        "by_rule": {row["rule"]: row["rule_count"] for row in rows},
        "violations": [{"rule": row["rule"], "subject": row["subject"], "detail": row["detail"]} for row in rows],
    }


async def _clean_up(operation: RunningOperation, retention: Retention) -> Result:
    result = {}
    for number, (name, step) in enumerate(retention.steps.items()):
        operation.report_progress(name, number, len(retention.steps))
        result[name] = await step(operation.connection)
    operation.done = len(retention.steps)
    return result
