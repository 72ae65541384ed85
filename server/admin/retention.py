"""Retention: deletes data that are older than their limits, once a day and with the operation `cleanup`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from server.admin.queries import retention as queries
from server.admin.statistics import ensure_partitions
from server.store.chores import Chore

LOG_COMMITS_MINUTES = 10
VOTE_LIMITS_DAYS = 7
EMAIL_LOG_DAYS = 180
EMAIL_QUEUE_DAYS = 30
SYNC_JOBS_DAYS = 90
SERVICE_HEALTH_DAYS = 400
# A budget is of 30 days.
LEVEL_MINUTES_DAYS = 31
OPERATIONS_DAYS = 400
BACKUPS_DAYS = 400
# Emails about what happened to a show are queued within a day.
SHOW_NEWS_DAYS = 2
# A stale response is kept for its etag.
ANSWERS_DAYS = 30
ACTIVITY_DAYS = 90
WEBHOOK_EVENTS_DAYS = 30
# Long enough that nobody is told the same of a show twice.
WEBPUSH_NOTICES_DAYS = 7
REMOVED_SONGS_DAYS = 30
# A merge can be undone for a day.
MERGES_DAYS = 2
# Groups of a final show whose votes count: a suspicion that came to nothing. The others say which votes do not count.
VOTE_GROUPS_DAYS = 90
# A group has up to some hundred thousand members, which go with it.
VOTE_GROUPS_AT_ONCE = 20
ORPHANS_DAYS = 30
# Only new accounts are counted by address.
ADDRESS_HASHES_HOURS = 24
# The maximum of rows in one transaction, and of users in one cleanup.
BATCH_ROWS = 10_000
ORPHANS_MAX = 200_000
RETENTION_EVERY_S = 86_400.0

if TYPE_CHECKING:
    from server.store.database import Connection

# Deletes rows through a connection, and gives their number.
Step = Callable[["Connection"], Awaitable[int]]


async def _delete_log_commits(connection: Connection) -> int:
    deleted: int = await queries.delete_log_commits(connection, minutes=LOG_COMMITS_MINUTES)
    return deleted


async def _delete_vote_limits(connection: Connection) -> int:
    after_user_id, after_day, deleted = 0, date.min, 0
    while True:
        row = await queries.delete_vote_limits(
            connection, days=VOTE_LIMITS_DAYS, after_user_id=after_user_id, after_day=after_day, count=BATCH_ROWS
        )
        deleted += int(row["deleted"])
        if row["seen"] < BATCH_ROWS:
            return deleted
        after_user_id, after_day = row["user_id"], row["day"]


async def _delete_cast_orders(connection: Connection) -> int:
    after_user_id, after_show_id, deleted = 0, 0, 0
    while True:
        row = await queries.delete_cast_orders(
            connection, after_user_id=after_user_id, after_show_id=after_show_id, count=BATCH_ROWS
        )
        deleted += int(row["deleted"])
        if row["seen"] < BATCH_ROWS:
            return deleted
        after_user_id, after_show_id = row["user_id"], row["show_id"]


def _in_batches(query: Any, **params: Any) -> Step:
    """A step that runs a query until it deletes nothing."""

    async def delete(connection: Connection) -> int:
        deleted = 0
        while batch := await query(connection, **params, count=BATCH_ROWS):
            deleted += batch
        return deleted

    return delete


async def _delete_sync_jobs(connection: Connection) -> int:
    await _in_batches(queries.delete_import_log, days=SYNC_JOBS_DAYS)(connection)
    return await _in_batches(queries.delete_sync_jobs, days=SYNC_JOBS_DAYS)(connection)


async def _delete_service_health(connection: Connection) -> int:
    deleted: int = await queries.delete_service_health(connection, days=SERVICE_HEALTH_DAYS)
    return deleted


async def _delete_operations(connection: Connection) -> int:
    deleted: int = await queries.delete_operations(connection, days=OPERATIONS_DAYS)
    return deleted


async def _delete_vote_groups(connection: Connection) -> int:
    deleted = 0
    while batch := await queries.delete_vote_groups(connection, days=VOTE_GROUPS_DAYS, count=VOTE_GROUPS_AT_ONCE):
        deleted += batch
    return deleted


async def _delete_orphans(connection: Connection) -> int:
    ids = [row["id"] async for row in queries.orphaned_users(connection, days=ORPHANS_DAYS, count=ORPHANS_MAX)]
    deleted = 0
    for start in range(0, len(ids), BATCH_ROWS):
        deleted += await queries.delete_orphans(connection, ids=ids[start : start + BATCH_ROWS])
    return deleted


# The daily steps in their order; the names are those of the result of `cleanup`.
_DAILY: dict[str, Step] = {
    "log_commits": _delete_log_commits,
    "vote_limits": _delete_vote_limits,
    "cast_orders": _delete_cast_orders,
    "email_log": _in_batches(queries.delete_email_log, days=EMAIL_LOG_DAYS),
    "email_queue": _in_batches(queries.delete_email_queue, days=EMAIL_QUEUE_DAYS),
    "sync_jobs": _delete_sync_jobs,
    "service_health": _delete_service_health,
    "operations": _delete_operations,
    "show_news": _in_batches(queries.delete_show_news, days=SHOW_NEWS_DAYS),
    "backups": _in_batches(queries.delete_backups, days=BACKUPS_DAYS),
    "level_minutes": _in_batches(queries.delete_level_minutes, days=LEVEL_MINUTES_DAYS),
    "sessions": _in_batches(queries.delete_sessions),
    "address_hashes": _in_batches(queries.forget_address_hashes, hours=ADDRESS_HASHES_HOURS),
    "merge_rows": _in_batches(queries.delete_merge_rows, days=MERGES_DAYS),
    "merge_folds": _in_batches(queries.delete_merge_folds, days=MERGES_DAYS),
    "vote_groups": _delete_vote_groups,
    "removed_songs": _in_batches(queries.delete_removed_songs, days=REMOVED_SONGS_DAYS),
    "activity": _in_batches(queries.delete_activity, days=ACTIVITY_DAYS),
    "webhook_events": _in_batches(queries.delete_webhook_events, days=WEBHOOK_EVENTS_DAYS),
    "webpush_notices": _in_batches(queries.delete_webpush_notices, days=WEBPUSH_NOTICES_DAYS),
}


class Retention:
    """Deletes old data.

    Takes: kept_days, by service: how many days its data are kept unless it shows them again; more, steps of other rooms
    """

    def __init__(self, kept_days: Mapping[str, int], more: Mapping[str, Step] | None = None) -> None:
        of_providers = {"services": list(kept_days), "kept_days": list(kept_days.values())}
        self._daily = _DAILY | {
            "provider_answers": _in_batches(queries.delete_answers, days=ANSWERS_DAYS, **of_providers),
            "provider_links": _in_batches(queries.delete_links, **of_providers),
            **(more or {}),
        }
        # The search for orphans reads the whole vote history, so it runs only in `cleanup`, on request.
        self.steps: Mapping[str, Step] = self._daily | {
            "orphaned_users": _delete_orphans,
            "partitions_made": ensure_partitions,
        }

    def chore(self) -> Chore:
        """The chore that runs the daily steps once a day."""
        return Chore("retention", RETENTION_EVERY_S, self._run_daily_steps)

    async def _run_daily_steps(self, connection: Connection) -> None:
        for step in self._daily.values():
            await step(connection)
