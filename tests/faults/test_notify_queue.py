"""A session that listens and stays in a transaction keeps PostgreSQL's queue of notifications, until it is full."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from server.embedded import EmbeddedEngines
from server.settings import data_folder
from server.store.migrations import migrate_up
from tests.support.engines import FAST_SETTINGS, LoopThread, short_folder
from tests.support.node_process import NodeProcess
from tests.support.open_shows import make_shows, make_users
from tests.support.stepped_client import SteppedClient

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def engines() -> Iterator[EmbeddedEngines]:
    """Engines with the smallest queue that PostgreSQL takes."""
    thread = LoopThread()
    with short_folder() as folder:
        settings = {**FAST_SETTINGS, "max_notify_queue_pages": "64"}
        started = thread.run(EmbeddedEngines.start(folder, postgres_settings=settings))
        try:
            thread.run(migrate_up(started.database_url, data_folder("migrations")))
            yield started
        finally:
            thread.run(started.stop())
            thread.close()


async def fill(connection: Any) -> None:
    """Notifies until the queue is full, in small transactions, which all other listeners hear."""
    for number in range(1_000):
        await connection.execute("select pg_notify('soak', $1 || repeat('x', 7000))", f"{number} ")


async def test_a_full_queue_of_notifications_delays_commits(engines: EmbeddedEngines, tmp_path: Path) -> None:
    """Casts are accepted meanwhile, and committed once the session ends; the node goes on all the time."""
    (show,) = await make_shows(engines.database_url)
    (user,) = await make_users(engines.database_url, 1)
    environ = {"DATABASE_URL": engines.database_url, "REDIS_URL": engines.redis_url}
    async with (
        NodeProcess.running(tmp_path / "node", **environ) as node,
        SteppedClient.connected(node.url, user) as client,
    ):
        assert (await client.cast(show.id, {show.songs[0]: "up"}))["durability"] == "committed"
        idle, filling = [await asyncpg.connect(engines.database_url) for _ in range(2)]
        await idle.execute("listen soak")
        await idle.execute("begin")
        with pytest.raises(asyncpg.ProgramLimitExceededError, match="NOTIFY queue"):
            await fill(filling)
        answer = await client.cast(show.id, {show.songs[0]: "down"})
        assert answer["durability"] == "accepted"
        await idle.close()
        await client.until_durable(show.id, answer["at"])
        await filling.close()
        assert node.exit_code is None
        assert node.tracebacks() == ""
