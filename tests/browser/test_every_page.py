"""Every page with the sample data, for readers with other eyes and hands: one load of each, and all checks on it (checks.py)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Page, Request, expect

from server.node.node import Node
from server.protocol.identity import COOKIE
from tests.browser.checks import (
    ANIMATIONS_ENDED,
    SCHEMES,
    WATCH_POLICY,
    faint_texts,
    findings,
    problems,
    problems_of_a_wall,
)
from tests.browser.console import REFUSALS
from tests.browser.pages import DESKTOP, NETWORK_ERRORS, PHONE, Fan, FanPool, Tab
from tests.browser.sample import CONSOLE_DETAILS, CONSOLE_PAGES, FAN_PAGES, WALLS, Sample, make_sample, open_page
from tests.support.engines import OpenDatabase
from tests.support.node_process import SECRET
from tests.support.running_node import running_node, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What lies behind texts here is no plain colour: axe-core cannot measure it.
PAINTED = ("home", "live show", "finished show", "artist", "song", "leaderboard")


@dataclass(frozen=True, slots=True)
class Readers:
    """A node with the sample data, a fan of it on a phone, and somebody of staff."""

    node: Node
    sample: Sample
    fan: Fan
    staff: Fan


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def readers(
    new_database: OpenDatabase, new_redis: Callable[[], str], fans: FanPool, drawn_fans: FanPool
) -> AsyncIterator[Readers]:
    """One node for all tests of this file."""
    async with (
        new_database() as database_url,
        running_node(database_url, new_redis(), secret=SECRET, has_chores=True) as node,
        drawn_fans.fan(node.url) as fan,
        fans.fan(node.url) as staff,
    ):
        # Chromium writes these to the console when a test asks for what is not there, or takes the network away.
        fan.allowed_errors = re.compile(f"404|{NETWORK_ERRORS.pattern}")
        staff.allowed_errors = REFUSALS
        sample = await make_sample(node, database_url, SECRET, fan, turnout=0.1)
        await staff.context.add_cookies([{"name": COOKIE, "value": sample.admin, "url": node.url}])
        yield Readers(node, sample, fan, staff)


@asynccontextmanager
async def opened(fan: Fan, sample: Sample, name: str) -> AsyncIterator[Tab]:
    """A tab with a page, closed after the block."""
    tab = await fan.new_tab()
    await tab.page.add_init_script(WATCH_POLICY)
    await open_page(tab, sample, name)
    yield tab
    await tab.page.close()


@pytest.mark.parametrize("name", FAN_PAGES)
async def test_a_page_of_fans(name: str, readers: Readers, canvas: Page) -> None:
    """axe-core finds nothing; every text can be read in light and dark, large and wide; a mirror and a keyboard change nothing."""
    async with opened(readers.fan, readers.sample, name) as tab:
        if name == "show to come":
            await tab.page.locator(".pick summary").tap()
            await expect(tab.page.locator(".pick-score")).to_be_visible()
        if name == "me":
            await tab.page.get_by_role("button", name="Erase my account").tap()
        found = await problems(tab.page, is_translated=name != "API")
        assert found == [], "\n".join(found)
        for scheme in SCHEMES if name in PAINTED else ():
            await tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert await faint_texts(tab.page, canvas) == [], scheme


async def test_a_vote_that_waits_can_be_read(readers: Readers) -> None:
    """Votes that wait for the network, and the page without it, keep to the same."""
    async with opened(readers.fan, readers.sample, "live show") as tab:
        await tab.expect_live()
        *_, song = [song for song in await tab.order() if await tab.button(song, "up").is_enabled()]
        await readers.fan.go_offline()
        try:
            await tab.button(song, "up").tap()
            await tab.expect_durability(song, "waiting")
            await tab.page.evaluate("scrollTo(0, 0)")  # else a notice covers a part of some song
            found = await problems(tab.page)
            assert found == [], "\n".join(found)
            await tab.button(song, "up").tap()
        finally:
            await readers.fan.go_online()


@pytest.mark.parametrize("name", WALLS)
async def test_a_wall(name: str, readers: Readers) -> None:
    """axe-core finds nothing on a wall in both of its themes, bars stay in forced colours, and from right to left it is mirrored."""
    async with opened(readers.fan, readers.sample, name) as tab:
        await tab.page.set_viewport_size(PHONE if name == "embed" else DESKTOP)
        found = await problems_of_a_wall(tab.page)
        assert found == [], "\n".join(found)
        await tab.goto(f"{readers.sample.paths[name]}?theme=light&position=top-right")
        await expect(tab.page.locator(".song").first).to_be_visible()
        assert await findings(tab.page, "color-contrast") == []


class Desk:
    """One tab of staff, which draws one page of the console after the other, as when somebody follows its links."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._under_way: set[Request] = set()
        page.on("request", self._begin)
        page.on("requestfinished", self._end)
        page.on("requestfailed", self._end)

    # Playwright takes no built-in method.
    def _begin(self, request: Request) -> None:
        self._under_way.add(request)

    def _end(self, request: Request) -> None:
        self._under_way.discard(request)

    async def follow(self, path: str) -> None:
        """Opens a page of the console without a load, and waits until all that it asks for is there."""
        await self.page.evaluate(
            "(path) => { history.pushState(null, '', path); dispatchEvent(new Event('popstate')); }", path
        )

        async def is_complete() -> bool:
            await self.page.evaluate(ANIMATIONS_ENDED)
            return not self._under_way

        await until(is_complete)
        await expect(self.page.locator(".skeleton").first).to_be_hidden()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(readers: Readers) -> AsyncIterator[Desk]:
    """The desk of an administrator."""
    tab = await readers.staff.new_tab()
    await tab.page.add_init_script(WATCH_POLICY)
    await tab.goto("/admin/nowhere")
    await expect(tab.page.get_by_role("heading", level=1)).to_have_text("No such page")
    yield Desk(tab.page)
    await tab.page.close()


@pytest.mark.parametrize("name", [f"console {name}" for name in (*CONSOLE_PAGES, *CONSOLE_DETAILS)])
async def test_a_page_of_the_console(name: str, readers: Readers, desk: Desk) -> None:
    """The same holds for each page of staff."""
    await desk.follow(readers.sample.paths[name])
    await expect(desk.page.get_by_role("heading", level=1)).not_to_have_text("No such page")
    found = await problems(desk.page, is_translated=False)
    assert found == [], "\n".join(found)
