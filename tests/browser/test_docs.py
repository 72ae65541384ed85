"""The page of the HTTP API."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenFan
from tests.browser.pages import DESKTOP
from tests.support.contract import DOCUMENT
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPERATION_COUNT = sum(map(len, DOCUMENT["paths"].values()))


async def test_an_operation_is_found_and_sent(open_fan: OpenFan, database_url: str) -> None:
    """The keyboard alone finds, opens, fills in and sends an operation; a link leads to it."""
    (show,) = await make_shows(database_url)
    visitor = await open_fan(viewport=DESKTOP)
    tab = await visitor.open("/api/docs")
    await expect(tab.page.locator("details").first).to_be_visible()
    await tab.page.get_by_role("searchbox", name="Find an operation").fill("one show setlists get")
    await expect(tab.page.locator("#count")).to_have_text(f"1 of {OPERATION_COUNT} operations")
    await tab.page.locator("#get_shows_show summary").focus()
    await tab.page.keyboard.press("Enter")
    await tab.page.locator("#get_shows_show").get_by_label("show", exact=True).fill(str(show.id))
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.get_by_role("status").filter(has_text="200")).to_contain_text(f"/api/shows/{show.id}")
    await expect(tab.page.get_by_role("region", name="Answer to your request")).to_contain_text(f'"id": {show.id}')
    await tab.page.get_by_role("searchbox").fill("unheard of")
    await expect(tab.page.get_by_text("No operation matches.")).to_be_visible()

    tab = await visitor.open("/api/docs#get_shows_show")
    await expect(tab.page.locator("#get_shows_show")).to_have_attribute("open", "")


async def test_the_accessibility_tree_is_complete(open_fan: OpenFan) -> None:
    """The page has landmarks and headings; each operation has its method, path, summary and access."""
    tab = await (await open_fan(viewport=DESKTOP)).open("/api/docs")
    await expect(tab.page.locator("details").first).to_be_visible()
    await expect(tab.page.locator("body")).to_match_aria_snapshot("""
        - link "Skip to content"
        - banner:
          - link "MySetlist"
          - link "openapi.json"
          - link "asyncapi.json"
        - region "HTTP API":
          - heading "HTTP API" [level=1]
          - search:
            - searchbox "Find an operation"
            - status: /\\d+ operations/
        - main:
          - navigation "Parts":
            - list:
              - listitem:
                - link "shows"
          - heading "shows" [level=2]
          - group:
            - text: GET
            - code: /api/shows
            - text: "Shows: live, then upcoming, then finished, then cancelled. Anyone"
    """)
