"""The first page: shows near the visitor, after a tap only, and the shows that concern them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import asyncpg
import pytest
from playwright.async_api import expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.support.open_shows import make_shows

if TYPE_CHECKING:
    Sql = asyncpg.Connection[asyncpg.Record]

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Stands for the browser's question, and notes each place that the page asks for.
PLACE = """
window.asked = 0;
window.place = {latitude: 41.1234567, longitude: -73.9876543};
navigator.geolocation.getCurrentPosition = (found, failed) => {
  window.asked += 1;
  if (window.place) found({coords: window.place});
  else failed({code: 1, PERMISSION_DENIED: 1});
};
"""


async def test_shows_near_the_visitor_after_a_tap(
    own_node: Node, open_fan: OpenFan, own_database_url: str, own_sql: Sql
) -> None:
    """The page asks for the place when the button is pressed, tells the server about a kilometre of it, and says what a refusal
    means.
    """
    near, *_ = await make_shows(own_database_url, count=3)
    await own_sql.execute(
        "update venues set latitude = 41.5, longitude = -74 where id = (select venue_id from shows where id = $1)",
        near.id,
    )
    fan = await open_fan(own_node.url)
    page = (await fan.open("/", script=PLACE)).page
    cards = page.locator(".card[data-show]")
    await expect(cards).to_have_count(3)
    assert await page.evaluate("window.asked") == 0
    button = page.get_by_role("button", name="Near me")
    async with page.expect_request(re.compile(r"/api/shows\?.*near=41\.12%2C-73\.99&")):
        await button.tap()
    await expect(cards).to_have_count(1)
    await expect(cards.first).to_contain_text("42 km away")
    await expect(button).to_have_attribute("aria-pressed", "true")
    await expect(page.get_by_text("Within 100 km of you.")).to_be_visible()
    await page.get_by_role("button", name="Finished").tap()
    await page.get_by_role("button", name="Show all shows").tap()
    await expect(cards).to_have_count(3)
    await expect(button).to_have_attribute("aria-pressed", "false")
    await page.evaluate("window.place = null")
    await button.tap()
    await expect(page.get_by_text("Your browser does not tell your place.")).to_be_visible()
    await expect(cards).to_have_count(3)


async def test_the_own_shows_stand_on_the_first_page(
    own_node: Node, open_fan: OpenFan, own_database_url: str, own_sql: Sql
) -> None:
    """A fan finds the show they go to and the one they voted on, with the reason; a visitor without an account sees nothing of it."""
    going, voted, _ = await make_shows(own_database_url, count=3)
    fan = await open_fan(own_node.url)
    tab = await fan.open("/")
    own = tab.page.get_by_role("region", name="Your shows")
    await expect(tab.page.locator(".card[data-show]")).to_have_count(3)
    await expect(own).to_be_hidden()
    await tab.goto(f"/shows/{voted.id}")
    await tab.button(voted.songs[0], "up").tap()
    await tab.expect_durability(voted.songs[0], "committed")
    await tab.goto(f"/shows/{going.id}")
    await tab.page.get_by_role("button", name="I'm going").tap()
    await expect(tab.page.get_by_text("1 going", exact=False)).to_be_visible()
    await tab.page.get_by_role("link", name="All shows").first.tap()
    items = own.get_by_role("listitem")
    await expect(items).to_have_count(2)
    await expect(items.first).to_contain_text("You go")
    await expect(items.nth(1)).to_contain_text("You cast 1 vote")
    await items.nth(1).get_by_role("link").tap()
    await tab.expect_choice(voted.songs[0], "up")
    await tab.goto("/")
    await expect(items).to_have_count(2)
    await tab.page.get_by_role("button", name="Finished").tap()
    await expect(own).to_be_hidden()


async def test_the_search_has_room_on_every_phone(open_fan: OpenFan) -> None:
    """Beside the filters of a wide phone (430 px) there was no room for a word."""
    page = (await (await open_fan()).open("/")).page
    search = page.get_by_role("searchbox", name="Search shows")
    for width in range(360, 481, 20):
        await page.set_viewport_size({"width": width, "height": 800})
        box = await search.bounding_box()
        assert box is not None
        assert box["width"] > 200, width
