"""Chores: one node of several runs them, without a request."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from server.clock import SystemClock
from server.store.chores import Chore, Chores
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node, until


async def test_one_node_runs_the_chores_and_another_takes_over(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two nodes one works; a failing chore does not end it; when its connection is cut, the other goes on."""
    monkeypatch.setattr("server.store.chores.ASK_EVERY_S", 0.01)
    done: list[str] = []

    def chores_of(node: str) -> Chores:
        async def work(connection: Any) -> None:
            done.append(node)
            await connection.execute("select 1/0")

        return Chores(database_url, SystemClock(), [Chore("test", 0.01, work)])

    running = [asyncio.create_task(chores_of(node).run()) for node in "ab"]
    connection = await asyncpg.connect(database_url)
    find = (
        "select pid from pg_locks where locktype = 'advisory' and granted and objsubid = 1"
        " and database = (select oid from pg_database where datname = current_database())"
    )
    try:
        holder = await until(lambda: connection.fetchval(find))
        await until(lambda: asyncio.sleep(0, len(done) > 3))
        assert len(set(done)) == 1
        # Three times with two nodes: a node that has lost its turn asks for the next one.
        for _ in range(3):
            lost = holder
            await connection.execute("select pg_terminate_backend($1)", lost)

            async def taken_over(lost: int = lost) -> int | None:
                pid: int | None = await connection.fetchval(find)
                return pid if pid != lost else None

            holder = await until(taken_over)
            done.clear()
            await until(lambda: asyncio.sleep(0, len(done) > 3))
        assert not any(task.done() for task in running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await connection.close()


async def test_missing_months_are_made_by_a_running_node(
    database_url: str, redis_url: str, factory: RowFactory
) -> None:
    """Without a request: the missing month is there soon after a node has started."""
    name = await factory.last_partition()
    await factory.sql.execute(f"drop table {name}")
    async with running_node(database_url, redis_url, has_chores=True):
        await until(lambda: factory.sql.fetchval("select to_regclass($1) is not null", name))
