"""Runs one whole node inside the process of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from server.node.intervals import DEFAULT_INTERVALS, Intervals
from server.node.node import Node
from server.settings import Settings

SECRET = "a secret of tests, and long enough"
# Longer than any wait on a busy machine; only a test that hangs reaches it.
PATIENCE_S = 20.0


def settings(database_url: str, redis_url: str, **changes: Any) -> Settings:
    """The settings of a node in a test."""
    given: dict[str, Any] = {
        "data_dir": Path("/nowhere"),
        "secret": SECRET,
        "database_url": database_url,
        "redis_url": redis_url,
        "port": 0,
        "musicbrainz_api_url": "http://127.0.0.1:9",  # no test calls the real service
    }
    return Settings(**(given | changes))


@asynccontextmanager
async def running_node(
    database_url: str,
    redis_url: str,
    *,
    has_own_database: bool = False,
    has_chores: bool = False,
    intervals: Intervals = DEFAULT_INTERVALS,
    **changes: Any,
) -> AsyncIterator[Node]:
    """A whole node, ready, on a port of its own; stopped at the end, and none of its loops may have died.

    Takes: has_chores, True for a test that needs them; the first round of them is a third of what a start costs PostgreSQL
    """
    if not has_chores:
        intervals = replace(intervals, chores_after_s=3_600.0)
    node = await Node.start(
        settings(database_url, redis_url, **changes), has_own_database=has_own_database, intervals=intervals
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            await node.wait_until_ready()
        yield node
    finally:
        has_failed = node.failed.done()
        await node.stop()
    assert not has_failed, f"the loop {node.failed.result()} died"


async def until(holds: Callable[[], Awaitable[Any]]) -> Any:
    """Calls `holds` until its answer is true, and gives it: for changes that no message announces."""
    async with asyncio.timeout(PATIENCE_S):
        while not (answer := await holds()):
            await asyncio.sleep(0.01)
    return answer


async def until_a_lock_is_awaited(looking: Any, words: str) -> None:
    """Returns when a statement with these words waits for a lock. Takes: looking, a connection without a transaction."""
    await until(
        lambda: looking.fetchval(
            "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like '%' || $1 || '%'"
            " and datname = current_database() and pid <> pg_backend_pid())",
            words,
        )
    )
