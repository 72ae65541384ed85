"""The embedded engines: start, adoption, supervision, stop; never two servers on one folder."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
import redis.asyncio

from server.embedded import EmbeddedEngines, open_engines
from server.embedded.engines import SUPERVISE_EVERY_S
from server.embedded.process import run_once
from server.errors import SetupError
from tests.support.engines import FAST_SETTINGS, LoopThread, execute, short_folder


@asynccontextmanager
async def started(data_dir: Path, **options: Any) -> AsyncIterator[EmbeddedEngines]:
    engines = await EmbeddedEngines.start(data_dir, **{"postgres_settings": FAST_SETTINGS, **options})
    try:
        yield engines
    finally:
        await engines.stop()


@pytest.fixture(scope="module")
def first_start() -> Iterator[Path]:
    """A data dir after a first start, which makes PostgreSQL's files."""
    thread = LoopThread()
    with short_folder() as folder:
        try:
            engines = thread.run(EmbeddedEngines.start(folder, valkey=False, postgres_settings=FAST_SETTINGS))
            thread.run(engines.stop())
        finally:
            thread.close()
        yield folder


@pytest.fixture
def used_dir(first_start: Path, engine_dir: Path) -> Path:
    """A data dir with the files of PostgreSQL: to copy them takes a sixth of the time of a first start."""
    subprocess.run(["cp", "-a", str(first_start / "postgres"), str(engine_dir)], check=True)
    return engine_dir


async def until(condition: Callable[[], bool]) -> None:
    """Waits for another process; the timeout of the test ends it."""
    while not condition():
        await asyncio.sleep(0.01)


async def fetch(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@asynccontextmanager
async def valkey(url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(url, decode_responses=True) as client:
        yield client


async def test_data_outlives_a_stop(used_dir: Path) -> None:
    """Data from before a clean stop is there after the next start."""
    async with started(used_dir) as engines:
        await execute(engines.database_url, "create table t as select 42 as n")
        async with valkey(engines.redis_url) as client:
            await client.set("k", "v")
        pids = [engines.postgres_pid, engines.valkey_pid]
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)
    async with started(used_dir) as engines:
        assert await fetch(engines.database_url, "select n from t") == 42
        async with valkey(engines.redis_url) as client:
            assert await client.get("k") == "v"


async def test_engines_are_configured_for_votes(used_dir: Path) -> None:
    """Commits are durable, nothing is evicted, every write is logged, nothing listens on TCP."""
    async with started(used_dir, postgres_settings={}) as engines:
        for name, value in (("synchronous_commit", "on"), ("fsync", "on"), ("listen_addresses", ""), ("jit", "off")):
            assert await fetch(engines.database_url, f"show {name}") == value
        assert str(await fetch(engines.database_url, "show server_version")).startswith("18")
        async with valkey(engines.redis_url) as client:
            found = await client.config_get("port", "appendonly", "appendfsync", "maxmemory-policy", "save")
        assert found == {
            "port": "0",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "save": "",
        }


async def test_the_logs_of_engines_are_private(used_dir: Path) -> None:
    """They may quote what users wrote; also the log of an older version, which others could read, is closed."""
    logs = [used_dir / f"{name}.log" for name in ("postgres", "valkey")]
    logs[0].write_text("from before\n")
    logs[0].chmod(0o644)
    async with started(used_dir):
        assert [log.stat().st_mode & 0o777 for log in logs] == [0o600] * 2


async def test_a_second_stop_does_nothing(engine_dir: Path) -> None:
    """A second stop is safe, and the data dir is released."""
    engines = await EmbeddedEngines.start(engine_dir, postgres=False)
    await engines.stop()
    await engines.stop()
    assert not (engine_dir / "engines.json").exists()


async def test_a_second_node_on_a_data_dir_is_refused(engine_dir: Path) -> None:
    """The second node gets one line that names the first one's process."""
    async with started(engine_dir, postgres=False) as engines:
        with pytest.raises(SetupError, match=rf"another mysetlist \(process {os.getpid()}\) is running on") as caught:
            await EmbeddedEngines.start(engine_dir)
        assert "\n" not in str(caught.value)
        async with valkey(engines.redis_url) as client:
            assert await client.ping()


KILLED_NODE = """
import asyncio, os, pathlib, signal, sys
from server.embedded import EmbeddedEngines

async def main():
    engines = await EmbeddedEngines.start(pathlib.Path(sys.argv[1]), postgres_settings=dict([sys.argv[2].split("=")]))
    print(engines.postgres_pid, engines.valkey_pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def leave_engines_behind(data_dir: Path) -> tuple[int, int]:
    """Starts engines and kills their node; gives the process ids of PostgreSQL and Valkey."""
    node = subprocess.run(
        [sys.executable, "-c", KILLED_NODE, str(data_dir), "fsync=off"], check=False, stdout=subprocess.PIPE, text=True
    )
    assert node.returncode == -signal.SIGKILL
    postgres_pid, valkey_pid = map(int, node.stdout.split())
    assert psutil.pid_exists(postgres_pid)
    assert psutil.pid_exists(valkey_pid)
    return postgres_pid, valkey_pid


async def test_a_killed_nodes_engines_are_adopted_and_stopped(used_dir: Path) -> None:
    """The next node uses the running servers, and stops them at its end."""
    left = leave_engines_behind(used_dir)
    async with started(used_dir, postgres_settings={"fsync": "off"}) as engines:
        assert (engines.postgres_pid, engines.valkey_pid) == left
        assert await fetch(engines.database_url, "select 1") == 1
    await until(lambda: not any(is_alive(pid) for pid in left))


async def test_a_killed_nodes_engine_with_other_settings_is_replaced(used_dir: Path) -> None:
    """A server with another command line, as of an older release, is stopped before a new one starts."""
    left, _ = leave_engines_behind(used_dir)
    async with started(used_dir, postgres_settings={"fsync": "off", "work_mem": "5MB"}) as engines:
        assert engines.postgres_pid != left
        assert not is_alive(left)
        assert await fetch(engines.database_url, "show work_mem") == "5MB"


def is_alive(pid: int) -> bool:
    """Whether a process runs; in a container no parent may reap the dead ones."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("kind", ["stranger", "namesake", "reader"])
async def test_a_foreign_process_with_the_id_of_an_old_engine_is_left_alone(used_dir: Path, kind: str) -> None:
    """After a restart of the machine any process may have the id in a lock file.

    It may even be an engine of another node, or a program that reads our folder.
    """
    postgres, valkey = used_dir / "postgres", used_dir / "valkey"
    async with started(used_dir):
        lock_lines = (postgres / "postmaster.pid").read_text().splitlines()
    # Run as the user of the engines: PostgreSQL ignores processes of other users.
    identity: dict[str, Any] = {"user": postgres.stat().st_uid, "extra_groups": []} if os.geteuid() == 0 else {}
    commands = {
        "stranger": (["sleep", "60"], ["sleep", "60"]),
        "namesake": (["postgres", "60"], ["valkey-server", "60"]),
        "reader": (["tail", "-f", str(postgres / "PG_VERSION")], ["tail", "-f", str(valkey / "valkey.conf")]),
    }[kind]
    program = shutil.which("tail" if kind == "reader" else "sleep")
    with (
        subprocess.Popen(commands[0], executable=program, **identity) as one,
        subprocess.Popen(commands[1], executable=program, **identity) as other,
    ):
        try:
            lock_lines[0] = str(one.pid)
            for path in (postgres / "postmaster.pid", used_dir / "run" / ".s.PGSQL.5432.lock"):
                path.write_text("\n".join(lock_lines) + "\n")
                shutil.chown(path, path.parent.stat().st_uid)
            (valkey / "valkey.pid").write_text(f"{other.pid}\n")
            async with started(used_dir) as engines:
                assert await fetch(engines.database_url, "select 1") == 1
            assert (one.poll(), other.poll()) == (None, None)
        finally:
            one.kill()
            other.kill()


async def test_an_engine_that_dies_is_started_again(used_dir: Path) -> None:
    """After a crash of either engine the supervisor starts it again, and the data is there."""
    async with started(used_dir) as engines:
        await execute(engines.database_url, "create table t as select 1 as n")
        before = (engines.postgres_pid, engines.valkey_pid)
        for pid in before:
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        await until(
            lambda: engines.postgres_pid not in (None, before[0]) and engines.valkey_pid not in (None, before[1])
        )
        async with valkey(engines.redis_url) as client:
            await until_answer(client.ping)
        await until_answer(lambda: fetch(engines.database_url, "select n from t"))


async def until_answer(ask: Callable[[], Awaitable[object]]) -> None:
    """Repeats a request until a starting server answers."""
    while True:
        try:
            assert await ask()
        except (OSError, asyncpg.PostgresError, redis.exceptions.RedisError):
            await asyncio.sleep(0.01)
        else:
            return


async def test_an_engine_killed_by_a_test_stays_down_until_revived(used_dir: Path) -> None:
    """`kill` keeps an engine down until `revive`; its log may be cut meanwhile."""
    async with started(used_dir) as engines:
        async with valkey(engines.redis_url) as client:
            await client.set("kept", "1")
            await client.set("torn", "1" * 100)
            # When this answers, both writes are on disk.
            assert await client.waitaof(1, 0, 0) == [1, 0]
        await engines.kill("valkey")
        await engines.kill("postgres")
        # Time for several checks by the supervisors.
        await asyncio.wait(engines._supervisors, timeout=4 * SUPERVISE_EVERY_S)
        assert (engines.postgres_pid, engines.valkey_pid) == (None, None)
        log = engines.valkey_log_path
        os.truncate(log, log.stat().st_size - 10)
        await engines.revive("valkey")
        await engines.revive("postgres")
        assert await fetch(engines.database_url, "select 1") == 1
        async with valkey(engines.redis_url) as client:
            assert await client.get("kept") == "1"
            assert await client.get("torn") is None


async def test_only_the_missing_engine_is_started(engine_dir: Path) -> None:
    """With the address of PostgreSQL given, only Valkey starts."""
    async with started(engine_dir, postgres=False) as engines:
        assert engines.valkey_pid is not None
        assert not (engine_dir / "postgres").exists()
        with pytest.raises(LookupError):
            _ = engines.database_url


async def test_a_deep_data_dir_gets_short_sockets(engine_dir: Path) -> None:
    """A data dir longer than a socket address, with blanks and non-ASCII letters, works too."""
    deep = engine_dir / "so deep – ü" / ("x" * 90)
    async with started(deep) as engines:
        assert await fetch(engines.database_url, "select 1") == 1
        async with valkey(engines.redis_url) as client:
            assert await client.ping()
            path = Path(client.connection_pool.connection_kwargs["path"])
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert not path.is_relative_to(deep)
        async with open_engines(deep, database_url=None, redis_url=None) as found:
            assert found.database_url == engines.database_url
    shutil.rmtree(path.parent)


async def test_other_users_cannot_read_the_data(engine_dir: Path) -> None:
    """Other users cannot enter the folders of engines; they can pass through the data dir but not list it."""
    data_dir = engine_dir / "data"
    async with started(data_dir):
        assert stat.S_IMODE(data_dir.stat().st_mode) & 0o066 == 0
        for name in ("postgres", "valkey", "run"):
            assert stat.S_IMODE((data_dir / name).stat().st_mode) == 0o700


async def test_an_engine_that_cannot_start_says_why(used_dir: Path) -> None:
    """The error is one line that quotes the server's log; the other engine stops and the lock is released."""
    async with started(used_dir):
        pass
    version = used_dir / "postgres" / "PG_VERSION"
    version.write_text("14\n")
    with pytest.raises(SetupError, match=r"postgres did not start: .*incompatible with server.*\(log: ") as caught:
        await EmbeddedEngines.start(used_dir)
    assert "\n" not in str(caught.value)
    assert "PostgreSQL 14 made the data" in str(caught.value)
    assert "mysetlist restore" in str(caught.value)
    assert not (used_dir / "run" / "valkey.sock").exists()
    version.write_text("18\n")
    async with started(used_dir):
        pass


async def test_a_program_that_fails_is_quoted_with_its_error(tmp_path: Path) -> None:
    """And not with the lines of how it tidied up afterwards."""
    script = "echo 'initdb: error: no space left' >&2; echo 'initdb: removing contents of data directory' >&2; exit 1"
    with pytest.raises(SetupError, match=r"^sh failed: initdb: error: no space left$"):
        await run_once(["/bin/sh", "-c", script], cwd=tmp_path, owner=None)
    with pytest.raises(SetupError, match=r"^sh failed: the last line$"):
        await run_once(["/bin/sh", "-c", "echo first; echo the last line; exit 1"], cwd=tmp_path, owner=None)


async def test_an_interrupted_first_start_is_done_again(engine_dir: Path) -> None:
    """A node that is killed while it creates its cluster leaves a draft; the next start deletes it."""
    (engine_dir / "postgres.draft" / "base").mkdir(parents=True)
    async with started(engine_dir, valkey=False) as engines:
        assert await fetch(engines.database_url, "select current_database()") == "mysetlist"
    assert not (engine_dir / "postgres.draft").exists()


async def test_commands_use_the_engines_of_the_running_node(used_dir: Path) -> None:
    """A command beside a node uses its engines, and does not stop them."""
    async with started(used_dir) as engines:
        async with open_engines(used_dir, database_url=None, redis_url=None) as found:
            assert (found.database_url, found.redis_url) == (engines.database_url, engines.redis_url)
        assert await fetch(engines.database_url, "select 1") == 1


async def test_commands_without_a_node_run_the_engines_they_need(used_dir: Path) -> None:
    """A command alone starts the engines it needs and stops them at its end."""
    async with open_engines(used_dir, database_url=None, redis_url=None, valkey=False) as found:
        assert found.database_url is not None
        assert found.redis_url is None
        assert await fetch(found.database_url, "select 1") == 1
    assert not (used_dir / "run" / ".s.PGSQL.5432").exists()
    assert not (used_dir / "valkey").exists()


async def test_commands_beside_a_node_with_addresses_ask_for_them(engine_dir: Path) -> None:
    """A command beside a node that uses a PostgreSQL by address needs this address too."""
    async with started(engine_dir, postgres=False):
        with pytest.raises(SetupError, match="^DATABASE_URL: is missing"):
            async with open_engines(engine_dir, database_url=None, redis_url=None):
                pass


async def test_addresses_given_start_nothing(engine_dir: Path) -> None:
    """With both addresses the data dir is not used."""
    async with open_engines(engine_dir / "none", database_url="postgresql://a/b", redis_url="redis://c") as found:
        assert (found.database_url, found.redis_url) == ("postgresql://a/b", "redis://c")
    assert not (engine_dir / "none").exists()


async def test_a_server_that_cannot_be_started_is_one_line(engine_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system allows this user no more processes."""

    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(SetupError, match="cannot be started: this user may start no more processes; .* ulimit -u"):
        await EmbeddedEngines.start(engine_dir, postgres=False)


async def test_a_user_id_without_a_name_cannot_make_a_database(
    engine_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Initdb asks for the name of its user: the error says what to do, and nothing is left behind."""

    def getpwuid(_: int) -> object:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("server.embedded.postgres.pwd.getpwuid", getpwuid)
    monkeypatch.setattr("server.embedded.engines.owner_of", lambda _: None)
    with pytest.raises(
        SetupError, match="has no entry in /etc/passwd; add one, run as another user, or set DATABASE_URL"
    ):
        await EmbeddedEngines.start(engine_dir, valkey=False)
    assert not (engine_dir / "postgres.draft").exists()
