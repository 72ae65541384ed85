"""The console in a browser: staff who are signed in, and what every page of it must keep to."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from playwright.async_api import Page, ViewportSize, expect

from server.node.node import Node
from server.people.sessions import mint_token
from server.protocol.identity import COOKIE
from tests.browser.checks import findings
from tests.browser.pages import DESKTOP, PHONE, TABLET, Fan, FanPool
from tests.support.running_node import SECRET

# Chromium writes an answer that refuses to its console; a page cannot prevent that.
REFUSALS = re.compile(r"status of (400|403|404|409|412|503)")
# What can be tapped, but is smaller than a finger. Links inside a text, and boxes whose label is tapped, are not meant.
SMALL = """() => [...document.querySelectorAll("button, select, input:not([type=checkbox]), nav a, a.button, .table a, .match a, .back, summary")]
    .filter((element) => element.offsetParent && element.getBoundingClientRect().height < 43.5)
    .map((element) => `${element.outerHTML.slice(0, 80)} ${element.getBoundingClientRect().height}`)"""
# A button that one has to scroll to is out of sight.
NO_TABLE_SCROLLS = """() => [...document.querySelectorAll(".table-frame")]
    .every((frame) => !frame.checkVisibility() || frame.scrollWidth <= frame.clientWidth)"""
# Parts that hide a piece of what they hold, or let one scroll sideways for it.
CUT = """() => [...document.querySelectorAll("body *:not(.sr, .sr *, thead, thead *, svg, svg *, input, select, textarea)")]
    .filter((element) => element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX !== "visible")
    .map((element) => `${element.outerHTML.slice(0, 80)} ${element.scrollWidth - element.clientWidth}`)"""
# Sentences in a column of a card as narrow as that of a number.
SQUEEZED = """() => [...document.querySelectorAll(".cards td")]
    .filter((cell) => cell.textContent.length > 40 && cell.clientWidth < 240)
    .map((cell) => cell.textContent)"""
WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@asynccontextmanager
async def open_staff(
    fans: FanPool,
    node: Node,
    user_id: int,
    role: str = "admin",
    *,
    viewport: ViewportSize = DESKTOP,
    scheme: Literal["light", "dark"] = "dark",
    secret: str = SECRET,
) -> AsyncIterator[Fan]:
    """A browser in which an account of staff is signed in. Its tabs may write refusals to the browser's console."""
    async with fans.fan(node.url, viewport=viewport, scheme=scheme) as staff:
        staff.allowed_errors = REFUSALS
        token = mint_token(secret, user_id, role)
        await staff.context.add_cookies([{"name": COOKIE, "value": token, "url": node.url}])
        yield staff


async def visit(page: Page, key: str, title: str) -> None:
    """Opens a page of the console by its keys."""
    await expect(page.get_by_role("navigation")).to_be_visible()
    await page.keyboard.press("g")
    await page.keyboard.press(key)
    await expect(page.get_by_role("heading", level=1)).to_have_text(title)


async def confirm(page: Page, label: str, *, says: str) -> None:
    """Acts in the dialog that is open, and waits for the result."""
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name=label, exact=True).click()
    await expect(dialog).to_have_count(0)
    await expect(page.locator("#notice")).to_contain_text(says)


async def is_fine(page: Page) -> None:
    """axe-core finds nothing, and everything fits on a tablet and on a phone."""
    found = await findings(page)
    assert found == [], "\n".join(found)
    await fits(page)


async def tap_is_answered(page: Page) -> None:
    """Waits for the answer to the last tap of a stage: a push may show the song before, and the next tap then does nothing."""
    await expect(page.locator(".stage-sets")).not_to_have_attribute("aria-busy", "true")


async def fits(page: Page) -> None:
    """On a tablet and on a phone nothing reaches past the edge or is cut, no table scrolls sideways, no sentence is squeezed into a
    narrow column, and all that can be tapped is as large as a finger.
    """
    for viewport in (TABLET, PHONE):
        await page.set_viewport_size(viewport)
        await page.wait_for_function(NO_TABLE_SCROLLS)
        assert await page.evaluate(WIDE) <= 0
        for rule in (CUT, SQUEEZED, SMALL):
            assert await page.evaluate(rule) == []
    await page.set_viewport_size(DESKTOP)
