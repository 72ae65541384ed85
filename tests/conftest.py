"""Engines for the whole run, a database and a Valkey of its own for each test that asks."""

from __future__ import annotations

import gc
import inspect
import itertools
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis

from server.embedded import EmbeddedEngines
from server.settings import data_folder
from server.store.migrations import migrate_up
from tests.support.engines import FAST_SETTINGS, LoopThread, execute, short_folder

_DATABASE_NUMBERS = itertools.count(1)
_REDIS_NUMBERS = itertools.cycle(range(16))


@pytest.fixture(scope="session")
def engines() -> Iterator[EmbeddedEngines]:
    """One PostgreSQL and one Valkey for the whole run; a test that breaks engines starts its own in `engine_dir`."""
    thread = LoopThread()
    with short_folder() as folder:
        try:
            started = thread.run(EmbeddedEngines.start(folder, postgres_settings=FAST_SETTINGS))
            yield started
            thread.run(started.stop())
        finally:
            thread.close()


@pytest.fixture(scope="session")
def template_database(engines: EmbeddedEngines) -> str:
    """The name of a database with every migration applied, for cloning; nobody stays connected to it."""
    thread = LoopThread()
    try:
        thread.run(execute(engines.database_url, "create database template_migrated"))
        url = engines.database_url.replace("/mysetlist?", "/template_migrated?")
        thread.run(migrate_up(url, data_folder("migrations")))
    finally:
        thread.close()
    return "template_migrated"


@pytest.fixture
async def database_url(engines: EmbeddedEngines, template_database: str) -> AsyncIterator[str]:
    """A fresh migrated database."""
    async for url in _database(engines, f"template {template_database} strategy file_copy"):
        yield url


@pytest.fixture
async def empty_database_url(engines: EmbeddedEngines) -> AsyncIterator[str]:
    """A fresh database without any table."""
    async for url in _database(engines, ""):
        yield url


async def _database(engines: EmbeddedEngines, how: str) -> AsyncIterator[str]:
    name = f"test_{next(_DATABASE_NUMBERS)}"
    await execute(engines.database_url, f"create database {name} {how}")
    yield engines.database_url.replace("/mysetlist?", f"/{name}?")
    await execute(engines.database_url, f"drop database {name} with (force)")


@pytest.fixture
def redis_url(engines: EmbeddedEngines) -> str:
    """An empty logical database of the run's Valkey; the numbers come round, so nothing may go on after its test."""
    url = f"{engines.redis_url}?db={next(_REDIS_NUMBERS)}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


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
