"""What is kept how long; the rest goes once a day by itself, and with the operation `cleanup`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from server.admin.statistics import ensure_partitions
from server.store.chores import Chore
from server.store.queries import load_queries

LOG_COMMITS_MINUTES = 10
VOTE_LIMITS_DAYS = 7
EMAIL_LOG_DAYS = 180
EMAIL_QUEUE_DAYS = 30
SYNC_JOBS_DAYS = 90
SERVICE_HEALTH_DAYS = 400
OPERATIONS_DAYS = 400
# A stale answer is worth keeping for its etag.
ANSWERS_DAYS = 30
ACTIVITY_DAYS = 90
ORPHANS_DAYS = 30
# Rows in one transaction, and users in one cleanup.
BATCH_ROWS = 10_000
ORPHANS_MAX = 200_000
RETENTION_EVERY_S = 86_400.0

queries = load_queries(Path(__file__).with_name("retention.sql"))

Step = Callable[[Any], Awaitable[int]]


async def _log_commits(connection: Any) -> int:
    deleted: int = await queries.delete_log_commits(connection, minutes=LOG_COMMITS_MINUTES)
    return deleted


async def _vote_limits(connection: Any) -> int:
    after_user_id, after_day, deleted = 0, date.min, 0
    while True:
        row = await queries.delete_vote_limits(
            connection, days=VOTE_LIMITS_DAYS, after_user_id=after_user_id, after_day=after_day, count=BATCH_ROWS
        )
        deleted += int(row["deleted"])
        if row["seen"] < BATCH_ROWS:
            return deleted
        after_user_id, after_day = row["user_id"], row["day"]


def _in_batches(query: Any, **what: Any) -> Step:
    async def delete(connection: Any) -> int:
        deleted = 0
        while batch := await query(connection, **what, count=BATCH_ROWS):
            deleted += batch
        return deleted

    return delete


async def _imports(connection: Any) -> int:
    await _in_batches(queries.delete_import_log, days=SYNC_JOBS_DAYS)(connection)
    return await _in_batches(queries.delete_sync_jobs, days=SYNC_JOBS_DAYS)(connection)


async def _service_health(connection: Any) -> int:
    deleted: int = await queries.delete_service_health(connection, days=SERVICE_HEALTH_DAYS)
    return deleted


async def _operations(connection: Any) -> int:
    deleted: int = await queries.delete_operations(connection, days=OPERATIONS_DAYS)
    return deleted


async def _orphans(connection: Any) -> int:
    ids = [row["id"] async for row in queries.orphaned_users(connection, days=ORPHANS_DAYS, count=ORPHANS_MAX)]
    deleted = 0
    for start in range(0, len(ids), BATCH_ROWS):
        deleted += await queries.delete_orphans(connection, ids=ids[start : start + BATCH_ROWS])
    return deleted


# What is past its time. In the order it is done; what is counted is called as in the result of `cleanup`.
_OLD: dict[str, Step] = {
    "log_commits": _log_commits,
    "vote_limits": _vote_limits,
    "email_log": _in_batches(queries.delete_email_log, days=EMAIL_LOG_DAYS),
    "email_queue": _in_batches(queries.delete_email_queue, days=EMAIL_QUEUE_DAYS),
    "sync_jobs": _imports,
    "service_health": _service_health,
    "operations": _operations,
    "activity": _in_batches(queries.delete_activity, days=ACTIVITY_DAYS),
}


class Retention:
    """What goes, and when.

    Takes: kept_days, by service, for how many days what it said is kept unless it says so again; more, what other rooms
           take out
    """

    def __init__(self, kept_days: Mapping[str, int], more: Mapping[str, Step] | None = None) -> None:
        of_providers = {"services": list(kept_days), "kept_days": list(kept_days.values())}
        self._old = _OLD | {
            "provider_answers": _in_batches(queries.delete_answers, days=ANSWERS_DAYS, **of_providers),
            "provider_links": _in_batches(queries.delete_links, **of_providers),
            **(more or {}),
        }
        # Whoever looks for orphans reads the whole history, so they go only when somebody asks.
        self.steps: Mapping[str, Step] = self._old | {"orphaned_users": _orphans, "partitions_made": ensure_partitions}

    def chore(self) -> Chore:
        """Deletes what is past its time, once a day."""
        return Chore("retention", RETENTION_EVERY_S, self._delete_old)

    async def _delete_old(self, connection: Any) -> None:
        for step in self._old.values():
            await step(connection)
