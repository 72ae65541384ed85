"""Finding a show, and finding the way back."""

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
    node: Node, fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Search and status narrow the list and stand in the address; a show opens and Back returns to the same list."""
    shows = await make_shows(database_url, count=30)
    live, finished = shows[3], shows[4]
    await sql.execute("update shows set status = 'live' where id = any($1)", [live.id, shows[20].id])
    await sql.execute("update shows set status = 'finished', closes_at = now() where id = $1", finished.id)
    artist = await sql.fetchval(
        "update artists set name = 'Sigur Rós' where id = (select artist_id from shows where id = $1) returning name",
        live.id,
    )
    seat = await (await fan()).open("/")
    cards = seat.page.get_by_role("listitem")
    await expect(cards).to_have_count(24)
    await seat.page.get_by_role("button", name="Load more").tap()
    await expect(cards).to_have_count(30)

    await seat.page.get_by_role("button", name="Live", exact=True).tap()
    await expect(cards).to_have_count(2)
    await expect(cards.first).to_contain_text("Live now")
    await seat.page.get_by_role("searchbox", name="Search shows").fill("sigur")
    await expect(cards).to_have_count(1)
    await expect(seat.page).to_have_url(re.compile(r"/\?q=sigur&status=live$"))

    await seat.page.get_by_role("link", name=artist).tap()
    await expect(seat.page).to_have_url(re.compile(r"/shows/[a-z0-9-]+$"))
    await expect(seat.page.get_by_role("heading", level=1)).to_have_text(artist)
    await expect(seat.page.get_by_role("heading", level=1)).to_be_focused()
    await seat.is_live()
    await expect(seat.page).to_have_title(re.compile("^Sigur Rós, "))
    await seat.page.go_back()
    await expect(cards).to_have_count(1)
    await expect(seat.page.get_by_role("button", name="Live", exact=True)).to_have_attribute("aria-pressed", "true")
    await expect(seat.page.get_by_role("searchbox", name="Search shows")).to_have_value("sigur")

    await seat.page.reload()
    await expect(cards).to_have_count(1)
    await seat.page.get_by_role("searchbox", name="Search shows").fill("nobody plays this")
    await expect(seat.page.get_by_text("No show matches.")).to_be_visible()
    await seat.page.get_by_role("button", name="Show all shows").tap()
    await expect(cards).to_have_count(24)


async def test_a_show_that_is_not_there(node: Node, fan: OpenFan) -> None:
    """An address with a typo gets words and the way to all shows."""
    visitor = await fan()
    visitor.may_complain = re.compile("404")
    seat = await visitor.open("/shows/no-such-show")
    await expect(seat.page.get_by_role("heading", level=1)).to_have_text("No such show")
    await seat.page.get_by_role("alert").get_by_role("link", name="All shows").tap()
    await expect(seat.page.get_by_text("No shows yet.")).to_be_visible()
