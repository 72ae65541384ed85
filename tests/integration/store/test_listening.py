"""A listening connection that is given up while it opens."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from server.store.listening import LISTENER, Listening
from tests.support.running_node import until

COUNT = f"select count(*) from pg_stat_activity where datname = current_database() and application_name = '{LISTENER}'"


async def test_a_listener_that_is_cancelled_leaves_no_connection(database_url: str) -> None:
    """A node whose last step fails cancels its listener, which may then have listened on some of its channels."""
    watching = await asyncpg.connect(database_url)
    # So many that the cancellation comes while it listens on one after the other.
    opening = asyncio.create_task(
        Listening.open(database_url, {f"channel_{number}": print for number in range(10_000)})
    )

    async def is_there() -> bool:
        return bool(await watching.fetchval(COUNT) == 1)

    async def is_gone() -> bool:
        return bool(await watching.fetchval(COUNT) == 0)

    await until(is_there)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await until(is_gone)
    await watching.close()
