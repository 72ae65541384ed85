"""Fans and the tabs of their browsers."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Literal

import aiohttp
from playwright.async_api import (
    Browser,
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    ViewportSize,
    expect,
)

from server.node.node import Node
from tests.support.open_shows import make_users

PHONE: ViewportSize = {"width": 360, "height": 740}
TABLET: ViewportSize = {"width": 768, "height": 1024}
DESKTOP: ViewportSize = {"width": 1440, "height": 900}
# The headless shell is Chromium without its own windows and menus, which cost a quarter of the CPU of these tests.
CHROMIUMS = ("chromium-headless-shell", "chromium", "google-chrome", "chromium-browser", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",  # the tests may run as root, where Chromium's sandbox does not
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # All tabs of a fan have one process: a new one for each takes CPU to start, and compiles the scripts anew.
    "--renderer-process-limit=1",
    "--disable-site-isolation-trials",
)
# Chromium's own tests run so too: pages are laid out and put together as ever, but nobody colours their pixels, which is a sixth of the CPU.
UNDRAWN = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-gl-drawing-for-tests")
# For pictures of pages.
DRAWN = ("--disable-gpu",)
# Chromium writes these to the console when it cannot reach the server; a page cannot prevent that.
NETWORK_ERRORS = re.compile(
    r"ERR_(INTERNET_DISCONNECTED|CONNECTION_\w+|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED)|WebSocket connection"
)
# The page's own question why no websocket opens: on a busy machine it asks after seconds, and goes on when one opens.
WEBSOCKET_ASKED = re.compile(r"status of 400 \(Bad Request\) .*'url': '[^']*/ws'")
# Playwright's own warning; most tests replace answers of the server, which a worker would hide from them.
WORKER_BLOCKED = "Service Worker registration blocked by Playwright"
CLOSE_TIMEOUT_S = 30.0
# What stays in a context when its tabs are closed.
LASTING_CHANGES = ("add_init_script", "route", "route_web_socket")

# Chromium keeps its switch for each process, and the tabs of a fan share one: when one of them comes or goes, another may miss the event.
TELL_NETWORK = """(isThere) => {
    Object.defineProperty(navigator, "onLine", { get: () => isThere, configurable: true });
    dispatchEvent(new Event(isThere ? "online" : "offline"));
}"""

expect.set_options(timeout=15_000)


def chromium_path() -> str | None:
    """The system's Chromium."""
    return next(filter(None, map(shutil.which, CHROMIUMS)), None)


class Fan:
    """A browser context of its own, and the errors and warnings of its tabs. Get it from `FanPool`.

    viewport, scheme, has_motion: of the tabs that are opened next. A context for each of these would cost more than a page.
    Takes: home, a tab that stays open: with it the context keeps its process and its cache
    """

    def __init__(self, context: BrowserContext, home: Page, devtools: CDPSession) -> None:
        self.context = context
        self.url = ""
        self.viewport: ViewportSize = PHONE
        self.scheme: Literal["light", "dark"] = "dark"
        self.has_motion = False
        self.console_errors: list[str] = []
        self.allowed_errors: re.Pattern[str] | None = None
        self.is_changed = False
        self._home = home
        self._devtools = devtools
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.console_errors.append(f"exception: {error.error}"))
        for owner, names in ((context, LASTING_CHANGES), (context.clock, ("install",))):
            for name in names:
                setattr(owner, name, self._noting(getattr(owner, name)))

    def _noting(self, change: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        """The same method, after which the context is not used by another test."""

        async def noted(*values: object, **options: object) -> None:
            self.is_changed = True
            await change(*values, **options)

        return noted

    async def begin(self, url: str) -> None:
        """Empties the storage for a new fan. `url` is that of a node, or of a proxy in front of it."""
        self.url = url
        await self._devtools.send("Storage.clearDataForOrigin", {"origin": url, "storageTypes": "local_storage"})
        await self.context.clear_cookies()

    async def end(self) -> list[str]:
        """Closes the tabs. Gives their errors."""
        for page in self.context.pages:
            if page is not self._home:
                await page.close()
        await self.context.set_offline(False)
        errors, self.console_errors, self.allowed_errors = self.console_errors, [], None
        return errors

    async def go_offline(self) -> None:
        """Takes the network away, and tells it to the open tabs."""
        await self.context.set_offline(True)
        await self._tell_network(False)

    async def go_online(self) -> None:
        """Brings the network back, and tells it to the open tabs."""
        await self.context.set_offline(False)
        await self._tell_network(True)

    async def _tell_network(self, is_there: bool) -> None:
        for page in self.context.pages:
            if page is not self._home:
                await page.evaluate(TELL_NETWORK, is_there)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.page is self._home or message.type not in ("error", "warning"):
            return
        if message.text == WORKER_BLOCKED:
            return
        told = f"{message.type}: {message.text} {message.location}"
        if WEBSOCKET_ASKED.search(told):
            return
        if self.allowed_errors is None or not self.allowed_errors.search(message.text):
            self.console_errors.append(told)

    async def new_tab(self) -> Tab:
        """Opens an empty tab, to which a test gives a script, a route or a clock before it opens a path."""
        page = await self.context.new_page()
        if page.viewport_size != self.viewport:
            await page.set_viewport_size(self.viewport)
        if self.scheme != "dark" or self.has_motion:
            await page.emulate_media(
                color_scheme=self.scheme, reduced_motion="no-preference" if self.has_motion else "reduce"
            )
        return Tab(page, self.url)

    async def open(self, path: str, *, script: str = "") -> Tab:
        """Opens a new tab at `path`. `script` runs in each of its pages before their own scripts."""
        tab = await self.new_tab()
        if script:
            await tab.page.add_init_script(script)
        await tab.goto(path)
        return tab

    async def open_show(self, show: int, *, script: str = "") -> Tab:
        """Opens a new tab of a show and waits until it is live."""
        tab = await self.open(f"/shows/{show}", script=script)
        await tab.expect_live()
        return tab


class FanPool:
    """Gives a context that a fan left to the next one: a new context takes as much CPU as three page loads."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: dict[tuple[bool, str], list[Fan]] = {}

    @asynccontextmanager
    async def fan(
        self,
        url: str,
        *,
        viewport: ViewportSize = PHONE,
        scheme: Literal["light", "dark"] = "dark",
        locale: str = "en-US",
        with_motion: bool = False,
        with_worker: bool = False,
    ) -> AsyncIterator[Fan]:
        """A fan with an empty storage. A narrow viewport is a phone with a touch screen. Fails when a tab wrote an error.

        Takes: with_motion, for tests of what moves: others want none, because each picture of a movement is drawn by the CPU;
        with_worker, whether the page's service worker may run; such a context is not used again
        """
        is_phone = viewport["width"] < 600
        free = self._free.setdefault((is_phone, locale), [])
        fan = free.pop() if free and not with_worker else await self._new_fan(is_phone, locale, with_worker=with_worker)
        fan.viewport, fan.scheme, fan.has_motion = viewport, scheme, with_motion
        fan.is_changed = with_worker
        await fan.begin(url)
        yield fan
        # A browser that hangs here would keep the whole run waiting: the limit of a test does not reach its end.
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            errors = await fan.end()
            if fan.is_changed:
                await fan.context.close()
        if not fan.is_changed:
            free.append(fan)
        assert not errors, errors

    async def _new_fan(self, is_phone: bool, locale: str, *, with_worker: bool) -> Fan:
        context = await self._browser.new_context(
            viewport=PHONE if is_phone else DESKTOP,
            has_touch=is_phone,
            is_mobile=is_phone,
            color_scheme="dark",
            locale=locale,
            reduced_motion="reduce",
            service_workers="allow" if with_worker else "block",
        )
        context.set_default_timeout(15_000)
        home = await context.new_page()
        return Fan(context, home, await context.new_cdp_session(home))


class Tab:
    """A page object: one tab of a fan, which usually shows a show."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url
        self.connection = page.locator("#connection")

    async def goto(self, path: str) -> None:
        """Opens a path in this tab."""
        await self.page.goto(self._url + path)

    def row(self, song: int) -> Locator:
        """The song's row."""
        return self.page.locator(f'[data-song="{song}"]')

    def button(self, song: int, direction: Literal["up", "down"]) -> Locator:
        """The song's button for votes up or down."""
        return self.row(song).locator(f'[data-vote="{direction}"]')

    async def expect_live(self) -> None:
        """Waits until the page is connected to the node."""
        await expect(self.connection).to_have_attribute("data-connection", "live")

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


async def vote(node: Node, database_url: str, show: int, *songs: int) -> None:
    """A fan without a browser votes for songs."""
    (fan,) = await make_users(database_url, 1)
    async with aiohttp.request(
        "POST",
        f"{node.url}/api/shows/{show}/votes",
        json={"votes": [[song, "up"] for song in songs]},
        headers={"Authorization": f"Bearer {fan.token}"},
    ) as response:
        assert response.status == 200, await response.text()
