"""Networks and browsers that let no websocket through: counts and votes go over HTTP, and the page says why."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import Route, WebSocketRoute, expect

from server.node.node import Node
from server.protocol.limits import Limits
from tests.browser.conftest import OpenFan
from tests.browser.pages import NETWORK_ERRORS
from tests.support.node_process import SECRET
from tests.support.open_shows import make_shows, make_users
from tests.support.running_node import running_node
from tests.support.socket_client import SocketClient

pytestmark = pytest.mark.asyncio(loop_scope="session")

UPGRADE_ERRORS = re.compile(f"{NETWORK_ERRORS.pattern}|status of (400|401|503)")
FALSE_BLAME = re.compile("signal|check your", re.IGNORECASE)
# Longer than the page waits for a websocket, and between two requests of the same show.
FALLBACK_MS, POLL_MS = 6_000, 5_000


@pytest_asyncio.fixture(loop_scope="session")
async def node(database_url: str, redis_url: str) -> AsyncIterator[Node]:
    """A node that takes one websocket of an address."""
    async with running_node(
        database_url, redis_url, secret=SECRET, limits=Limits(connections_per_address=1)
    ) as running:
        yield running


async def hang(_socket: WebSocketRoute) -> None:
    """Opens and carries nothing, as some proxies do: no message reaches the server."""


async def block(socket: WebSocketRoute) -> None:
    """Closes at once."""
    await socket.close(code=1011)


SENTENCES = {
    "missing": "This browser has no live connection.",
    "blocked": "This network blocks the live connection.",
    "hanging": "This network blocks the live connection.",
    "overloaded": "The server takes no more live connections from this network.",
}


@pytest.mark.parametrize("kind", SENTENCES)
async def test_counts_and_votes_go_over_http(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record], kind: str
) -> None:
    """Within ten seconds counts follow and votes are cast; a changed rule arrives; the page blames nothing that works."""
    (show,) = await make_shows(database_url)
    mine, theirs, *_ = show.songs
    (other,) = await make_users(database_url, 1)
    visitor = await open_fan()
    visitor.allowed_errors = UPGRADE_ERRORS
    if kind == "missing":
        await visitor.context.add_init_script("delete window.WebSocket")
    elif kind != "overloaded":
        await visitor.context.route_web_socket(re.compile("/ws$"), hang if kind == "hanging" else block)
    async with AsyncExitStack() as stack:
        if kind == "overloaded":
            await stack.enter_async_context(SocketClient.connect(node.url))
        tab = await visitor.open("/")
        await tab.page.clock.install()
        await tab.page.goto(f"{node.url}/shows/{show.id}")
        await expect(tab.row(mine)).to_be_visible()
        await tab.page.clock.run_for(FALLBACK_MS)
        await expect(tab.connection).to_have_text("Delayed")
        await expect(tab.page.locator(".link-line")).to_contain_text(SENTENCES[kind])
        await tab.button(mine, "up").tap()
        await tab.expect_durability(mine, "committed")

        headers = {"Authorization": f"Bearer {other.token}"}
        votes = {"votes": [[theirs, "down"]]}
        url = f"{node.url}/api/shows/{show.id}/votes"
        async with aiohttp.request("POST", url, json=votes, headers=headers) as answer:
            assert answer.status == 200
        await tab.page.clock.run_for(POLL_MS)
        await tab.expect_counts(theirs, 0, 1)
        await tab.expect_counts(mine, 1, 0)
        await tab.expect_total(2)
        await sql.execute("update shows set is_locked = true where id = $1", show.id)
        await tab.page.clock.run_for(POLL_MS)
        await expect(tab.page.get_by_text("Voting is paused by the organisers")).to_be_visible()
        assert not FALSE_BLAME.search(await tab.page.locator("body").inner_text())
    assert await sql.fetchval("select count(*) from votes") == 2


async def test_a_websocket_that_comes_back_takes_over(node: Node, open_fan: OpenFan, database_url: str) -> None:
    """When the page becomes visible again, it tries a websocket at once, and is live with it."""
    (show,) = await make_shows(database_url)
    visitor = await open_fan()
    visitor.allowed_errors = UPGRADE_ERRORS
    async with SocketClient.connect(node.url):
        tab = await visitor.open("/")
        await tab.page.clock.install()
        await tab.page.goto(f"{node.url}/shows/{show.id}")
        await expect(tab.row(show.songs[0])).to_be_visible()
        await tab.page.clock.run_for(FALLBACK_MS)
        await expect(tab.connection).to_have_text("Delayed")
    await tab.page.evaluate("() => dispatchEvent(new Event('online'))")
    await tab.expect_live()
    await expect(tab.page.locator(".link-line")).to_be_hidden()
    await tab.button(show.songs[0], "up").tap()
    await tab.expect_durability(show.songs[0], "committed")


async def test_behind_a_proxy_that_changes_host_the_page_names_the_setting(
    node: Node, open_fan: OpenFan, database_url: str
) -> None:
    """The page's requests come from an address that the server does not know, so it takes no vote and no websocket of them."""
    (show,) = await make_shows(database_url)
    visitor = await open_fan()
    visitor.allowed_errors = re.compile(f"{NETWORK_ERRORS.pattern}|status of (400|401|403)")

    async def change_host(route: Route) -> None:
        headers = {**route.request.headers, "referer": "https://sets.example/shows/7"}
        await route.fulfill(response=await route.fetch(headers=headers))

    await visitor.context.route_web_socket(re.compile("/ws$"), block)
    await visitor.context.route(re.compile("/ws$"), change_host)
    tab = await visitor.open("/")
    await tab.page.clock.install()
    await tab.page.goto(f"{node.url}/shows/{show.id}")
    await expect(tab.row(show.songs[0])).to_be_visible()
    await tab.page.clock.run_for(FALLBACK_MS)
    await expect(tab.page.locator(".link-line")).to_contain_text("has to set MYSETLIST_ORIGINS")
