"""A service on this machine whose every part and every connection can be broken: what `bench/soak.py` runs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import redis.asyncio

from server.embedded import EmbeddedEngines
from server.embedded import process as engine_process
from server.settings import data_folder
from server.store.migrations import migrate_up
from tests.history.stage import VOTES_PER_DAY, Stage
from tests.support.engines import unused_port
from tests.support.node_process import NodeProcess, until
from tests.support.open_shows import Show, make_shows
from tests.support.proxy import TcpProxy

PGBOUNCER = Path("/usr/sbin/pgbouncer")
NODES = ("A", "B")
ENGINES = {"PostgreSQL": "postgres", "Valkey": "valkey-server"}  # and the names of their programs
PIECE_BYTES = 64 * 1024
# So many connections of clients go through a proxy that can fail; each costs the proxy more than the node.
PROXIED_SHARE = 10
# The least that PostgreSQL takes: so the queue can be filled.
POSTGRES_SETTINGS = {"max_notify_queue_pages": "64", "autovacuum_naptime": "15s"}


class Pooler:
    """PgBouncer in transaction mode in front of PostgreSQL, for the requests of one node."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = unused_port()
        self._folder = folder
        folder.mkdir()
        folder.chmod(0o777)
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={port} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {self.port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n"
            "default_pool_size = 8\nmax_client_conn = 200\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Returns when it is up."""
        identity: dict[str, Any] = (
            {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        )
        with (self._folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [PGBOUNCER, self._folder / "pgbouncer.ini"], stdout=log, stderr=log, cwd=self._folder, **identity
            )
        await until(lambda: "process up" in (self._folder / "log").read_text(), "PgBouncer is up")

    def end(self) -> int | None:
        """Kills it; gives the exit code."""
        assert self.process is not None
        self.process.kill()
        return self.process.wait()


class Service(Stage):
    """Two nodes, their engines, a proxy between every two of them, and a crowd. Build it with `running`.

    links: by name, such as "A to Valkey", "clients to A"; clocks: the folder of the clock shifts, None: there is no C compiler
    """

    def __init__(
        self, folder: Path, engines: EmbeddedEngines, shows: list[Show], links: dict[str, TcpProxy], clocks: Path | None
    ) -> None:
        super().__init__(folder, shows)
        self.engines = engines
        self.links = links
        self.clocks = clocks
        self.pooler: Pooler | None = None

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, *, shows: int, songs: int) -> AsyncIterator[Service]:
        """Everything but the crowd."""
        clocks = _clocks(folder)
        engines = await EmbeddedEngines.start(folder / "engines", postgres_settings=POSTGRES_SETTINGS)
        try:
            async with AsyncExitStack() as stack:
                await migrate_up(engines.database_url, data_folder("migrations"))
                made = await make_shows(engines.database_url, count=shows, songs=songs)
                sockets = {
                    "PostgreSQL": engines._get_postgres().sockets / ".s.PGSQL.5432",
                    "Valkey": engines._get_valkey().socket,
                }
                links = {
                    f"{node} to {engine}": await stack.enter_async_context(
                        TcpProxy.running(path, piece_bytes=PIECE_BYTES)
                    )
                    for node in NODES
                    for engine, path in sockets.items()
                }
                service = cls(folder, engines, made, links, clocks)
                await service._start_nodes(stack)
                await service.keep_log()
                try:
                    yield service
                finally:
                    await service.close_crowd()
        finally:
            await engines.stop()

    async def _start_nodes(self, stack: AsyncExitStack) -> None:
        if PGBOUNCER.exists():
            self.pooler = Pooler(self.folder / "pooler", self.links["B to PostgreSQL"].port)
            await self.pooler.start()
            stack.callback(self.pooler.end)
            proxy = TcpProxy.running(self.pooler.port, piece_bytes=PIECE_BYTES)
            self.links["B to PgBouncer"] = await stack.enter_async_context(proxy)
        for name in NODES:
            environ = {
                "DATABASE_URL": f"postgresql://postgres@127.0.0.1:{self.links[f'{name} to PostgreSQL'].port}/mysetlist",
                "REDIS_URL": f"redis://127.0.0.1:{self.links[f'{name} to Valkey'].port}",
                "MYSETLIST_VOTES_PER_DAY": str(VOTES_PER_DAY),
            }
            if self.clocks is not None:
                environ["CLOCK_SHIFT_FILE"] = str(self.clocks / f"node {name}")
            if name == "B" and self.pooler is not None:
                port = self.links["B to PgBouncer"].port
                environ["DATABASE_POOLED_URL"] = f"postgresql://postgres@127.0.0.1:{port}/mysetlist"
            node = await stack.enter_async_context(NodeProcess.running(self.folder / name, **environ))
            self.nodes[name] = node
            proxy = TcpProxy.running(node.port, piece_bytes=PIECE_BYTES)
            self.links[f"clients to {name}"] = await stack.enter_async_context(proxy)

    @property
    def database_url(self) -> str:
        """The address of PostgreSQL, past the proxies."""
        return self.engines.database_url

    @property
    def redis_url(self) -> str:
        """The address of Valkey, past the proxies."""
        return self.engines.redis_url

    @property
    def places(self) -> dict[int, str]:
        """What nodes reach through the proxies."""
        return {proxy.port: name.partition(" to ")[2] for name, proxy in self.links.items()}

    def addresses(self) -> list[str]:
        """A part of the clients goes through the proxies."""
        return super().addresses() * (PROXIED_SHARE - 1) + [self.links[f"clients to {name}"].url for name in NODES]

    # ── engines

    @asynccontextmanager
    async def valkey(self) -> AsyncIterator[Any]:
        """A client of Valkey, past the proxies."""
        async with redis.asyncio.Redis.from_url(self.engines.redis_url, decode_responses=True) as client:
            yield client

    @asynccontextmanager
    async def postgres(self) -> AsyncIterator[Any]:
        """A connection to PostgreSQL, past the proxies."""
        connection = await asyncpg.connect(self.engines.database_url, timeout=10)
        try:
            yield connection
        finally:
            connection.terminate()

    def pids(self, engine: str) -> list[int]:
        """The processes of an engine, or that of PgBouncer."""
        if engine == "PgBouncer":
            assert self.pooler is not None
            assert self.pooler.process is not None
            return [self.pooler.process.pid]
        first = self.engines.postgres_pid if engine == "PostgreSQL" else self.engines.valkey_pid
        assert first is not None
        return [first, *(child.pid for child in psutil.Process(first).children(recursive=True))]

    async def keep_log(self) -> None:
        """Has Valkey keep its append-only file as it is: it is the ledger."""
        async with self.valkey() as valkey:
            await valkey.config_set("auto-aof-rewrite-percentage", 0)

    def log_paths(self) -> list[Path]:
        """The append-only files of Valkey that are written command by command."""
        return sorted(self.engines.valkey_log_path.parent.glob("*.incr.aof"))

    async def shorten_log(self) -> None:
        """Begins a new append-only file, so that Valkey does not read a long one when it starts."""
        before = self.engines.valkey_log_path
        async with self.valkey() as valkey:
            await valkey.execute_command("BGREWRITEAOF")

        def is_done() -> bool:
            return self.engines.valkey_log_path != before and len(self.log_paths()) == 1

        await until(is_done, "Valkey has a new append-only file", timeout_s=60)


def _clocks(folder: Path) -> Path | None:
    """Builds the library that shifts the clocks of engines and nodes started from now on; they read the shifts from files in a folder."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    clocks = folder / "clocks"
    clocks.mkdir()
    clocks.chmod(0o755)
    for name in (*ENGINES.values(), *(f"node {node}" for node in NODES)):
        (clocks / name).write_bytes(bytes(8))
        (clocks / name).chmod(0o644)
    library = clocks / "clock_shift.so"
    source = Path(__file__).with_name("clock_shift.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    engine_process.ENVIRONMENT.update(LD_PRELOAD=str(library), CLOCK_SHIFT_DIR=str(clocks))
    # Nodes are forked from this process.
    os.environ["LD_PRELOAD"] = str(library)
    forkserver.ensure_running()
    del os.environ["LD_PRELOAD"]
    return clocks


def stop(pids: Iterable[int]) -> None:
    """SIGSTOP."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)


def go_on(pids: Iterable[int]) -> None:
    """SIGCONT."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
