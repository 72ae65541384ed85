"""Real engines for tests, and folders and ports for them."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import redis

from server.embedded import EmbeddedEngines
from server.settings import data_folder
from server.store.migrations import migrate_up

Result = TypeVar("Result")
# Creates a database for a block and gives its address.
OpenDatabase = Callable[[], AbstractAsyncContextManager[str]]

# Tests crash servers, not the machine: without fsync a crash of the server loses no more than with it.
FAST_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "max_wal_size": "256MB",
    "wal_compression": "off",  # in memory, what it saves is worth less than its CPU
}
# The name of a database with every migration applied, for cloning; nobody stays connected to it.
TEMPLATE = "template_migrated"
MEMORY = Path("/dev/shm")
MEMORY_BYTES_MIN = 4_000_000_000

_GIVEN_PORTS: set[int] = set()

DEBIAN_POSTGRES = Path("/usr/lib/postgresql/15/bin")
DEBIAN_REDIS = Path("/usr/bin/redis-server")


class LoopThread:
    """An event loop in a thread of its own, for objects that live longer than one test."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test engines", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Runs a coroutine on that loop and waits for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def close(self) -> None:
        """Stops the loop and the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def running_engines(data: Path) -> Iterator[tuple[EmbeddedEngines, LoopThread]]:
    """Both engines, and the loop in which they run: it outlives a test's. Takes: data, that `make_data` made."""
    thread = LoopThread()
    with short_folder() as folder:
        try:
            # Their user may not be ours, and stays their owner.
            subprocess.run(["cp", "-a", data, folder / "postgres"], check=True)
            started = thread.run(EmbeddedEngines.start(folder, postgres_settings=FAST_SETTINGS))
            yield started, thread
            thread.run(started.stop())
        finally:
            thread.close()


def make_data(target: Path) -> None:
    """Makes PostgreSQL's data, with the database TEMPLATE, which has every migration. A copy costs a tenth of it."""
    thread = LoopThread()
    with short_folder() as folder:
        try:
            engines = thread.run(EmbeddedEngines.start(folder, valkey=False, postgres_settings=FAST_SETTINGS))
            thread.run(execute(engines.database_url, f"create database {TEMPLATE}"))
            url = engines.database_url.replace("/mysetlist?", f"/{TEMPLATE}?")
            thread.run(migrate_up(url, data_folder("migrations")))
            thread.run(engines.stop())
        finally:
            thread.close()
        draft = target.with_suffix(".draft")
        subprocess.run(["cp", "-a", folder / "postgres", draft], check=True)
        draft.rename(target)


@contextmanager
def shared_database(new_database: OpenDatabase, fill: Callable[[str], Coroutine[Any, Any, Any]]) -> Iterator[str]:
    """One filled database for all tests of a file, each with connections of its own. Takes: fill, from the address."""
    thread = LoopThread()
    try:
        database = new_database()
        url = thread.run(database.__aenter__())
        thread.run(fill(url))
        yield url
        thread.run(database.__aexit__(None, None, None))
    finally:
        thread.close()


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder for engines: its path is short enough for sockets, and their user may enter it, unlike pytest's folders.

    It is in memory if there is enough: a new database takes half a second on a disk, and a twentieth of that in memory.
    """
    has_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN
    folder = Path(tempfile.mkdtemp(prefix="mysetlist-test-", dir=MEMORY if has_memory else "/tmp"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def empty_redis(engines: EmbeddedEngines, number: int) -> str:
    """Empties a logical database of Valkey and gives its address. Number 0 is for a node that tests of a file or folder share."""
    url = f"{engines.redis_url}?db={number}"
    # To tell its version, the driver would read the files of its package.
    with redis.Redis.from_url(url, driver_info=None) as client:
        client.flushdb()
    return url


async def execute(server_url: str, statement: str) -> None:
    """Runs one statement on a connection of its own."""
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def is_waited_for(connection: Any) -> bool:
    """Whether another transaction waits for a lock that this connection holds."""
    found: bool = await connection.fetchval(
        "select exists (select from pg_locks where not granted and pg_backend_pid() = any (pg_blocking_pids(pid)))"
    )
    return found


def unused_port() -> int:
    """A free TCP port; another process may take it later."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def unused_low_port() -> int:
    """As unused_port, below the ports that outgoing connections get: none of them takes it before the server does. Each time
    another one.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _GIVEN_PORTS:
                _GIVEN_PORTS.add(port)
                return port


@contextmanager
def debian_postgres(*more_flags: str) -> Iterator[str]:
    """Runs Debian's PostgreSQL 15 over TCP with a password and flags of postgres; gives the address of a superuser."""
    with short_folder() as folder:
        identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            identity = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(folder, "nobody", "nogroup")
        password_file = folder / "password"
        password_file.write_text("s3cret+/&x\n")
        password_file.chmod(0o644)
        data = folder / "data"
        initdb: list[str | Path] = [
            DEBIAN_POSTGRES / "initdb",
            "-D",
            data,
            "-U",
            "owner",
            "-A",
            "scram-sha-256",
            "--pwfile",
            password_file,
        ]
        subprocess.run(
            [*initdb, "-N", "--locale=C", "-E", "UTF8"], check=True, capture_output=True, cwd=folder, **identity
        )
        port = unused_port()
        flags = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-k", str(folder), "-p", str(port), *more_flags]
        ctl: list[str | Path] = [DEBIAN_POSTGRES / "pg_ctl", "-D", data, "-w", "-s", "-l", folder / "log"]
        subprocess.run([*ctl, "-o", " ".join(flags), "start"], check=True, cwd=folder, **identity)
        try:
            yield f"postgresql://owner:s3cret%2B%2F%26x@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*ctl, "-m", "immediate", "stop"], check=True, cwd=folder, **identity)


@contextmanager
def debian_redis(*flags: str) -> Iterator[str]:
    """Runs Debian's Redis 7 over TCP with flags of redis-server; gives its address."""
    with short_folder() as folder:
        port = unused_low_port()
        command: list[str | Path] = [DEBIAN_REDIS, "--port", str(port), "--dir", folder, "--save", "", *flags]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        try:
            lines = []
            for line in server.stdout:
                lines.append(line)
                if "Ready to accept connections" in line:
                    break
            else:
                raise AssertionError(f"Redis did not start: {''.join(lines[-5:])}")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait()
            server.stdout.close()
