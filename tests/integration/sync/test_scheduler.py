"""Jobs of the scheduler: one node runs each once, none is lost with its node, and none is retried for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from server.errors import ProviderError, StoreUnavailable
from server.store.database import Database
from server.sync import scheduler as scheduling
from server.sync.jobs import Job, JobImpossible, queue_job
from server.sync.queries import jobs
from server.sync.scheduler import ATTEMPTS_MAX, Schedule, SyncScheduler
from tests.support import one_node
from tests.support.running_node import until, until_a_lock_is_awaited

database_url, redis_url = one_node.database_url, one_node.redis_url


@pytest_asyncio.fixture(loop_scope="module")
async def database(database_url: str, sql: Any) -> AsyncIterator[Database]:
    """The database connections of a node, which some tests close. Takes: sql, which has emptied the database."""
    opened = await Database.open(database_url, pool_size=6)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="module")
async def second(database_url: str) -> AsyncIterator[Database]:
    """The database connections of another node."""
    opened = await Database.open(database_url, pool_size=4)
    yield opened
    await opened.close()


def doing(database: Database, handler: Any, *schedules: Schedule) -> SyncScheduler:
    """A scheduler with one kind of job."""
    return SyncScheduler(database, {("setlistfm", "setlists"): handler}, schedules)


async def states(sql: Any) -> list[tuple[Any, ...]]:
    """Subject, status, attempts and error of all jobs."""
    rows = await sql.fetch("select subject, status::text, attempts, error from sync_jobs order by id")
    return [tuple(row) for row in rows]


async def test_two_nodes_run_each_job_once(database: Database, second: Database, sql: Any) -> None:
    """Forty jobs, some queued twice: each runs once, urgent ones first, and never more at once than a node allows."""
    done: list[str] = []
    under_way: dict[Database, int] = {database: 0, second: 0}

    def handler(node: Database) -> Any:
        async def handle(job: Job) -> None:
            under_way[node] += 1
            assert under_way[node] <= scheduling.JOBS_PER_SERVICE
            await asyncio.sleep(0)
            done.append(job.subject)
            under_way[node] -= 1

        return handle

    for number in range(40):
        await queue_job(database, "setlistfm", "setlists", str(number), priority="urgent" if number >= 36 else "low")
    assert len({await queue_job(database, "setlistfm", "setlists", "0", priority="normal") for _ in range(3)}) == 1
    await asyncio.gather(
        doing(database, handler(database)).run_until_idle(), doing(second, handler(second)).run_until_idle()
    )
    assert sorted(done, key=int) == [str(number) for number in range(40)]
    assert set(done[:4]) == {"36", "37", "38", "39"}
    assert done[4] == "0"
    assert {row[1:] for row in await states(sql)} == {("succeeded", 1, "")}


async def test_jobs_that_end_before_start_due_jobs_returns_do_not_stop_the_loop(
    database: Database, sql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a slow call returns, nothing runs although it started jobs: more jobs may be due."""

    class SlowLook(SyncScheduler):
        async def _start_jobs(self, connection: Any) -> int:
            begun = await super()._start_jobs(connection)
            while self._tasks:
                await asyncio.wait(self._tasks.values())
            return begun

    async def handle(_: Job) -> None: ...

    for number in range(5):
        await queue_job(database, "setlistfm", "setlists", str(number))
    slow = SlowLook(database, {("setlistfm", "setlists"): handle}, ())
    await slow.run_until_idle()
    assert {status for _, status, *_ in await states(sql)} == {"succeeded"}

    for number in range(5):
        await queue_job(database, "setlistfm", "setlists", str(number))
    monkeypatch.setattr(scheduling, "POLL_EVERY_S", 3_600.0)
    running = asyncio.create_task(slow.run())
    await until(lambda: sql.fetchval("select count(*) = 10 from sync_jobs where status = 'succeeded'"))
    running.cancel()


async def test_a_job_of_a_lost_node_continues_from_its_cursor(database: Database, second: Database, sql: Any) -> None:
    """After its lease another node takes it over with its cursor, and results of the lost node do not count."""
    begun, seen = asyncio.Event(), []

    async def hang(job: Job) -> None:
        await job.save_cursor({"page": 3})
        begun.set()
        await asyncio.Event().wait()

    async def go_on(job: Job) -> None:
        seen.append(job.cursor)

    await queue_job(database, "setlistfm", "setlists", "7")
    lost, heir = doing(database, hang), doing(second, go_on)
    await lost.start_due_jobs()
    await begun.wait()
    await heir.run_until_idle()
    assert seen == []  # its lease is still valid
    await sql.execute("update sync_jobs set lease_until = now() - interval '1 second'")
    await heir.run_until_idle()
    assert seen == [{"page": 3}]
    await lost.start_due_jobs()  # finds that the job no longer belongs to it, and cancels it
    await until(lambda: _is_idle(lost))
    assert await states(sql) == [("7", "succeeded", 2, "")]


async def _is_idle(scheduler: SyncScheduler) -> bool:
    return not scheduler._tasks


async def test_a_lease_is_renewed_while_a_job_runs(database: Database, second: Database, sql: Any) -> None:
    """A living node keeps its jobs, however long they run."""
    release = asyncio.Event()

    async def wait(job: Job) -> None:
        await release.wait()

    await queue_job(database, "setlistfm", "setlists", "7")
    slow, other = doing(database, wait), doing(second, wait)
    await slow.start_due_jobs()
    await sql.execute("update sync_jobs set lease_until = now() + interval '1 second'")
    await slow.start_due_jobs()
    assert await sql.fetchval("select lease_until > now() + interval '30 seconds' from sync_jobs")
    await other.start_due_jobs()
    assert await _is_idle(other)
    release.set()
    await slow.run_until_idle()
    assert await states(sql) == [("7", "succeeded", 1, "")]


async def test_a_failed_job_is_postponed_but_not_for_ever(database: Database, sql: Any) -> None:
    """To the time that the provider asked for, which is no attempt; otherwise by a doubling delay, until ATTEMPTS_MAX."""
    waits = iter([90.0, None, None])
    current: list[float | None] = []

    async def fail(job: Job) -> None:
        current.append(next(waits, None))
        raise ProviderError("setlistfm", "answered 500", retry_after_s=current[-1])

    await queue_job(database, "setlistfm", "setlists", "7")
    scheduler = doing(database, fail)
    delays = []
    for _ in range(ATTEMPTS_MAX):
        await scheduler.run_until_idle()
        delays.append(round(await sql.fetchval("select extract(epoch from run_at - now()) from sync_jobs") / 10) * 10)
        await sql.execute("update sync_jobs set run_at = now()")
    # Each delay but the one that the provider asked for varies by a quarter.
    assert delays[0] == 90
    assert all(
        0.75 * usual <= delay <= 1.25 * usual + 1
        for delay, usual in zip(delays[1:], (60, 120, 240, 480, 960), strict=True)
    )
    assert await states(sql) == [("7", "queued", ATTEMPTS_MAX - 1, "setlistfm: answered 500")]
    await scheduler.run_until_idle()
    assert await states(sql) == [("7", "failed", ATTEMPTS_MAX, "setlistfm: answered 500")]


async def test_a_job_is_retried_at_once_when_postgres_is_busy(database: Database, sql: Any) -> None:
    """Once; after that it is postponed like after any other failure."""
    moments = {"1": 1, "2": 2}

    async def handle(job: Job) -> None:
        if moments[job.subject]:
            moments[job.subject] -= 1
            raise StoreUnavailable("TimeoutError: ")

    for subject in moments:
        await queue_job(database, "setlistfm", "setlists", subject)
    await doing(database, handle).run_until_idle()
    assert await states(sql) == [("1", "succeeded", 2, ""), ("2", "queued", 2, "TimeoutError: ")]
    assert await sql.fetchval("select run_at > now() + interval '1 minute' from sync_jobs where subject = '2'")


async def test_a_job_whose_end_cannot_be_stored_is_left_to_its_lease(
    database: Database, second: Database, sql: Any
) -> None:
    """PostgreSQL went away while it ran: nothing breaks, and the next node that takes it over completes it."""

    async def lose(job: Job) -> None:
        await database.close()
        raise StoreUnavailable("ConnectionRefusedError: ")

    async def do(job: Job) -> None: ...

    await queue_job(database, "setlistfm", "setlists", "7")
    with capture_logs() as told:
        scheduler = doing(database, lose)
        await scheduler.start_due_jobs()
        await until(lambda: _is_idle(scheduler))
    assert [line["event"] for line in told] == ["sync.job_begun", "sync.job_left"]
    await sql.execute("update sync_jobs set lease_until = now() - interval '1 second'")
    await doing(second, do).run_until_idle()
    assert await states(sql) == [("7", "succeeded", 2, "")]


async def test_impossible_jobs_and_bugs_fail_at_once(database: Database, sql: Any) -> None:
    """A job without an object, and a bug: each fails with one line, and the other jobs run."""

    async def handle(job: Job) -> None:
        if job.subject == "1":
            raise JobImpossible("there is no artist 1 any more")
        if job.subject == "2":
            raise KeyError("a bug")

    for number in range(4):
        await queue_job(database, "setlistfm", "setlists", str(number))
    await doing(database, handle).run_until_idle()
    assert await states(sql) == [
        ("0", "succeeded", 1, ""),
        ("1", "failed", 1, "there is no artist 1 any more"),
        ("2", "failed", 1, "A bug stopped this job (KeyError). The node's log has the details."),
        ("3", "succeeded", 1, ""),
    ]


async def test_a_cancelled_job_stops_and_a_paused_service_waits(database: Database, sql: Any) -> None:
    """A running job stops at the next renewal; jobs of a paused service wait until it is resumed."""
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def hang(job: Job) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    job_id = await queue_job(database, "setlistfm", "setlists", "7")
    scheduler = doing(database, hang)
    await scheduler.start_due_jobs()
    await begun.wait()
    async with database.connection() as connection:
        assert await jobs.cancel_job(connection, id=job_id) == 1
        await scheduler.start_due_jobs()
        await stopped.wait()
        assert await jobs.cancel_job(connection, id=job_id) == 0
        await jobs.pause_service(connection, service="setlistfm")
        waiting_id = await queue_job(database, "setlistfm", "setlists", "8")
        await scheduler.start_due_jobs()
        assert (await states(sql))[-1] == ("8", "queued", 0, "")
        await jobs.resume_service(connection, service="setlistfm")
    begun.clear()
    stopped.clear()
    await scheduler.start_due_jobs()
    await begun.wait()
    assert [row[:2] for row in await states(sql)] == [("7", "cancelled"), ("8", "running")]
    async with database.connection() as connection:
        assert await jobs.cancel_job(connection, id=waiting_id) == 1
    await scheduler.start_due_jobs()
    await stopped.wait()


async def test_a_stopped_node_leaves_its_jobs_to_the_others(database: Database, second: Database, sql: Any) -> None:
    """No job is reported as done or failed because its node was stopped."""
    begun = asyncio.Event()

    async def hang(job: Job) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def do(job: Job) -> None:
        pass

    await queue_job(database, "setlistfm", "setlists", "7")
    running = asyncio.create_task(doing(database, hang).run())
    await begun.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await states(sql) == [("7", "running", 1, "")]
    await sql.execute("update sync_jobs set lease_until = now() - interval '1 second'")
    await doing(second, do).run_until_idle()
    assert await states(sql) == [("7", "succeeded", 2, "")]


async def test_a_schedule_runs_on_one_node_and_makes_up_once(database: Database, second: Database, sql: Any) -> None:
    """After a week's pause it queues once, not a week's worth; paused, it does not; no other node takes it at the same time."""
    taken: list[str] = []

    async def queue(connection: Any) -> int:
        taken.append("queued")
        return 0

    async def do(job: Job) -> None:
        pass

    nodes = [doing(node, do, Schedule("setlists", 3600, queue)) for node in (database, second)]
    await asyncio.gather(*(node.start_due_jobs() for node in nodes))
    assert len(taken) == 1
    await sql.execute("update sync_schedules set next_at = now() - interval '7 days'")
    for _ in range(3):
        await asyncio.gather(*(node.start_due_jobs() for node in nodes))
    assert len(taken) == 2
    async with database.connection() as connection:
        assert await jobs.pause_schedule(connection, name="setlists", is_paused=True) == 1
    await sql.execute("update sync_schedules set next_at = now()")
    await nodes[0].start_due_jobs()
    assert len(taken) == 2
    assert await sql.fetchval("select is_paused from sync_schedules")


async def test_schedules_queue_each_subject_once_within_its_interval(database: Database, sql: Any) -> None:
    """Shows near their date have a high priority, and past shows are asked about in their first two weeks."""
    await sql.execute(
        "insert into artists (slug, name) select 'a' || n, 'A' || n from generate_series(1, 4) n;"
        "insert into venues (slug, name, city, country, latitude, longitude, time_zone)"
        " values ('hall', 'Hall', 'Boston', 'US', 42.3, -71.0, 'America/New_York');"
        "insert into artist_identities (service, external_id, artist_id, confidence, evidence)"
        " select 'musicbrainz', 'm' || id, id, 1, 'told' from artists where slug <> 'a4'"
    )
    for slug, days in (("a1", 40), ("a2", 1), ("a2", -1), ("a3", -5), ("a3", -30), ("a4", -1)):
        await sql.execute(
            "insert into shows (slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at)"
            " select a.slug || 'x' || $2::int + 100, a.id, v.id, 'Show', current_date + $2::int, v.time_zone, now() + $2 * interval '1 day',"
            " now() - interval '90 days', now() + interval '90 days' from artists a, venues v where a.slug = $1", slug, days,
        )  # fmt: skip
    async with database.connection() as connection:

        async def queue_setlists() -> int:
            count: int = await jobs.queue_of_artists(
                connection, service="setlistfm", kind="setlists", identity="musicbrainz", older_than_s=7 * 86_400.0,
                near_older_than_s=86_400.0, count=100, spread_s=600.0,
            )  # fmt: skip
            return count

        assert await queue_setlists() == 3
        assert await queue_setlists() == 0
        rows = await sql.fetch(
            "select a.slug, j.priority::text, j.run_at between now() and now() + interval '10 minutes' from sync_jobs j"
            " join artists a on a.id = j.subject::bigint where j.kind = 'setlists' order by 1"
        )
        assert [tuple(row) for row in rows] == [("a1", "low", True), ("a2", "high", True), ("a3", "low", True)]
        await sql.execute("update sync_jobs set status = 'succeeded', created_at = now() - interval '2 days'")
        assert await queue_setlists() == 1  # only the artist with a near show
        assert await jobs.queue_played(connection, service="setlistfm", count=100, spread_s=600.0) == 2
        assert await jobs.queue_played(connection, service="setlistfm", count=100, spread_s=600.0) == 0
        played = await sql.fetch(
            "select s.slug, j.priority::text from sync_jobs j join shows s on s.id = j.subject::bigint where j.kind = 'played' order by j.id"
        )
        assert {row["slug"] for row in played} == {"a2x99", "a3x95"}
        assert (
            await jobs.queue_artists(connection, service="musicbrainz", older_than_s=1e6, count=9, spread_s=600.0) == 1
        )


@pytest.mark.parametrize("change", ["renew_leases", "stop_jobs"])
async def test_changes_of_several_jobs_lock_them_in_one_order(
    database: Database, second: Database, sql: Any, change: str
) -> None:
    """Two of them that meet cannot end each other by a deadlock: one that waits for the first job holds no later one."""
    ids = [await queue_job(database, "setlistfm", "setlists", subject, priority="normal") for subject in "ab"]
    # The first job last, so that it is behind the second one in the table and its indexes.
    for number in (ids[1], ids[0]):
        await sql.execute(
            "update sync_jobs set status = 'running', lease_until = now() + interval '1 minute' where id = $1", number
        )

    async def change_both() -> None:
        async with second.connection() as connection:
            if change == "stop_jobs":
                await jobs.stop_jobs(connection, service="setlistfm", job_id=0)
            else:
                assert len([row async for row in jobs.renew_leases(connection, ids=ids[::-1], lease_s=9.0)]) == 2

    async with asyncio.TaskGroup() as tasks, database.transaction() as connection:
        await connection.execute("select from sync_jobs where id = $1 for update", ids[0])
        tasks.create_task(change_both())
        await until_a_lock_is_awaited(sql, "sync_jobs")
        assert await sql.fetch("select id from sync_jobs where id = $1 for update skip locked", ids[1])
