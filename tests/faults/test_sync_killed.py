"""A node that is killed while it waits for a provider: another node continues, and nothing is written twice."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from tests.support.node_process import NodeProcess, until, until_async
from tests.support.providers import running_providers
from tests.support.providers.service import Rate
from tests.support.providers.world import World


async def test_the_job_of_a_killed_node_is_taken_over(tmp_path: Path, database_url: str, redis_url: str) -> None:
    """Kill -9 while Ticketmaster is slow; the next node runs the job once its lease has expired, and completes it."""
    sql = await asyncpg.connect(database_url)
    async with running_providers(World.make(artists=3)) as provider_services:
        for service in provider_services.services():
            service.rate = Rate(1_000_000, 1.0, 1_000_000)
        artist = provider_services.world.artists[0]
        artist_id = await sql.fetchval("insert into artists (slug, name) values ('a', $1) returning id", artist.name)
        await sql.execute(
            "insert into artist_identities (service, external_id, artist_id, confidence, evidence)"
            " values ('ticketmaster', $1, $2, 1, 'told')", artist.attraction_id, artist_id,
        )  # fmt: skip
        await sql.execute(
            "insert into sync_jobs (service, kind, subject, status) values ('ticketmaster', 'shows', $1, 'queued')",
            str(artist_id),
        )
        provider_services.ticketmaster.fail(delay_s=60.0)
        environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **provider_services.environ()}
        async with NodeProcess.running(tmp_path / "first", **environ) as first:
            await until_async(lambda: _is(sql, "running"), "no node took the job")
            await until(lambda: not provider_services.ticketmaster.faults, "Ticketmaster was not asked")
            await first.kill()
        assert await sql.fetchval("select count(*) from shows") == 0
        # The lease has expired.
        await sql.execute("update sync_jobs set lease_until = now() - interval '1 second' where status = 'running'")
        async with NodeProcess.running(tmp_path / "second", **environ):
            await until_async(lambda: _is(sql, "succeeded"), "nobody took the job over")
        assert await sql.fetchval("select attempts from sync_jobs where kind = 'shows'") == 2
        assert await sql.fetchval("select count(*) from shows") == 3
        assert await sql.fetchval("select count(*) from import_log where stage = 'shows' and outcome = 'added'") == 3
        assert provider_services.violations == []
    await sql.close()


async def _is(sql: asyncpg.Connection, status: str) -> bool:
    found: bool = await sql.fetchval(
        "select exists (select from sync_jobs where kind = 'shows' and status::text = $1)", status
    )
    return found
