"""Forgets a provider: deletes everything that came from it, except data that people made theirs.

It also deletes actual setlists that may not be kept any longer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

from server.protocol.progress import ReportProgress, ignore_progress
from server.store.named_queries import columns
from server.store.rule_changes import ChangeRules
from server.sync.jobs import recorded_job
from server.sync.queries import forgetting, jobs
from server.sync.record_writer import lock_shards

if TYPE_CHECKING:
    from server.store.database import Connection, Database

Service = Literal["ticketmaster", "spotify", "setlistfm", "musicbrainz"]

# Votes on the shows of a batch wait while it is processed.
SHOWS_PER_BATCH = 20
ROWS_PER_BATCH = 1_000


async def forget(
    database: Database,
    service: Service,
    change_rules: ChangeRules,
    *,
    report_progress: ReportProgress = ignore_progress,
) -> Counter[str]:
    """Deletes a provider's responses, links, questions, predicted sets, and the shows and venues that only it listed.

    Data with votes stay, without a link. A second call changes nothing, and completes an interrupted one. The provider
    is paused until an administrator resumes it, because its jobs would fetch everything again.

    Gives:  the number of deleted rows of each sort; `kept`, the number of the provider's shows that stay
    Raises: StoreUnavailable
    Cancel: deleted rows stay deleted; the job is recorded as cancelled
    """
    gone: Counter[str] = Counter()
    async with recorded_job(database, service, "forget", service) as job_id, database.connection() as connection:
        await jobs.stop_jobs(connection, service=service, job_id=job_id)
        await _forget_shows(connection, service, change_rules, gone, report_progress)
        while venues := await forgetting.delete_venues(connection, service=service, count=ROWS_PER_BATCH):
            gone["venues"] += venues
        while any(
            (
                rows := columns(
                    await forgetting.delete_rows(connection, service=service, job_id=job_id, count=ROWS_PER_BATCH)
                )
            ).values()
        ):
            gone.update(rows)
            report_progress("links", gone["links"], gone["links"])
        setlists = gone["played"] + gone["predicted"]
        for stage, count in (("venues", gone["venues"]), ("shows", gone["shows"]), ("setlists", setlists)):
            await jobs.put_progress(connection, job_id=job_id, stage=stage, done=count, total=count)
    return gone


async def _forget_shows(
    connection: Connection,
    service: Service,
    change_rules: ChangeRules,
    gone: Counter[str],
    report_progress: ReportProgress,
) -> None:
    seen_count = 0
    listed = _locked_batches(connection, change_rules, forgetting.list_shows, service=service)
    async with aclosing(listed) as batches:
        async for ids in batches:
            gone["played"] += await forgetting.delete_played(connection, service=service, ids=ids)
            await forgetting.delete_settled(connection, service=service, ids=ids)
            gone["predicted"] += await forgetting.delete_predicted(connection, service=service, ids=ids)
            deleted = await forgetting.delete_shows(connection, service=service, ids=ids)
            gone["shows"] += deleted
            gone["kept"] += len(ids) - deleted
            seen_count += len(ids)
            report_progress("shows", seen_count, seen_count)


async def expire_played(connection: Connection, change_rules: ChangeRules, days: int) -> int:
    """Deletes actual setlists that setlist.fm has not shown for so many days.

    Setlists with votes or changes stay: they are ours. Links and scores stay too. A setlist that setlist.fm shows again
    comes back.

    Takes:  connection of the owner, outside of any transaction
    Gives:  the number of shows whose actual setlist was deleted
    Raises: StoreUnavailable
    """
    deleted = 0
    listed = _locked_batches(connection, change_rules, forgetting.list_expired, days=days)
    async with aclosing(listed) as batches:
        async for ids in batches:
            deleted += await forgetting.delete_played(connection, service="setlistfm", ids=ids)
            await forgetting.settle_shows(connection, ids=ids)
    return deleted


@asynccontextmanager
async def _transaction(connection: Connection) -> AsyncIterator[Connection]:
    async with connection.transaction():
        yield connection


async def _locked_batches(
    connection: Connection, change_rules: ChangeRules, list_shows: Callable[..., AsyncIterator[Any]], **of: Any
) -> AsyncGenerator[list[int], None]:
    """Walks shows in batches, each in a transaction of its own that ends when the next batch is asked for.

    Takes: list_shows, a query with the parameters `of`, after_id and count
    Gives: ids of shows that are locked, and whose votes wait
    """
    after_id = 0
    while True:
        async with change_rules(_transaction(connection)) as change:
            listed = list_shows(connection, **of, after_id=after_id, count=SHOWS_PER_BATCH)
            shows = [row async for row in listed]
            if not shows:
                return
            await lock_shards(connection, [show["slug"] for show in shows], change.hold)
            locked = forgetting.lock_shows(connection, ids=[show["id"] for show in shows])
            # A show may have been deleted since it was listed, even the last one of the batch.
            yield [row["id"] async for row in locked]
        after_id = shows[-1]["id"]
