"""What a running node notices around it: the schema, the keys of other nodes, the clocks."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import asyncpg
import pytest
from prometheus_client import REGISTRY

from server.errors import SetupError
from server.node import self_check
from server.node.node import Node
from server.voting.leases import refuse_other_keys
from tests.support.node_process import NodeProcess
from tests.support.running_node import SECRET, running_node, settings, until

NEWER = "29990101000000"


async def readiness(node: Node) -> tuple[int, str]:
    """The status of `/readyz` and its text, after a check."""
    await node.rooms.self_check.check()
    async with aiohttp.ClientSession() as http, http.get(f"{node.url}/readyz") as response:
        return response.status, await response.text()


async def test_a_node_on_a_changed_schema_is_not_ready(database_url: str, redis_url: str) -> None:
    """A migration was taken back, or a newer release has added one; afterwards the node is ready again."""
    connection = await asyncpg.connect(database_url)
    try:
        async with running_node(database_url, redis_url) as node:
            assert (await readiness(node))[0] == 200
            newest = await connection.fetchval("select max(version) from schema_migrations")
            await connection.execute("delete from schema_migrations where version = $1", newest)
            status, text = await readiness(node)
            assert (status, f"migration {newest} of the database was taken back" in text) == (503, True)
            await connection.execute("insert into schema_migrations (version) values ($1), ($2)", newest, NEWER)
            status, text = await readiness(node)
            assert (status, f"migration {NEWER} of the database is newer than this node" in text) == (503, True)
            await connection.execute("delete from schema_migrations where version = $1", NEWER)
            assert (await readiness(node))[0] == 200
    finally:
        await connection.close()


async def test_a_node_with_another_secret_does_not_start(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """One line says so; the same secret is accepted, and without a running node any secret is."""
    other = "another secret, and it is long enough"
    await refuse_other_keys(database_url, other)
    async with running_node(database_url, redis_url) as node:
        await until(lambda: _is_announced(database_url, other))
        await refuse_other_keys(database_url, SECRET)
        with pytest.raises(
            SetupError, match="^MYSETLIST_SECRET: the running nodes of this database sign tokens with another"
        ):
            await refuse_other_keys(database_url, other)
        starting = NodeProcess(tmp_path, DATABASE_URL=database_url, REDIS_URL=redis_url, MYSETLIST_SECRET=other)
        process = await starting.launch()
        assert await process.wait() == 1
        assert '"reason": "MYSETLIST_SECRET: the running nodes' in starting.log_path.read_text()
        assert node.rooms.self_check.why_not_ready == ""


async def _is_announced(database_url: str, secret: str) -> bool:
    try:
        await refuse_other_keys(database_url, secret)
    except SetupError:
        return True
    return False


async def test_nodes_that_started_together_with_two_secrets_are_not_ready(database_url: str, redis_url: str) -> None:
    """Each sees the other, because neither was there when the other one started."""
    async with running_node(database_url, redis_url) as one:
        two = await Node.start(settings(database_url, redis_url, secret="another secret, and it is long enough"))
        try:
            for node in (one, two):

                async def is_told(node: Node = node) -> bool:
                    status, text = await readiness(node)
                    return status == 503 and "another MYSETLIST_SECRET" in text

                await until(is_told)
        finally:
            await two.stop()


async def test_the_clocks_are_compared(database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each engine's clock is a metric; the log tells when they begin to differ and when they agree again."""
    records: list[str] = []

    class Log:
        def info(self, action: str, **_: object) -> None:
            records.append(action)

        warning = error = info

    async with running_node(database_url, redis_url) as node:
        monkeypatch.setattr(self_check, "log", Log())
        check = node.rooms.self_check
        await check.check()
        for server in ("PostgreSQL", "Valkey"):
            ahead_s = REGISTRY.get_sample_value("mysetlist_clock_ahead_seconds", {"server": server})
            assert ahead_s is not None
            assert abs(ahead_s) < 1
        for ahead_ms in (1_500.0, 1_500.0, 0.0):
            check._compare_clocks({"PostgreSQL": ahead_ms, "Valkey": 0.0})
    assert records == ["clocks.differ", "clocks.agree"]
