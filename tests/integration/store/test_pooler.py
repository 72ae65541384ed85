"""Debian's PgBouncer in transaction mode in front of what clients ask; the vote path and its locks go around it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from server.cli.doctor_checks import run_checks
from server.errors import SetupError, StoreConflict
from server.settings import data_folder
from server.store.database import REQUEST_ROLE, Database
from server.store.engine import check_pooler
from server.store.migrations import migrate_up
from tests.support.engines import debian_postgres, execute, short_folder, unused_port
from tests.support.node_process import SECRET, until
from tests.support.open_shows import make_shows, make_users
from tests.support.replication import needs_debian_postgres, session
from tests.support.running_node import running_node
from tests.support.socket_client import SocketClient

PGBOUNCER = Path("/usr/sbin/pgbouncer")
SERVER_CONNECTIONS = 3
pytestmark = [
    needs_debian_postgres,
    pytest.mark.skipif(not PGBOUNCER.exists(), reason=f"no {PGBOUNCER} (Debian: apt install pgbouncer)"),
    pytest.mark.timeout(60),
]


@contextmanager
def pgbouncer(server_url: str) -> Iterator[str]:
    """Runs PgBouncer in transaction mode, with few connections to the server; gives its address for the database fans."""
    identity: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    with short_folder() as folder:
        if identity:
            shutil.chown(folder, "nobody", "nogroup")
        server, port = urlsplit(server_url), unused_port()
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nunix_socket_dir =\nauth_type = plain\nauth_file = {folder}/users\n"
            f"pool_mode = transaction\ndefault_pool_size = {SERVER_CONNECTIONS}\nmax_client_conn = 200\n"
            "server_tls_sslmode = disable\n"
        )
        (folder / "users").write_text('"owner" "s3cret+/&x"\n')
        with (folder / "log").open("w") as log:
            process = subprocess.Popen([PGBOUNCER, configuration], stdout=log, stderr=log, cwd=folder, **identity)
        try:
            asyncio.run(until(lambda: "process up" in (folder / "log").read_text(), "PgBouncer is up"))
            yield f"postgresql://owner:s3cret%2B%2F%26x@127.0.0.1:{port}/fans"
        finally:
            process.terminate()
            process.wait()


@pytest.fixture(scope="module")
def direct_url() -> Iterator[str]:
    """A migrated database of Debian's PostgreSQL."""
    with debian_postgres() as url:
        asyncio.run(execute(url, "create database fans"))
        fans = url.removesuffix("/postgres") + "/fans"
        asyncio.run(migrate_up(fans, data_folder("migrations")))
        yield fans


@pytest.fixture(scope="module")
def pooled_url(direct_url: str) -> Iterator[str]:
    """The pooler in front of it."""
    with pgbouncer(direct_url) as url:
        yield url


async def test_a_pooler_is_checked_before_a_node_starts(
    direct_url: str, pooled_url: str, redis_url: str, engine_dir: Path
) -> None:
    """It leads to the same database, requests work through it, or the start fails with one line."""
    await check_pooler(pooled_url, direct_url)
    environ = {"DATABASE_URL": direct_url, "DATABASE_POOLED_URL": pooled_url, "REDIS_URL": redis_url}
    found = {check.name: check for check in await run_checks({**environ, "MYSETLIST_SECRET": SECRET}, engine_dir)}
    assert (found["pooled requests"].verdict, "pooler" in found) == ("ok", False)
    for url, why in (
        (
            pooled_url.removesuffix("/fans") + "/postgres",
            "DATABASE_POOLED_URL: the pooler at .* leads to another database",
        ),
        (pooled_url.removesuffix("/fans") + "/none", "DATABASE_POOLED_URL: cannot use the pooler at .*"),
        ("postgresql://127.0.0.1:1/fans", r"DATABASE_POOLED_URL: cannot use the pooler at 127\.0\.0\.1:1"),
    ):
        with pytest.raises(SetupError, match=why) as caught:
            await check_pooler(url, direct_url)
        assert "s3cret" not in str(caught.value)


async def test_a_transaction_has_its_settings_and_leaves_none(pooled_url: str, direct_url: str) -> None:
    """Many blocks at once on few connections of the server: each has its role and limits; another client has none of them."""
    pooled = await Database.open(pooled_url, role=REQUEST_ROLE, is_pooled=True, pool_size=8)
    direct = await Database.open(direct_url, role=REQUEST_ROLE, pool_size=1)
    settings = (
        "select name, current_setting(name, true) from unnest(array['role', 'statement_timeout', 'lock_timeout', 'timezone',"
        " 'idle_in_transaction_session_timeout', 'plan_cache_mode', 'pg_trgm.word_similarity_threshold']) as names (name)"
    )

    async def block(number: int) -> list[tuple[str, str]]:
        opened = (pooled.connection, pooled.transaction, pooled.snapshot, pooled.rehearsal)[number % 4]()
        async with opened as connection:
            assert await connection.fetchval("select $1::int", number) == number
            return [tuple(row) for row in await connection.fetch(settings)]

    try:
        async with direct.connection() as connection:
            wanted = [tuple(row) for row in await connection.fetch(settings)]
        assert ("role", REQUEST_ROLE) in wanted
        for found in await asyncio.gather(*(block(number) for number in range(40))):
            assert found == wanted
        async with asyncio.timeout(5), session(pooled_url) as other:
            assert await other.fetchval("select current_user") == "owner"
    finally:
        await pooled.close()
        await direct.close()


async def test_a_node_serves_clients_through_the_pooler(direct_url: str, pooled_url: str, redis_url: str) -> None:
    """Sign-up, lists, search, statistics, channels and votes; a constraint and a bad request are what they are without it."""
    (show,) = await make_shows(direct_url)
    (fan,) = await make_users(direct_url, 1)
    async with (
        running_node(direct_url, redis_url, database_pooled_url=pooled_url, secret=SECRET) as node,
        aiohttp.ClientSession(node.url, headers={"Authorization": f"Bearer {fan.token}"}) as http,
        SocketClient.connect(node.url) as client,
    ):
        paths = (
            "/api/shows", f"/api/shows/{show.id}", "/api/artists", "/api/search?q=artist", "/api/trending", "/api/me",
            "/api/analytics/vote-stats", f"/api/shows/{show.id}/results",
        )  # fmt: skip

        async def status(path: str) -> int:
            async with http.get(path) as response:
                await response.read()
                return response.status

        assert await asyncio.gather(*(status(path) for path in paths * 3)) == [200] * 24
        assert await status("/api/me/export") == 200
        async with http.post("/api/session") as response:
            assert response.status == 201
        await client.hello(fan.token)
        await client.watch(f"votes:{show.id}", f"setlist:{show.id}", f"attendance:{show.id}")
        assert (await client.cast(show.id, (show.songs[0], "up")))["durability"] == "committed"
        async with http.put(f"/api/shows/{show.id}/review", json={"rating": 99}) as response:
            assert response.status in (400, 404, 422)
        applications = await _applications(direct_url)
    # The listener, the leases, the chores and the writer have sessions of their own.
    assert {"mysetlist listener", "mysetlist leases"} <= applications


async def _applications(url: str) -> set[str]:
    async with session(url) as connection:
        return {row["name"] for row in await connection.fetch("select application_name as name from pg_stat_activity")}


async def test_a_conflict_behind_the_pooler_is_a_conflict(pooled_url: str) -> None:
    """And the connection is fit for the next transaction."""
    pooled = await Database.open(pooled_url, is_pooled=True, pool_size=1)

    async def insert_twice() -> None:
        async with pooled.transaction() as connection:
            for _ in range(2):
                await connection.execute("insert into artists (slug, name) values ('twice', 'Twice')")

    try:
        with pytest.raises(StoreConflict):
            await insert_twice()
        async with pooled.connection() as connection:
            assert await connection.fetchval("select count(*) from artists where slug = 'twice'") == 0
    finally:
        await pooled.close()
