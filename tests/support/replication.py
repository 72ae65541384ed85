"""Debian's PostgreSQL 15 with a streaming replica, for tests that read from it or promote it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from tests.support.engines import DEBIAN_POSTGRES, short_folder, unused_port
from tests.support.node_process import until_async

PASSWORD = "s3cret+/&x"
FLAGS = (
    "-c fsync=off -c full_page_writes=off -c listen_addresses=127.0.0.1 -c shared_buffers=32MB -c max_connections=120"
)
needs_debian_postgres = pytest.mark.skipif(
    not (DEBIAN_POSTGRES / "postgres").exists(), reason=f"no PostgreSQL 15 in {DEBIAN_POSTGRES} (.ci/run installs it)"
)


class Server:
    """One of the two servers. It runs after `start` until `kill` or `stop`."""

    def __init__(self, folder: Path, programs: Path, identity: dict[str, Any]) -> None:
        self.data = folder
        self._programs = programs
        self.port = unused_port()
        self._identity = identity
        self.is_running = False

    @property
    def place(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def url(self, database: str = "fans") -> str:
        """The address of this server alone."""
        return f"postgresql://owner:{quote(PASSWORD, safe='')}@{self.place}/{database}"

    def run(self, program: str, *arguments: str | Path) -> None:
        """Runs one of PostgreSQL's programs."""
        command: list[str | Path] = [self._programs / program, *arguments]
        environ = os.environ | {"PGPASSWORD": PASSWORD}
        subprocess.run(command, check=True, capture_output=True, cwd=self.data.parent, env=environ, **self._identity)

    def control(self, *arguments: str) -> None:
        """Runs pg_ctl."""
        self.run("pg_ctl", "-D", self.data, "-w", "-s", "-l", f"{self.data}.log", *arguments)

    def start(self) -> None:
        """Returns when it takes connections."""
        self.control("-o", f"{FLAGS} -k {self.data.parent} -p {self.port}", "start")
        self.is_running = True

    def kill(self) -> None:
        """As a crash does."""
        self.control("-m", "immediate", "stop")
        self.is_running = False

    def stop(self) -> None:
        """Cleanly, without waiting for clients."""
        self.control("-m", "fast", "stop")
        self.is_running = False

    def promote(self) -> None:
        """Makes a replica the primary."""
        self.control("promote")


class Pair:
    """A primary and its replica, with the database `fans`."""

    def __init__(self, primary: Server, replica: Server) -> None:
        self.primary = primary
        self.replica = replica

    @property
    def url(self) -> str:
        """The address with both hosts."""
        return self.primary.url().replace(self.primary.place, f"{self.primary.place},{self.replica.place}")

    async def make_synchronous(self) -> None:
        """From now on a commit waits until the replica has written it to disk."""
        async with session(self.primary.url()) as connection:
            await connection.execute("alter system set synchronous_standby_names = '*'")
            await connection.execute("select pg_reload_conf()")

            async def is_synchronous() -> bool:
                return bool(await connection.fetchval("select sync_state from pg_stat_replication") == "sync")

            await until_async(is_synchronous, "the replica is synchronous")

    def swap(self) -> None:
        """After a promotion: the former primary becomes the replica of the new one, as a fresh copy of it."""
        self.primary, self.replica = self.replica, self.primary
        self._copy()

    def _copy(self) -> None:
        shutil.rmtree(self.replica.data, ignore_errors=True)
        source = f"host=127.0.0.1 port={self.primary.port} user=owner password={PASSWORD}"
        self.replica.run("pg_basebackup", "-D", self.replica.data, "-d", source, "-R", "-c", "fast", "-X", "stream")
        self.replica.start()

    async def until_replayed(self) -> None:
        """Waits until the replica has everything."""
        async with session(self.primary.url()) as first, session(self.replica.url()) as second:
            wanted = await first.fetchval("select pg_current_wal_flush_lsn()")

            async def is_there() -> bool:
                return bool((await second.fetchval("select pg_last_wal_replay_lsn()") or 0) >= wanted)

            await until_async(is_there, "the replica has everything")


@asynccontextmanager
async def session(url: str) -> AsyncIterator[Any]:
    """A connection for one block."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        connection.terminate()


@contextmanager
def replicated_postgres(programs: Path = DEBIAN_POSTGRES) -> Iterator[Pair]:
    """Runs both servers, and stops whatever runs at the end. Takes: programs, the folder of PostgreSQL's programs."""
    with short_folder() as folder:
        identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            identity = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(folder, "nobody", "nogroup")
        password_file = folder / "password"
        password_file.write_text(PASSWORD + "\n")
        password_file.chmod(0o644)
        primary, replica = (Server(folder / name, programs, identity) for name in ("a", "b"))
        try:
            primary.run(
                "initdb", "-D", primary.data, "-U", "owner", "-A", "scram-sha-256", "--pwfile", password_file, "-N",
                "--locale=C", "-E", "UTF8",
            )  # fmt: skip
            primary.start()
            primary.run("createdb", "-h", "127.0.0.1", "-p", str(primary.port), "-U", "owner", "fans")
            pair = Pair(primary, replica)
            pair._copy()
            yield pair
        finally:
            for server in (primary, replica):
                if server.is_running:
                    server.kill()
