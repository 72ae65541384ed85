"""Networks and browsers that let no websocket through: counts and votes go over HTTP, and the page says why."""

from __future__ import annotations

import re

import aiohttp
import asyncpg
import pytest
from playwright.async_api import Route, WebSocketRoute, expect

from server.node.node import Node
from server.protocol.limits import Limits
from tests.browser.conftest import OpenFan
from tests.browser.pages import NETWORK_ERRORS, Fan, Tab
from tests.support.node_process import SECRET
from tests.support.open_shows import Show, make_shows, make_users
from tests.support.running_node import running_node
from tests.support.socket_client import SocketClient

pytestmark = pytest.mark.asyncio(loop_scope="session")

UPGRADE_ERRORS = re.compile(f"{NETWORK_ERRORS.pattern}|status of (400|401|503)")
FALSE_BLAME = re.compile("signal|check your (?!votes)", re.IGNORECASE)
# Longer than the page waits for a websocket, and between two requests of the same show.
FALLBACK_MS, POLL_MS = 6_000, 5_000


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


async def open_without_live(visitor: Fan, tab: Tab, show: Show, kind: str) -> None:
    """Opens a show with a clock of the test's own, and waits until the page says why it is not live."""
    visitor.allowed_errors = UPGRADE_ERRORS
    await tab.page.clock.install()
    await tab.goto(f"/shows/{show.id}")
    await expect(tab.row(show.songs[0])).to_be_visible()
    await tab.page.clock.run_for(FALLBACK_MS)
    await expect(tab.connection).to_have_text("Delayed")
    await expect(tab.page.locator(".link-line[role=status]")).to_contain_text(SENTENCES[kind])


@pytest.mark.parametrize("kind", ["missing", pytest.param("blocked", marks=pytest.mark.nightly), "hanging"])
async def test_counts_and_votes_go_over_http(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record], kind: str
) -> None:
    """Within ten seconds counts follow and votes are cast; a changed rule arrives; the page blames nothing that works."""
    (show,) = await make_shows(database_url)
    mine, theirs, *_ = show.songs
    (other,) = await make_users(database_url, 1)
    visitor = await open_fan()
    tab = await visitor.new_tab()
    if kind == "missing":
        await tab.page.add_init_script("delete window.WebSocket")
    else:
        await tab.page.route_web_socket(re.compile("/ws$"), hang if kind == "hanging" else block)
    await open_without_live(visitor, tab, show, kind)
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
    assert await sql.fetchval("select count(*) from votes where show_id = $1", show.id) == 2


async def test_a_websocket_that_comes_back_takes_over(open_fan: OpenFan, own_database_url: str, redis_url: str) -> None:
    """The page names a full server and votes over HTTP; with a network that returns, it tries a websocket at once."""
    (show,) = await make_shows(own_database_url)
    limits = Limits(connections_per_address=1)
    async with running_node(own_database_url, redis_url, secret=SECRET, limits=limits) as full:
        visitor = await open_fan(full.url)
        tab = await visitor.new_tab()
        async with SocketClient.connect(full.url):
            await open_without_live(visitor, tab, show, "overloaded")
            await tab.button(show.songs[1], "up").tap()
            await tab.expect_durability(show.songs[1], "committed")
            assert not FALSE_BLAME.search(await tab.page.locator("body").inner_text())
        await tab.page.evaluate("() => dispatchEvent(new Event('online'))")
        await tab.expect_live()
        await expect(tab.page.locator(".link-line[role=status]")).to_be_hidden()
        await tab.button(show.songs[0], "up").tap()
        await tab.expect_durability(show.songs[0], "committed")
        await tab.page.close()


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

    tab = await visitor.new_tab()
    await tab.page.route_web_socket(re.compile("/ws$"), block)
    await tab.page.route(re.compile("/ws$"), change_host)
    await tab.page.clock.install()
    await tab.goto(f"/shows/{show.id}")
    await expect(tab.row(show.songs[0])).to_be_visible()
    await tab.page.clock.run_for(FALLBACK_MS)
    await expect(tab.page.locator(".link-line[role=status]")).to_contain_text("Nobody can vote here until")
