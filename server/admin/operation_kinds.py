"""What each operation does, on a connection of its own; how far it is stands in its Job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from server.admin.retention import Retention
from server.errors import Refused
from server.protocol.codes import Code
from server.store.queries import load_queries

TABLE_CHARS_MAX = 63
VIOLATIONS_MAX = 50  # of a rule, in a result

queries = load_queries(Path(__file__).with_name("operations.sql"))

Kind = Literal["vacuum", "reindex", "integrity-check", "cleanup", "seed"]
Result = dict[str, Any]
Progress = Callable[[str, int, int], None]


class OperationBody(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: `table` is for vacuum and reindex (left out: all), `repair` for integrity-check."""

    operation: Kind
    table: Annotated[str, msgspec.Meta(min_length=1, max_length=TABLE_CHARS_MAX)] | None = None
    repair: bool = False

    def __post_init__(self) -> None:
        """Checks what one field alone cannot say.

        Raises: Refused: bad_request
        """
        if self.table is not None and self.operation not in ("vacuum", "reindex"):
            raise Refused(Code.BAD_REQUEST, "`table` is for vacuum and reindex.")
        if self.repair and self.operation != "integrity-check":
            raise Refused(Code.BAD_REQUEST, "`repair` is for integrity-check.")

    def options(self) -> Result:
        """What was asked for beside the operation's name."""
        return {
            **({} if self.table is None else {"table": self.table}),
            **({"repair": self.repair} if self.operation == "integrity-check" else {}),
        }


@dataclass(frozen=True, slots=True)
class Hooks:
    """What other rooms do for operations; app hands it over.

    reopen_shards: show ids -> throws the hot copies of their shards away, because their tallies were repaired
    why_not_seed:  why sample data has no place in this database; None: it has
    seed:          adds sample data, telling how far it is; gives how many rows of what were added
    """

    reopen_shards: Callable[[list[int]], Awaitable[None]]
    why_not_seed: Callable[[], Awaitable[str | None]]
    seed: Callable[[Progress], Awaitable[Mapping[str, int]]]


@dataclass(slots=True)
class Job:
    """One operation under way."""

    id: int
    asked: OperationBody
    connection: Any
    pid: int  # of the connection, at the server
    stage: str = ""
    done: int = 0
    total: int = 0

    def tell(self, stage: str, done: int, total: int) -> None:
        """How far it is."""
        self.stage, self.done, self.total = stage, done, total


async def refuse_unknown_table(connection: Any, table: str | None) -> None:
    """Only our own tables are touched.

    Raises: Refused: bad_request
    """
    rows = [row async for row in queries.tables_to_vacuum(connection, table_name=table)]
    if not rows:
        raise Refused(Code.BAD_REQUEST, "`table` is no table of this database.")


async def work(job: Job, retention: Retention, hooks: Hooks) -> Result:
    """Does what a job is for.

    Gives:  its result
    Raises: StoreError, CacheError, SetupError: why it failed; asyncpg's errors, untranslated
    Cancel: the statement under way is cancelled
    """
    match job.asked.operation:
        case "vacuum":
            return await _vacuum(job)
        case "reindex":
            return await _reindex(job)
        case "integrity-check":
            return await _check(job, hooks)
        case "cleanup":
            return await _cleanup(job, retention)
        case "seed":
            return {"added": dict(await hooks.seed(job.tell))}


async def _vacuum(job: Job) -> Result:
    """Counted in blocks, because tables differ so much."""
    tables = await _vacuumed(job)
    total = sum(table["blocks"] for table in tables)
    for table in tables:
        job.tell(table["name"], job.done, total)
        await job.connection.execute(table["statement"])
        job.done += table["blocks"]
    after = await _vacuumed(job)
    return {
        "tables": len(tables),
        "bytes_before": sum(table["bytes"] for table in tables),
        "bytes_after": sum(table["bytes"] for table in after),
    }


async def _vacuumed(job: Job) -> list[Any]:
    return [row async for row in queries.tables_to_vacuum(job.connection, table_name=job.asked.table)]


async def _reindex(job: Job) -> Result:
    indexes = await _reindexed(job)
    for number, index in enumerate(indexes):
        job.tell(index["name"], number, len(indexes))
        await job.connection.execute(index["statement"])
    job.done = len(indexes)
    after = await _reindexed(job)
    return {
        "indexes": len(after),
        "leftovers_dropped": sum(index["is_leftover"] for index in indexes),
        "bytes_before": sum(index["bytes"] for index in indexes),
        "bytes_after": sum(index["bytes"] for index in after),
    }


async def _reindexed(job: Job) -> list[Any]:
    return [row async for row in queries.indexes_to_reindex(job.connection, table_name=job.asked.table)]


async def _check(job: Job, hooks: Hooks) -> Result:
    """Looks; with `repair` makes the counts right, in Valkey too, and looks again."""
    total = 4 if job.asked.repair else 1
    job.tell("checking", 0, total)
    result = await _violations(job)
    if job.asked.repair:
        show_ids = [row["show_id"] async for row in queries.miscounted_shows(job.connection)]
        job.tell("repairing counts", 1, total)
        repaired = await queries.repair_counts(job.connection)
        job.tell("throwing hot copies away", 2, total)
        if show_ids:
            await hooks.reopen_shards(show_ids)
        job.tell("checking again", 3, total)
        result |= {"repaired": repaired, "shows_reopened": len(show_ids), "remaining": await _violations(job)}
    job.done = total
    return result


async def _violations(job: Job) -> Result:
    rows = [row async for row in queries.violations(job.connection, count=VIOLATIONS_MAX)]
    return {
        "by_rule": {row["rule"]: row["rule_count"] for row in rows},
        "violations": [{"rule": row["rule"], "subject": row["subject"], "detail": row["detail"]} for row in rows],
    }


async def _cleanup(job: Job, retention: Retention) -> Result:
    result = {}
    for number, (name, step) in enumerate(retention.steps.items()):
        job.tell(name, number, len(retention.steps))
        result[name] = await step(job.connection)
    job.done = len(retention.steps)
    return result
