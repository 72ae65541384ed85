"""The list of shows: search, filter, paging, and the way back to it."""

from __future__ import annotations

import re

import asyncpg
import pytest
from playwright.async_api import expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_search_filter_a_show_and_back(
    own_node: Node, open_fan: OpenFan, own_database_url: str, own_sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Search and status filter the list and are part of the address; Back returns from a show to the same list."""
    shows = await make_shows(own_database_url, count=30)
    live, finished = shows[3], shows[4]
    await own_sql.execute("update shows set status = 'live' where id = any($1)", [live.id, shows[20].id])
    await own_sql.execute("update shows set status = 'finished', closes_at = now() where id = $1", finished.id)
    artist = await own_sql.fetchval(
        "update artists set name = 'Sigur Rós' where id = (select artist_id from shows where id = $1) returning name",
        live.id,
    )
    tab = await (await open_fan(own_node.url)).open("/")
    cards = tab.page.get_by_role("listitem")
    await expect(cards).to_have_count(24)
    await tab.page.get_by_role("button", name="Load more").tap()
    await expect(cards).to_have_count(30)

    await tab.page.get_by_role("button", name="Live", exact=True).tap()
    await expect(cards).to_have_count(2)
    await expect(cards.first).to_contain_text("Live now")
    await tab.page.get_by_role("searchbox", name="Search shows").fill("sigur")
    await expect(cards).to_have_count(1)
    await expect(tab.page).to_have_url(re.compile(r"/\?q=sigur&status=live$"))

    await tab.page.get_by_role("link", name=artist).tap()
    await expect(tab.page).to_have_url(re.compile(r"/shows/[a-z0-9-]+$"))
    await expect(tab.page.get_by_role("heading", level=1)).to_have_text(artist)
    await expect(tab.page.get_by_role("heading", level=1)).to_be_focused()
    await tab.expect_live()
    await expect(tab.page).to_have_title(re.compile("^Sigur Rós, "))
    await tab.page.go_back()
    await expect(cards).to_have_count(1)
    await expect(tab.page.get_by_role("button", name="Live", exact=True)).to_have_attribute("aria-pressed", "true")
    await expect(tab.page.get_by_role("searchbox", name="Search shows")).to_have_value("sigur")

    await tab.page.reload()
    await expect(cards).to_have_count(1)
    await tab.page.get_by_role("searchbox", name="Search shows").fill("nobody plays this")
    await expect(tab.page.get_by_text("No show matches your search.")).to_be_visible()
    await tab.page.get_by_role("button", name="Show all shows").tap()
    await expect(cards).to_have_count(24)


async def test_an_unknown_show(node: Node, open_fan: OpenFan) -> None:
    """An address with a typo shows a message and a link to all shows."""
    visitor = await open_fan()
    visitor.allowed_errors = re.compile("404")
    tab = await visitor.open("/shows/no-such-show")
    await expect(tab.page.get_by_role("heading", level=1)).to_have_text("Show not found")
    await tab.page.get_by_role("alert").get_by_role("link", name="All shows").tap()
    await expect(tab.page.get_by_role("heading", level=1)).to_have_text("Which songs tonight?")


async def test_an_address_of_no_list_says_so(open_fan: OpenFan) -> None:
    """A wrong status in the address gets a sentence, and a way to all shows; another attempt would not help."""
    fan = await open_fan()
    fan.allowed_errors = re.compile("400")
    tab = await fan.open("/?status=bogus")
    await expect(tab.page.get_by_role("alert")).to_contain_text("There is no list at this address.")
    await expect(tab.page.get_by_role("button", name="Try again")).to_be_hidden()
    await tab.page.get_by_role("link", name="All shows").click()
    await expect(tab.page.get_by_role("heading", level=1)).to_have_text("Which songs tonight?")


async def test_an_address_with_a_broken_escape(open_fan: OpenFan) -> None:
    """It is the address of no page, and the page says so."""
    fan = await open_fan()
    fan.allowed_errors = re.compile("404")
    tab = await fan.open("/shows/%E0%A4%A")
    await expect(tab.page.get_by_text("Show not found")).to_be_visible()
