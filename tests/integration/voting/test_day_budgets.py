"""The day's budgets of a cluster: what a home waits for before it reads the rows of fans again."""

from __future__ import annotations

import asyncio
from typing import cast

from server.cache.connection import Connection
from server.store.database import WRITER_ROLE, Database
from server.voting.day_budgets import DayBudgets
from tests.support.row_factory import RowFactory
from tests.support.running_node import until

WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


async def test_a_home_waits_for_a_commit_under_way(database_url: str, factory: RowFactory) -> None:
    """Its votes may be of a log that a promoted replica has lost, so no end of a log names them. Its rows are read after it."""
    database = await Database.open(database_url, role=WRITER_ROLE, pool_size=1)
    budgets = DayBudgets(cast(Connection, None), database, 16, 1_000)
    try:
        async with factory.sql.transaction():
            await factory.sql.execute("update log_positions set position = position + 1 where shard = 7")
            settling = asyncio.create_task(budgets._until_committed({}))
            await until(lambda: factory.sql.fetchval(WAITING))
            assert not settling.done()
        await settling
    finally:
        await database.close()
