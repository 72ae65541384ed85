"""Votes without a connection: they wait in the browser, and the server gets each of them once."""

from __future__ import annotations

import asyncpg
import pytest
from playwright.async_api import expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.browser.pages import NETWORK_ERRORS, reload_offline
from tests.support.open_shows import make_shows
from tests.support.proxy import TcpProxy

pytestmark = pytest.mark.asyncio(loop_scope="session")

VOTES = "select setlist_song_id as song, choice::text from votes where show_id = $1 order by 1"
USERS = "select count(*) from users"


def disconnect(proxy: TcpProxy) -> None:
    """Cuts all connections; new ones reach nothing until the proxy has a target again."""
    proxy.targets.clear()
    proxy.cut()


async def test_a_vote_made_offline_is_sent_on_return(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Offline, votes are marked as waiting and counted on this page only; online again, the page sends them."""
    (show,) = await make_shows(database_url)
    early, late, *_ = show.songs
    visitor = await open_fan()
    visitor.allowed_errors = NETWORK_ERRORS
    tab = await visitor.open_show(show.id)
    watcher = await (await open_fan()).open_show(show.id)
    await tab.button(early, "up").tap()
    await tab.expect_durability(early, "committed")

    await visitor.go_offline()
    await expect(tab.connection).to_have_text("Offline")
    await tab.button(late, "up").tap()
    await tab.button(early, "up").tap()
    await tab.expect_durability(late, "waiting")
    await tab.expect_choice(late, "up")
    await tab.expect_choice(early, "none")
    await tab.expect_counts(late, 1, 0)
    waiting = tab.page.locator(".waiting")
    await expect(waiting).to_contain_text("2 votes are waiting to be sent.")
    await watcher.expect_counts(early, 1, 0)
    await watcher.expect_counts(late, 0, 0)

    await visitor.go_online()
    await tab.expect_live()
    await tab.expect_durability(late, "committed")
    await watcher.expect_counts(late, 1, 0)
    await watcher.expect_counts(early, 0, 0)
    await expect(waiting).to_be_hidden()
    assert [tuple(row) for row in await sql.fetch(VOTES, show.id)] == [(late, "up")]


async def test_a_vote_survives_a_closed_page(
    node: Node, proxy: TcpProxy, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A vote made without a connection survives a failed reload; the next page of that browser sends it, once."""
    (show,) = await make_shows(database_url)
    song = show.songs[0]
    users = await sql.fetchval(USERS)
    visitor = await open_fan(proxy.url)
    visitor.allowed_errors = NETWORK_ERRORS
    tab = await visitor.open_show(show.id)

    disconnect(proxy)
    await expect(tab.connection).to_have_text("Connecting")
    await tab.button(song, "down").tap()
    await tab.expect_durability(song, "waiting")
    await reload_offline(tab)
    await tab.page.close()
    assert await sql.fetch(VOTES, show.id) == []

    proxy.targets.append(node.port)
    # Any page sends the votes, also the list of shows.
    elsewhere = await visitor.open("/")
    await expect(elsewhere.page.get_by_role("listitem").first).to_be_visible()
    tab = await visitor.open_show(show.id)
    await tab.expect_choice(song, "down")
    await tab.expect_durability(song, "committed")
    await tab.expect_counts(song, 0, 1)
    assert [tuple(row) for row in await sql.fetch(VOTES, show.id)] == [(song, "down")]
    assert await sql.fetchval(USERS) == users + 1


async def test_votes_survive_cut_connections(
    node: Node, proxy: TcpProxy, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """When the connection is cut again and again while a fan votes, the choices tapped last are the ones that count."""
    (show,) = await make_shows(database_url)
    visitor = await open_fan(proxy.url)
    visitor.allowed_errors = NETWORK_ERRORS
    tab = await visitor.open_show(show.id)
    for song in show.songs[:4]:
        await tab.button(song, "up").tap()
        # At once: the vote may be unsent, on its way, or answered.
        disconnect(proxy)
        await tab.button(song, "down").tap()
        proxy.targets.append(node.port)
    for song in show.songs[:4]:
        await tab.expect_durability(song, "committed")
        await tab.expect_counts(song, 0, 1)
    await tab.expect_total(4)
    assert [tuple(row) for row in await sql.fetch(VOTES, show.id)] == [(song, "down") for song in show.songs[:4]]
    assert await sql.fetchval("select count(distinct user_id) from votes where show_id = $1", show.id) == 1


async def test_an_outage_is_announced_once(node: Node, proxy: TcpProxy, open_fan: OpenFan, database_url: str) -> None:
    """A screen reader hears of an outage after some seconds and of its end; a connection that comes and goes says no more."""
    (show,) = await make_shows(database_url)
    visitor = await open_fan(proxy.url)
    visitor.allowed_errors = NETWORK_ERRORS
    tab = await visitor.new_tab()
    await tab.page.clock.install()
    await tab.goto(f"/shows/{show.id}")
    await tab.expect_live()
    announcer = tab.page.locator("#show-announcer")
    await tab.page.evaluate("""() => {
        window.heard = [];
        new MutationObserver(() => heard.push(document.querySelector("#show-announcer").textContent))
            .observe(document.querySelector("#show-announcer"), { childList: true, characterData: true, subtree: true });
    }""")
    for _ in range(3):
        disconnect(proxy)
        await expect(tab.connection).to_have_text("Connecting")
        await tab.page.clock.run_for(12_000)
        proxy.targets.append(node.port)
        await tab.page.evaluate("() => dispatchEvent(new Event('online'))")
        await tab.expect_live()
        await expect(announcer).to_have_text("Connected again.")
    assert await tab.page.evaluate("() => heard") == [
        "The connection is lost. Your votes are kept.",
        "Connected again.",
    ]
