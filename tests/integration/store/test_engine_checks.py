"""Engines by address: accepted ones, refused ones, and refusals that change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
import redis.asyncio

from server.cache.engine import check_valkey, judge
from server.embedded import EmbeddedEngines
from server.errors import SetupError
from server.settings import data_folder
from server.store.engine import EXTENSIONS, check_postgres, refuse_old_postgres, rights_that_lack, unknown_time_zones
from server.store.migrations import migrate_down, migrate_status, migrate_up
from tests.support.engines import DEBIAN_POSTGRES, DEBIAN_REDIS, debian_postgres, debian_redis, execute, unused_port

FOLDER = data_folder("migrations")
needs_debian_postgres = pytest.mark.skipif(
    not (DEBIAN_POSTGRES / "postgres").exists(), reason=f"no PostgreSQL 15 in {DEBIAN_POSTGRES} (.ci/run installs it)"
)
needs_debian_redis = pytest.mark.skipif(not DEBIAN_REDIS.exists(), reason=f"no {DEBIAN_REDIS} (.ci/run installs it)")

GOOD_INFO = {
    "redis_version": "7.2.4",
    "redis_mode": "standalone",
    "role": "master",
    "maxmemory_policy": "noeviction",
    "aof_enabled": 1,
}


@pytest.fixture(scope="module")
def postgres_15() -> Iterator[str]:
    with debian_postgres() as url:
        yield url


async def test_our_own_engines_pass(database_url: str, redis_url: str) -> None:
    """PostgreSQL 18 and Valkey 9, their versions and clocks."""
    postgres = await check_postgres(database_url)
    assert postgres.version.startswith("18.")
    assert postgres.synchronous_commit == "on"
    assert abs(postgres.clock_ahead_ms) < 1000
    valkey = await check_valkey(redis_url)
    assert (valkey.name, valkey.eviction, valkey.persistence) == ("Valkey", "noeviction", "append-only file")
    assert valkey.version.startswith("9.")
    assert valkey.warnings == ()
    assert abs(valkey.clock_ahead_ms) < 1000


@needs_debian_postgres
async def test_postgres_15_by_address_is_migrated(postgres_15: str) -> None:
    """Debian's PostgreSQL, over TCP, without TLS, with a password of special characters: forward, and a step back.

    tests/migration goes all the way back, in `make nightly` on PostgreSQL 15 too.
    """
    await execute(postgres_15, "create database fans")
    url = urlsplit(postgres_15)._replace(path="/fans").geturl()
    assert (await check_postgres(url)).version.startswith("15.")
    assert await migrate_up(url, FOLDER)
    assert all(migration.is_applied for migration in await migrate_status(url, FOLDER))
    assert await migrate_down(url, FOLDER) is not None


@needs_debian_postgres
async def test_a_user_without_rights_gets_one_line_and_changes_nothing(postgres_15: str) -> None:
    """Since PostgreSQL 15 an ordinary user may not create tables in `public`."""
    await execute(postgres_15, "create database closed")
    await execute(postgres_15, "create user mere password 'pw'")
    parts = urlsplit(postgres_15)
    url = f"postgresql://mere:pw@127.0.0.1:{parts.port}/closed"
    await check_postgres(url)
    with pytest.raises(
        SetupError, match="cannot migrate the database: .*permission denied for schema public"
    ) as caught:
        await migrate_up(url, FOLDER)
    assert "\n" not in str(caught.value)
    assert "pw@" not in str(caught.value)
    connection = await asyncpg.connect(parts._replace(path="/closed").geturl())
    try:
        assert await connection.fetchval("select count(*) from pg_tables where schemaname = 'public'") == 0
    finally:
        await connection.close()


@needs_debian_postgres
async def test_every_right_that_lacks_is_named_before_anything_is_changed(postgres_15: str) -> None:
    """A user who owns the database and may not create roles: each line says what to do. Afterwards the user may migrate."""
    await execute(postgres_15, "create user landlord password 'pw'")
    await execute(postgres_15, "create database owned owner landlord")
    parts = urlsplit(postgres_15)
    url = f"postgresql://landlord:pw@127.0.0.1:{parts.port}/owned"
    roles = ("trial_request", "trial_writer")
    lacking = await rights_that_lack(url, roles, EXTENSIONS)
    assert [line.partition("; ")[2] for line in lacking] == [
        f"let an administrator of the server run: create role {role} nologin; grant {role} to landlord"
        for role in roles
    ]
    assert all("permission denied" in line for line in lacking)
    for role in roles:
        await execute(postgres_15, f"create role {role} nologin; grant {role} to landlord")
    assert await rights_that_lack(url, roles, EXTENSIONS) == []
    (no_such,) = await rights_that_lack(url, roles, ["no_such_extension"])
    assert "install the contrib package" in no_such
    connection = await asyncpg.connect(parts._replace(path="/owned").geturl())
    try:
        assert await connection.fetchval("select count(*) from pg_extension where extname = 'cube'") == 0
    finally:
        await connection.close()
        for role in roles:
            await execute(postgres_15, f"drop role {role}")


@needs_debian_postgres
async def test_a_wrong_password_is_refused_with_the_setting(postgres_15: str) -> None:
    """The line names the setting and the server, and has no password."""
    url = f"postgresql://owner:guess@127.0.0.1:{urlsplit(postgres_15).port}/postgres"
    with pytest.raises(SetupError, match=r"^DATABASE_URL: PostgreSQL at 127\.0\.0\.1:\d+ refuses this user") as caught:
        await check_postgres(url)
    assert "guess" not in str(caught.value)


@needs_debian_redis
async def test_redis_7_by_address_passes() -> None:
    """Debian's Redis with its append-only file has no warnings."""
    with debian_redis("--appendonly", "yes") as url:
        state = await check_valkey(url)
    assert (state.name, state.warnings) == ("Redis", ())
    assert state.version.startswith("7.0.")


@needs_debian_redis
async def test_a_redis_without_append_only_file_gets_a_warning() -> None:
    """It works, but the operator learns the cost of a crash."""
    with debian_redis() as url:
        state = await check_valkey(url)
    assert len(state.warnings) == 1
    assert "appendonly no" in state.warnings[0]


@needs_debian_redis
async def test_a_missing_redis_password_is_named() -> None:
    """The line names the setting."""
    with debian_redis("--requirepass", "hush") as url:
        with pytest.raises(SetupError, match="^REDIS_URL: the server at .* refuses this user"):
            await check_valkey(url)
        assert (await check_valkey(url.replace("//", "//:hush@"))).name == "Redis"


async def test_a_user_without_a_name_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver takes a missing user from this process, whose user id may have no entry in the list of users."""

    def getuser() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", getuser)
    monkeypatch.delenv("PGUSER", raising=False)
    with pytest.raises(SetupError, match="^DATABASE_URL: names no user"):
        await check_postgres(f"postgresql://127.0.0.1:{unused_port()}/fans")


@needs_debian_redis
async def test_a_wrong_redis_password_is_named() -> None:
    """It is one line without the password, over the protocol that nodes speak."""
    with debian_redis("--requirepass", "hush") as url:
        for wrong in ("//:guess@", "//default:guess@", "//nobody:guess@"):
            with pytest.raises(SetupError, match="^REDIS_URL: the server at .* refuses this user") as caught:
                await check_valkey(url.replace("//", wrong))
            assert "guess" not in str(caught.value)
    with debian_redis() as url, pytest.raises(SetupError, match="^REDIS_URL: the server at .* refuses this user"):
        await check_valkey(url.replace("//", "//:guess@"))


@needs_debian_redis
@pytest.mark.parametrize("rights", ["~* +@read +info +time", "~fleet* +@all", "~* +@all -@scripting", "~* +@all -info"])
async def test_a_redis_user_with_too_few_rights_is_named(rights: str) -> None:
    """The line says what is forbidden and how to allow it."""
    with debian_redis("--user", "small", "on", ">pw", *rights.split()) as url:
        with pytest.raises(SetupError, match="ACL SETUSER") as caught:
            await check_valkey(url.replace("//", "//small:pw@"))
        assert "\n" not in str(caught.value)
        await check_valkey(url)


def test_a_valkey_that_takes_no_writes_is_told() -> None:
    """It answers, and refuses votes."""
    assert judge({**GOOD_INFO, "maxmemory": 0, "used_memory": 5_000_000}, "x").why_no_writes == ""
    assert judge({**GOOD_INFO, "maxmemory": 9_000_000, "used_memory": 5_000_000}, "x").why_no_writes == ""
    full = judge({**GOOD_INFO, "maxmemory": 5_000_000, "used_memory": 5_000_000}, "cache:6379").why_no_writes
    assert full.startswith(
        "Redis at cache:6379 is full and refuses votes: it uses 5 MB of maxmemory 5 MB; raise maxmemory"
    )


class Pooler:
    """Answers in PostgreSQL's place, and gives its clients numbers of its own, as PgBouncer does."""

    KEY_DATA = b"K\x00\x00\x00\x0c"

    def __init__(self, server_socket: str) -> None:
        self._server_socket = server_socket

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries one connection."""
        server_reader, server_writer = await asyncio.open_unix_connection(self._server_socket)
        await asyncio.gather(self._carry(reader, server_writer), self._carry(server_reader, writer))

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while piece := await source.read(65536):
            place = piece.find(self.KEY_DATA)
            if place >= 0:
                at = place + len(self.KEY_DATA)
                piece = piece[:at] + (4711).to_bytes(4) + piece[at + 4 :]
            sink.write(piece)
        sink.close()


async def test_a_pooler_is_told(database_url: str) -> None:
    """It passes the check, with a word; a server that answers itself gets none."""
    assert not (await check_postgres(database_url)).is_pooled
    parts = urlsplit(database_url)
    pooler = Pooler(f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432")
    server = await asyncio.start_server(pooler.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        url = f"postgresql://postgres@127.0.0.1:{port}{parts.path}?sslmode=disable"
        assert (await check_postgres(url)).is_pooled
    finally:
        server.close()
        await server.wait_closed()


async def test_a_time_zone_that_postgres_does_not_know_is_found(database_url: str) -> None:
    """Python may have newer zones than PostgreSQL; queries of such a venue would fail."""
    assert await unknown_time_zones(database_url) == []
    await execute(
        database_url,
        "insert into venues (slug, name, city, country, latitude, longitude, time_zone)"
        " values ('m', 'M', 'M', 'FR', 1, 1, 'Mars/Phobos'), ('p', 'P', 'P', 'FR', 1, 1, 'Europe/Paris')",
    )
    assert await unknown_time_zones(database_url) == ["Mars/Phobos"]


async def test_a_valkey_that_may_evict_is_refused_and_left_alone(engine_dir: Path) -> None:
    """It could evict votes; only the operator may change its policy."""
    engines = await EmbeddedEngines.start(engine_dir, postgres=False)
    try:
        async with redis.asyncio.Redis.from_url(engines.redis_url, decode_responses=True) as client:
            await client.config_set("maxmemory-policy", "allkeys-lru")
            with pytest.raises(SetupError, match="maxmemory-policy allkeys-lru .* set it to noeviction") as caught:
                await check_valkey(engines.redis_url)
            assert "\n" not in str(caught.value)
            assert (await client.config_get("maxmemory-policy"))["maxmemory-policy"] == "allkeys-lru"
            assert await client.dbsize() == 0
    finally:
        await engines.stop()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"redis_version": "6.2.14"}, "is version 6.2.14; mysetlist needs"),
        ({"redis_version": "nonsense"}, "is version nonsense; mysetlist needs"),
        ({"redis_mode": "cluster"}, r"is part of a cluster; list some of its servers as redis\+cluster://"),
        ({"cluster_enabled": 1}, r"is part of a cluster; list some of its servers as redis\+cluster://"),
        ({"redis_mode": "sentinel"}, "is a sentinel"),
        ({"role": "slave"}, "is a replica"),
        ({"maxmemory_policy": "volatile-ttl"}, "maxmemory-policy volatile-ttl"),
    ],
)
def test_servers_that_cannot_keep_votes_are_refused(change: dict[str, object], line: str) -> None:
    """INFO decides; each reason is one line with the server's place."""
    assert judge(GOOD_INFO, "cache:6379").eviction == "noeviction"
    with pytest.raises(SetupError, match=line) as caught:
        judge({**GOOD_INFO, **change}, "cache:6379")
    assert str(caught.value).startswith("REDIS_URL: ")
    assert "cache:6379" in str(caught.value)


def test_versions_of_valkey_and_redis_are_read() -> None:
    """Valkey says to old clients that it is Redis 7.2; messages name Valkey."""
    assert judge({**GOOD_INFO, "valkey_version": "8.1.3"}, "x").version == "8.1.3"
    assert judge({**GOOD_INFO, "redis_version": "8.0.0"}, "x").name == "Redis"


def test_an_old_postgres_is_refused() -> None:
    """Version 14 is too old, 15 is not."""
    with pytest.raises(SetupError, match="PostgreSQL at db is version 14; mysetlist needs 15 or newer"):
        refuse_old_postgres(140_011, "db")
    refuse_old_postgres(150_000, "db")


async def test_a_missing_database_is_named(engines: EmbeddedEngines) -> None:
    """The line says how to create it; mysetlist does not create databases on other servers."""
    with pytest.raises(SetupError, match="has no database 'nowhere'; create it with: createdb nowhere"):
        await check_postgres(engines.database_url.replace("/mysetlist?", "/nowhere?"))


async def test_a_read_only_database_is_refused(empty_database_url: str) -> None:
    """A standby takes no votes."""
    name = urlsplit(empty_database_url).path.strip("/")
    await execute(empty_database_url, f"alter database {name} set default_transaction_read_only = on")
    with pytest.raises(SetupError, match="is read-only"):
        await check_postgres(empty_database_url)


@pytest.mark.parametrize("secret", ["hush"])
async def test_an_unreachable_server_is_one_line_without_the_password(secret: str) -> None:
    """Each line names the address without its password."""
    port = unused_port()
    with pytest.raises(
        SetupError, match=rf"^DATABASE_URL: cannot reach PostgreSQL at 127\.0\.0\.1:{port}: "
    ) as postgres:
        await check_postgres(f"postgresql://me:{secret}@127.0.0.1:{port}/fans")
    with pytest.raises(
        SetupError, match=rf"^REDIS_URL: cannot reach Valkey or Redis at 127\.0\.0\.1:{port}: "
    ) as valkey:
        await check_valkey(f"redis://:{secret}@127.0.0.1:{port}")
    for caught in (postgres, valkey):
        assert secret not in str(caught.value)
        assert "\n" not in str(caught.value)
