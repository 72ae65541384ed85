"""The page of the HTTP interface, as people see it."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import OpenFan
from tests.browser.pages import DESKTOP, PHONE
from tests.browser.test_accessibility import NOTHING_HIDDEN, OVERHANGING, SCHEMES, too_faint
from tests.support.contract import DOCUMENT
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPERATION_COUNT = sum(map(len, DOCUMENT["paths"].values()))
EVERYTHING_OPEN = "() => { for (const operation of document.querySelectorAll('details')) operation.open = true; }"


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_everything_can_be_read(browser: Browser, fan: OpenFan, viewport: dict[str, int]) -> None:
    """No text is too faint and nothing lies beyond the edge, light or dark, with every operation open."""
    seat = await (await fan(viewport=viewport)).open("/api/docs")
    await expect(seat.page.locator("#count")).to_have_text(f"{OPERATION_COUNT} operations")
    await expect(seat.page.locator("details")).to_have_count(OPERATION_COUNT)
    await seat.page.evaluate(EVERYTHING_OPEN)
    await expect(seat.page.get_by_role("heading", name="Answers", level=3)).to_have_count(OPERATION_COUNT)
    assert await seat.page.evaluate(NOTHING_HIDDEN), await seat.page.evaluate(OVERHANGING)
    assert not await seat.page.evaluate(OVERHANGING)
    for scheme in SCHEMES:
        await seat.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert not await too_faint(seat.page, browser), scheme


async def test_an_operation_is_found_and_tried(fan: OpenFan, database_url: str) -> None:
    """By keys alone: a word is searched, the operation opened, filled in and sent; its address leads back to it."""
    (show,) = await make_shows(database_url)
    visitor = await fan(viewport=DESKTOP)
    seat = await visitor.open("/api/docs")
    await expect(seat.page.locator("details").first).to_be_visible()
    await seat.page.get_by_role("searchbox", name="Find an operation").fill("one show setlists get")
    await expect(seat.page.locator("#count")).to_have_text(f"1 of {OPERATION_COUNT} operations")
    await seat.page.locator("#get_shows_show summary").focus()
    await seat.page.keyboard.press("Enter")
    await seat.page.locator("#get_shows_show").get_by_label("show", exact=True).fill(str(show.id))
    await seat.page.keyboard.press("Enter")
    await expect(seat.page.get_by_role("status").filter(has_text="200")).to_contain_text(f"/api/shows/{show.id}")
    await expect(seat.page.get_by_role("region", name="What came back")).to_contain_text(f'"id": {show.id}')
    await seat.page.get_by_role("searchbox").fill("unheard of")
    await expect(seat.page.get_by_text("Nothing matches.")).to_be_visible()

    seat = await visitor.open("/api/docs#get_shows_show")
    await expect(seat.page.locator("#get_shows_show")).to_have_attribute("open", "")


async def test_a_screen_reader_is_told_what_is_where(fan: OpenFan) -> None:
    """Landmarks, headings, and operations that say their method, path, purpose and who may."""
    seat = await (await fan(viewport=DESKTOP)).open("/api/docs")
    await expect(seat.page.locator("details").first).to_be_visible()
    await expect(seat.page.locator("body")).to_match_aria_snapshot("""
        - link "Skip to content"
        - banner:
          - link "MySetlist"
          - link "openapi.json"
          - link "asyncapi.json"
        - heading "HTTP interface" [level=1]
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
