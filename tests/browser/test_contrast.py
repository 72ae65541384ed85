"""Whether texts can be read on what lies behind them, measured in pictures. test_every_page.py measures the pages of fans."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, ViewportSize, expect

from server.node.node import Node
from tests.browser.checks import HAS_NO_OVERFLOW, OVERFLOWING, SCHEMES, WATCH_POLICY, faint_texts, findings
from tests.browser.console import open_staff
from tests.browser.pages import DESKTOP, PHONE, TABLET, FanPool
from tests.browser.test_console import make_staff
from tests.browser.test_docs import OPERATION_COUNT
from tests.support.node_process import SECRET
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVERYTHING_OPEN = "() => { for (const operation of document.querySelectorAll('details')) operation.open = true; }"


async def test_faint_and_overflowing_text_is_found(
    canvas: Page, node: Node, drawn_fans: FanPool, database_url: str
) -> None:
    """The checks themselves can fail: on a title as pale as its row, and on a heading as wide as two windows."""
    (show,) = await make_shows(database_url)
    async with drawn_fans.fan(node.url, scheme="light") as fan:
        tab = await fan.open_show(show.id)
        await tab.row(show.songs[0]).locator(".title").evaluate("title => { title.style.color = 'rgb(200, 200, 190)' }")
        (faint,) = await faint_texts(tab.page, canvas)
        assert faint.startswith("Song 1: 1.")
        assert await tab.page.evaluate(HAS_NO_OVERFLOW)
        await tab.page.locator("h1").evaluate("heading => { heading.style.width = '200vw' }")
        assert not await tab.page.evaluate(HAS_NO_OVERFLOW)


async def test_the_open_operations_of_the_api_can_be_read(canvas: Page, node: Node, drawn_fans: FanPool) -> None:
    """With every operation open, every text has enough contrast and nothing reaches past the edge: light on a phone, dark on a desktop."""
    async with drawn_fans.fan(node.url) as fan:
        tab = await fan.open("/api/docs")
        await expect(tab.page.locator("#count")).to_have_text(f"{OPERATION_COUNT} operations")
        await expect(tab.page.locator("details")).to_have_count(OPERATION_COUNT)
        await tab.page.evaluate(EVERYTHING_OPEN)
        await expect(tab.page.get_by_role("heading", name="Answers", level=3)).to_have_count(OPERATION_COUNT)
        # A width changes no colour, and a scheme no width.
        for viewport, scheme in zip((PHONE, DESKTOP), SCHEMES, strict=True):
            await tab.page.set_viewport_size(viewport)
            assert await tab.page.evaluate(HAS_NO_OVERFLOW), await tab.page.evaluate(OVERFLOWING)
            assert not await tab.page.evaluate(OVERFLOWING)
            await tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert not await faint_texts(tab.page, canvas, viewport["height"]), scheme


@pytest.mark.parametrize("viewport", [TABLET, pytest.param(DESKTOP, marks=pytest.mark.nightly)], ids=["768", "1440"])
async def test_the_page_now_can_be_read(
    canvas: Page, node: Node, drawn_fans: FanPool, sql: Any, viewport: ViewportSize
) -> None:
    """The page Now, light and dark: nothing reaches past the edge, each text has contrast, axe-core finds nothing serious, and
    on a touch screen each control is large enough.
    """
    async with open_staff(drawn_fans, node, await make_staff(sql, "admin"), viewport=viewport, secret=SECRET) as fan:
        tab = await fan.open("/admin", script=WATCH_POLICY)
        await expect(tab.page.get_by_role("heading", name="Now", exact=True)).to_be_visible()
        await expect(tab.page.locator("#connection")).to_have_text("Live")
        for scheme in ("light", "dark"):
            await tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert await tab.page.evaluate(HAS_NO_OVERFLOW), await tab.page.evaluate(OVERFLOWING)
            assert await findings(tab.page) == [], scheme
            assert not await faint_texts(tab.page, canvas), scheme
        small = await tab.page.evaluate(
            "() => [...document.querySelectorAll('nav a, main button, header button')].filter((one) => one.offsetHeight < 44)"
            ".map((one) => one.outerHTML.slice(0, 100))"
        )
        assert small == []
        await tab.page.close()
