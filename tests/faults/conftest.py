"""Engines that may be killed: apart from those that all other tests share."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
import redis

from server.embedded import EmbeddedEngines
from server.embedded.engines import EngineName
from tests.support.engines import TEMPLATE, LoopThread, execute, running_engines
from tests.support.node_process import NodeProcess
from tests.support.open_shows import Show, User, make_shows, make_users

_NUMBERS = itertools.count(1)


class Engines:
    """Both engines of the fault tests; they run in a loop of their own, which outlives a test's."""

    def __init__(self, thread: LoopThread, engines: EmbeddedEngines) -> None:
        self._thread = thread
        self._engines = engines

    @property
    def server_url(self) -> str:
        """PostgreSQL's own database."""
        return self._engines.database_url

    @property
    def redis_url(self) -> str:
        """Valkey."""
        return self._engines.redis_url

    def kill(self, name: EngineName) -> None:
        """`kill -9`, and down until `revive`."""
        self._thread.run(self._engines.kill(name))

    def revive(self, name: EngineName) -> None:
        """Starts a killed engine; one that runs is left alone."""
        pid = self._engines.postgres_pid if name == "postgres" else self._engines.valkey_pid
        if pid is None:
            self._thread.run(self._engines.revive(name))

    @contextmanager
    def frozen(self, name: EngineName) -> Iterator[None]:
        """Its processes are stopped: it accepts connections and answers nothing."""
        first = self._engines.postgres_pid if name == "postgres" else self._engines.valkey_pid
        children = subprocess.run(["pgrep", "-P", str(first)], capture_output=True, text=True, check=False)
        pids = [int(pid) for pid in (first, *children.stdout.split()) if pid is not None]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    @property
    def log_path(self) -> Path:
        """Valkey's append-only file."""
        return self._engines.valkey_log_path

    def log_bytes(self) -> int:
        """The size of Valkey's append-only file."""
        return self.log_path.stat().st_size

    def cut_log(self, size: int) -> None:
        """Cuts Valkey's append-only file to `size` bytes, as a crash of the machine would; Valkey is down."""
        with self.log_path.open("r+b") as file:
            assert file.seek(0, 2) > size, "nothing would be cut"
            file.truncate(size)


@pytest.fixture(scope="session")
def mortal_engines(made_data: Path) -> Iterator[Engines]:
    """One PostgreSQL and one Valkey for all fault tests."""
    with running_engines(made_data) as (started, thread):
        yield Engines(thread, started)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fault test takes place: engines of its own, as good as."""

    engines: Engines
    database_url: str
    redis_url: str
    start_node: Callable[..., Awaitable[NodeProcess]]
    shows: Sequence[Show] = field(default=())
    users: Sequence[User] = field(default=())


@asynccontextmanager
async def open_place(
    engines: Engines, folder: Path, *, shows: int, users: int, redis_url: str | None = None
) -> AsyncIterator[Place]:
    """A fresh database, an empty Valkey, shows and fans; both engines run again afterwards. Takes: redis_url, of another Valkey."""
    redis_url = redis_url or engines.redis_url
    name = f"faults_{next(_NUMBERS)}"
    await execute(engines.server_url, f"create database {name} template {TEMPLATE} strategy file_copy")
    with redis.Redis.from_url(engines.redis_url) as valkey:
        valkey.flushall()
    database_url = engines.server_url.replace("/mysetlist?", f"/{name}?")
    nodes: list[NodeProcess] = []
    async with AsyncExitStack() as stack:

        async def start_node(*flags: str, **environ: str) -> NodeProcess:
            node = NodeProcess.running(
                folder / f"node{len(nodes)}", *flags, DATABASE_URL=database_url, REDIS_URL=redis_url, **environ
            )
            nodes.append(await stack.enter_async_context(node))
            return nodes[-1]

        try:
            yield Place(
                engines, database_url, redis_url, start_node,
                await make_shows(database_url, count=shows), await make_users(database_url, users),
            )  # fmt: skip
        finally:
            # A node cannot answer its last casts without them, and would take its time to give up.
            for engine in ("postgres", "valkey"):
                engines.revive(engine)
    for node in nodes:
        assert not node.tracebacks()
    await execute(engines.server_url, f"drop database {name} with (force)")


@pytest.fixture
async def place(mortal_engines: Engines, tmp_path: Path) -> AsyncIterator[Place]:
    """A place for one test, with two shows and twelve fans."""
    async with open_place(mortal_engines, tmp_path, shows=2, users=12) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_place(mortal_engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """One place for all tests of a file, which have one event loop; enough shows and fans for each to have its own."""
    async with open_place(mortal_engines, tmp_path_factory.mktemp("place"), shows=20, users=60) as opened:
        yield opened
