"""Fans and the tabs of their browsers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, ViewportSize, expect

PHONE: ViewportSize = {"width": 360, "height": 740}
DESKTOP: ViewportSize = {"width": 1440, "height": 900}
# Chromium writes these to the console when it cannot reach the server; a page cannot prevent that.
NETWORK_ERRORS = re.compile(
    r"ERR_(INTERNET_DISCONNECTED|CONNECTION_\w+|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED)|WebSocket connection"
)

expect.set_options(timeout=15_000)


class Fan:
    """A browser context of its own, and the errors and warnings of its tabs. Build it with `open_browser`.

    Takes: url of the node, or of a proxy in front of it
    """

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.url = url
        self.console_errors: list[str] = []
        self.allowed_errors: re.Pattern[str] | None = None
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.console_errors.append(f"exception: {error.error}"))

    @classmethod
    @asynccontextmanager
    async def open_browser(
        cls,
        browser: Browser,
        url: str,
        *,
        viewport: ViewportSize = PHONE,
        scheme: Literal["light", "dark"] = "dark",
    ) -> AsyncIterator[Fan]:
        """A fan with an empty storage. A narrow viewport is a phone with a touch screen. Fails when a tab wrote an error."""
        is_phone = viewport["width"] < 600
        context = await browser.new_context(
            viewport=viewport, has_touch=is_phone, is_mobile=is_phone, color_scheme=scheme, locale="en-US"
        )
        context.set_default_timeout(15_000)
        fan = cls(context, url)
        try:
            yield fan
        finally:
            await context.close()
        assert not fan.console_errors, fan.console_errors

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if self.allowed_errors is None or not self.allowed_errors.search(message.text):
            self.console_errors.append(f"{message.type}: {message.text}")

    async def open(self, path: str) -> Tab:
        """Opens a new tab at `path`."""
        tab = Tab(await self.context.new_page())
        await tab.page.goto(self.url + path)
        return tab

    async def open_show(self, show: int) -> Tab:
        """Opens a new tab of a show and waits until it is live."""
        tab = await self.open(f"/shows/{show}")
        await tab.expect_live()
        return tab


class Tab:
    """A page object: one tab of a fan, which usually shows a show."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.connection = page.locator("#connection")

    def row(self, song: int) -> Locator:
        """The song's row."""
        return self.page.locator(f'[data-song="{song}"]')

    def button(self, song: int, direction: Literal["up", "down"]) -> Locator:
        """The song's button for votes up or down."""
        return self.row(song).locator(f'[data-vote="{direction}"]')

    async def expect_live(self) -> None:
        """Waits until the page is connected to the node."""
        await expect(self.connection).to_have_text("Live")

    async def expect_choice(self, song: int, choice: Literal["up", "down", "none"]) -> None:
        """Waits until the page shows the fan's own choice, also to screen readers."""
        for direction in ("up", "down"):
            pressed = str(choice == direction).lower()
            await expect(self.button(song, direction)).to_have_attribute("aria-pressed", pressed)

    async def expect_counts(self, song: int, up: int, down: int) -> None:
        """Waits until the song has these counts."""
        await expect(self.button(song, "up").locator(".count")).to_have_text(str(up))
        await expect(self.button(song, "down").locator(".count")).to_have_text(str(down))

    async def expect_durability(self, song: int, durability: str) -> None:
        """Waits until the page shows how safe the own vote on the song is."""
        await expect(self.row(song).locator(f'.marker[data-durability="{durability}"]')).to_be_visible()

    async def expect_total(self, total: int) -> None:
        """Waits until the show has this number of votes."""
        await expect(self.page.locator("[data-total]")).to_have_text(str(total))

    async def order(self) -> list[int]:
        """Song ids from top to bottom."""
        rows = await self.page.locator("[data-song]").all()
        return [int(await row.get_attribute("data-song") or 0) for row in rows]


async def reload_offline(tab: Tab) -> None:
    """Reloads a page while the server cannot be reached: Chromium shows its own error page."""
    with suppress(Error):
        await tab.page.reload()
