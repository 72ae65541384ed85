"""One Chromium and one node for all browser tests; each test makes its own shows and opens its own fans."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Playwright, async_playwright

from server.embedded import EmbeddedEngines
from server.node.node import Node
from tests.browser.pages import CHROMIUMS, DRAWN, FLAGS, UNDRAWN, Fan, FanPool, chromium_path
from tests.support.engines import OpenDatabase, empty_redis
from tests.support.node_process import SECRET
from tests.support.proxy import TcpProxy
from tests.support.running_node import running_node

OpenFan = Callable[..., Awaitable[Fan]]


@dataclass(frozen=True, slots=True)
class Console:
    """A node, a connection to its database that bypasses it, and the ids of its staff."""

    node: Node
    sql: asyncpg.Connection[asyncpg.Record]
    database_url: str
    admin: int
    moderator: int


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    """What starts browsers and speaks to them, itself a process."""
    async with async_playwright() as started:
        yield started


@asynccontextmanager
async def chromium(playwright: Playwright, *flags: str) -> AsyncIterator[Browser]:
    """The system's Chromium; without one the test is skipped."""
    found = chromium_path()
    if found is None:
        pytest.skip(f"no Chromium on this machine: none of {', '.join(CHROMIUMS)} is in PATH")
    launched = await playwright.chromium.launch(executable_path=found, args=[*FLAGS, *flags])
    yield launched
    await launched.close()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser(playwright: Playwright) -> AsyncIterator[Browser]:
    """The browser of most tests. Its pages have no colours: a picture of one is empty."""
    async with chromium(playwright, *UNDRAWN) as launched:
        yield launched


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def drawing_browser(playwright: Playwright) -> AsyncIterator[Browser]:
    """The browser of tests that measure colours in pictures of pages."""
    async with chromium(playwright, *DRAWN) as launched:
        yield launched


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def canvas(drawing_browser: Browser) -> Page:
    """An empty page, in which a test measures pictures of other pages."""
    return await drawing_browser.new_page()


@pytest.fixture(scope="package")
def fans(browser: Browser) -> FanPool:
    """The fans of all tests."""
    return FanPool(browser)


@pytest.fixture(scope="package")
def drawn_fans(drawing_browser: Browser) -> FanPool:
    """Fans whose pages can be pictured."""
    return FanPool(drawing_browser)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def database_url(new_database: OpenDatabase) -> AsyncIterator[str]:
    """The database of the shared node. Each test makes a show of its own, and reads and changes nothing but this show."""
    async with new_database() as url:
        yield url


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def node(database_url: str, engines: EmbeddedEngines) -> AsyncIterator[Node]:
    """A ready node in the event loop of the tests, for all of them."""
    async with running_node(database_url, empty_redis(engines, 0), secret=SECRET, has_chores=True) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def own_database_url(new_database: OpenDatabase) -> AsyncIterator[str]:
    """A fresh migrated database, for a test that needs an empty catalogue."""
    async with new_database() as url:
        yield url


@pytest_asyncio.fixture(loop_scope="session")
async def own_node(own_database_url: str, redis_url: str) -> AsyncIterator[Node]:
    """A ready node on a database of its own: `open_fan(own_node.url)`."""
    async with running_node(own_database_url, redis_url, secret=SECRET) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def sql(database_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection to the shared node's database that bypasses the node."""
    async with connected(database_url) as connection:
        yield connection


@pytest_asyncio.fixture(loop_scope="session")
async def own_sql(own_database_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection to the own node's database that bypasses the node."""
    async with connected(own_database_url) as connection:
        yield connection


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection that is closed after the block."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(node: Node) -> AsyncIterator[TcpProxy]:
    """A proxy in front of the shared node, whose connections can be cut."""
    async with TcpProxy.running(node.port) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def open_fan(fans: FanPool, node: Node) -> AsyncIterator[OpenFan]:
    """Opens a browser for one more fan. The test fails when one of their tabs wrote an error to its console."""
    async with AsyncExitStack() as stack:

        async def open_one(url: str = node.url, **options: object) -> Fan:
            return await stack.enter_async_context(fans.fan(url, **options))  # type: ignore[arg-type]

        yield open_one


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def console(new_database: OpenDatabase, new_redis: Callable[[], str]) -> AsyncIterator[Console]:
    """One node for all tests of the console in a file; its database has an administrator and a moderator."""
    async with new_database() as database_url, running_node(database_url, new_redis()) as node:
        connection = await asyncpg.connect(database_url)
        try:
            ids = await connection.fetch("insert into users (role) values ('admin'), ('moderator') returning id")
            admin, moderator = (row["id"] for row in ids)
            yield Console(node, connection, database_url, admin, moderator)
        finally:
            await connection.close()
