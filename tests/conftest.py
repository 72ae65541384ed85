"""Engines for the whole run, a database and a Valkey of its own for each test that asks."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import inspect
import itertools
import logging
import os
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import uvloop
from hypothesis import Phase, settings

from server.cli.main import GC_THRESHOLD
from server.embedded import EmbeddedEngines
from tests.support.coverage_table import MEASURED
from tests.support.engines import TEMPLATE, OpenDatabase, empty_redis, make_data, running_engines, short_folder

TESTS = Path(__file__).parent
# Folders with a file of half a minute.
LONG = {"simulation", "migration"}
_REDIS_NUMBERS = itertools.cycle(range(1, 16))

# Profiles of Hypothesis; `pytest --hypothesis-profile=NAME` chooses one.
# check: the same examples in every run. The first one that fails is printed as it is, because to make it smaller may take minutes.
settings.register_profile(
    "check",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=50,
    phases=[Phase.explicit, Phase.generate],
)
# nightly: other examples in every run, and forty times as many. One that fails is made as small as possible.
settings.register_profile("nightly", database=None, deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile("check")


def pytest_configure(config: pytest.Config) -> None:
    """In a whole run, each test process collects the folders from another one on, and so compiles other files than its neighbours do.

    Otherwise, in a fresh clone, all of them would compile the same files at the same time.
    """
    share = getattr(config, "workerinput", None)
    if share is not None and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        folders = sorted({str(path.parent) for path in TESTS.rglob("test_*.py")})
        first = len(folders) * int(share["workerid"].removeprefix("gw")) // share["workercount"]
        config.args[:] = folders[first:] + folders[:first]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collecting makes a million objects, which stay: the garbage collector looks at none of them, now (`first.py`) and later.

    After it the collector runs as seldom as in a node.
    """
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLD)
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves coverage to some folders, because it makes the server's code two and a half times as slow. Files of half a minute come first:
    in the end all but one of the test processes would wait for them. The others come in one order, wherever collecting began.
    """
    for item in items:
        if folder_of(item) not in MEASURED:
            item.add_marker(pytest.mark.no_cover)
    items.sort(key=lambda item: (folder_of(item) not in LONG, item.path))


def folder_of(item: pytest.Item) -> str:
    """The folder of a test within tests/."""
    return item.path.relative_to(TESTS).parts[0]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop of a node. With the one of Python, tests with many messages take up to a third more CPU."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def made_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PostgreSQL's data with a migrated database, TEMPLATE: one of the test processes makes them, and the others copy them."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    made = shared / "postgres"
    with (shared / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            make_data(made)
    return made


@pytest.fixture(scope="session")
def engines(made_data: Path) -> Iterator[EmbeddedEngines]:
    """One PostgreSQL and one Valkey for the whole run; a test that breaks engines starts its own in `engine_dir`."""
    with running_engines(made_data) as (started, _):
        yield started


@pytest.fixture(scope="session")
def copy_database(engines: EmbeddedEngines) -> Iterator[Callable[[str], AbstractAsyncContextManager[str]]]:
    """Opens a copy of a database each time, by its name or its address; nobody may be connected to that one.

    All copies are made by one connection, which belongs to no event loop: a connection costs PostgreSQL half as much as a copy.
    """
    with psycopg.connect(engines.database_url, autocommit=True) as admin:
        numbers = itertools.count(1)

        @asynccontextmanager
        async def copied(original: str) -> AsyncIterator[str]:
            name, template = f"test_{next(numbers)}", urlsplit(original).path.removeprefix("/")
            admin.execute(f"create database {name} template {template} strategy file_copy".encode())
            try:
                yield engines.database_url.replace("/mysetlist?", f"/{name}?")
            finally:
                admin.execute(f"drop database {name} with (force)".encode())

        yield copied


@pytest.fixture(scope="session")
def template_database() -> str:
    """The name of a database with every migration applied, for cloning; nobody stays connected to it."""
    return TEMPLATE


@pytest.fixture(scope="session")
def new_database(copy_database: Callable[[str], AbstractAsyncContextManager[str]]) -> OpenDatabase:
    """Opens a fresh migrated database each time, for tests that need several."""
    return lambda: copy_database(TEMPLATE)


@pytest.fixture
async def database_url(new_database: OpenDatabase) -> AsyncIterator[str]:
    """A fresh migrated database."""
    async with new_database() as url:
        yield url


@pytest.fixture
async def empty_database_url(copy_database: Callable[[str], AbstractAsyncContextManager[str]]) -> AsyncIterator[str]:
    """A fresh database without any table."""
    async with copy_database("template1") as url:
        yield url


@pytest.fixture(scope="session")
def new_redis(engines: EmbeddedEngines) -> Callable[[], str]:
    """Gives an empty logical database of the run's Valkey each time. The 15 numbers repeat, so nothing may go on after its test."""
    return lambda: empty_redis(engines, next(_REDIS_NUMBERS))


@pytest.fixture
def redis_url(new_redis: Callable[[], str]) -> str:
    """An empty logical database of the run's Valkey."""
    return new_redis()


@pytest.fixture
def engine_dir() -> Iterator[Path]:
    """An empty data dir for engines of a test's own."""
    with short_folder() as folder:
        yield folder


@pytest.fixture(autouse=True)
def _no_unhandled_exceptions(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever an event loop reports instead of raising, a lost task's exception above all, fails the test."""
    reports: list[str] = []

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            reports.append(self.format(record))

    recorder = Recorder(level=logging.ERROR)
    logger = logging.getLogger("asyncio")
    logger.addHandler(recorder)
    try:
        yield
        if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
            # A task is only found lost when it is collected; the young generations are enough, and cheap.
            gc.collect(1)
    finally:
        logger.removeHandler(recorder)
    if reports:
        pytest.fail("the event loop reported: " + "\n".join(reports))
