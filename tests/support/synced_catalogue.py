"""Brings artists into a catalogue from the stand-in of all providers, and holds the votes of a show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from server.store.database import Database
from server.sync.artists import ArtistSyncService
from server.sync.jobs import queue_job
from server.sync.providers import Providers
from server.sync.schedules import build_scheduler
from tests.support.running_node import until_a_lock_is_awaited


async def bring_in(database: Database, providers: Providers, sql: Any, name: str) -> int:
    """Syncs an artist with all following jobs, by the scheduler."""
    artist = await ArtistSyncService(database, providers).sync(name)
    await again(database, providers, artist.id, sql)
    return artist.id


async def again(database: Database, providers: Providers, artist_id: int, sql: Any) -> None:
    """Syncs everything of an artist again, without the cache."""
    await sql.execute("delete from external_cache")
    for service, kind in (("ticketmaster", "shows"), ("setlistfm", "setlists"), ("spotify", "songs")):
        await queue_job(database, service, kind, str(artist_id))
        await build_scheduler(database, providers).run_until_idle()
    failed = await sql.fetch("select kind, error from sync_jobs where status not in ('succeeded', 'queued')")
    assert [tuple(row) for row in failed] == []


@asynccontextmanager
async def waiting_for_votes(database_url: str, show_id: int, work: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Within the block votes of a show are being written, and the work waits for them without a lock on a show or a song."""
    writer, eyes = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    async with writer.transaction():
        await writer.execute(
            "select from log_positions where shard = $1 % (select count(*) from log_positions) for update", show_id
        )
        working = asyncio.create_task(work)
        await until_a_lock_is_awaited(eyes, "log_positions")
        await writer.execute("set local lock_timeout = '1s'")
        await writer.execute("select from shows for update")
        await writer.execute("select from setlist_songs for update")
        yield
    await working
    await writer.close()
    await eyes.close()
