"""One Chromium for all browser tests; each test has a node with an empty catalogue and opens its own fans."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from server.node.node import Node
from tests.browser.pages import Fan
from tests.support.node_process import SECRET
from tests.support.proxy import TcpProxy
from tests.support.running_node import running_node

NAMES = ("chromium", "google-chrome", "chromium-browser", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",  # the tests may run as root, where Chromium's sandbox does not
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

OpenFan = Callable[..., Awaitable[Fan]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium; without one the test is skipped."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no Chromium on this machine: none of {', '.join(NAMES)} is in PATH")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def node(database_url: str, redis_url: str) -> AsyncIterator[Node]:
    """A ready node in the event loop of the tests."""
    async with running_node(database_url, redis_url, secret=SECRET) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def sql(database_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection to PostgreSQL that bypasses the node."""
    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(node: Node) -> AsyncIterator[TcpProxy]:
    """A proxy in front of the node, whose connections can be cut."""
    async with TcpProxy.running(node.port) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def open_fan(browser: Browser, node: Node) -> AsyncIterator[OpenFan]:
    """Opens a browser for one more fan. The test fails when one of their tabs wrote an error to its console."""
    async with AsyncExitStack() as stack:

        async def open_one(url: str = node.url, **options: object) -> Fan:
            return await stack.enter_async_context(Fan.open_browser(browser, url, **options))  # type: ignore[arg-type]

        yield open_one
