"""Fans with a browser, and the wire between them and the node."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, ViewportSize, expect

PHONE: ViewportSize = {"width": 360, "height": 740}
DESKTOP: ViewportSize = {"width": 1440, "height": 900}
# What Chromium itself writes to the console when there is no way to the server; a page cannot keep it from that.
NO_WAY = re.compile(
    r"ERR_(INTERNET_DISCONNECTED|CONNECTION_\w+|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED)|WebSocket connection"
)

expect.set_options(timeout=15_000)


class Fan:
    """One visitor: a browser context of their own, and whatever their pages complain about. Build it with `visiting`.

    Takes: url, of the node or of the relay before it
    """

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.url = url
        self.complaints: list[str] = []
        self.may_complain: re.Pattern[str] | None = None
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.complaints.append(f"exception: {error.error}"))

    @classmethod
    @asynccontextmanager
    async def visiting(
        cls,
        browser: Browser,
        url: str,
        *,
        viewport: ViewportSize = PHONE,
        scheme: Literal["light", "dark"] = "dark",
    ) -> AsyncIterator[Fan]:
        """A fan with an empty storage; a narrow window is a phone, whose finger taps."""
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
        assert not fan.complaints, fan.complaints

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if self.may_complain is None or not self.may_complain.search(message.text):
            self.complaints.append(f"{message.type}: {message.text}")

    async def open(self, path: str) -> Seat:
        """A new page at `path`."""
        seat = Seat(await self.context.new_page())
        await seat.page.goto(self.url + path)
        return seat

    async def open_show(self, show: int) -> Seat:
        """A new page of a show, once it is live."""
        seat = await self.open(f"/shows/{show}")
        await seat.is_live()
        return seat


class Seat:
    """One page of a fan, in the words of a show."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.connection = page.locator("#connection")

    def row(self, song: int) -> Locator:
        """The song's row."""
        return self.page.locator(f'[data-song="{song}"]')

    def button(self, song: int, way: Literal["up", "down"]) -> Locator:
        """The song's button for one way of voting."""
        return self.row(song).locator(f'[data-vote="{way}"]')

    async def is_live(self) -> None:
        """The page hears the node."""
        await expect(self.connection).to_have_text("Live")

    async def holds(self, song: int, choice: Literal["up", "down", "none"]) -> None:
        """The fan's own choice is marked, for eyes and for screen readers."""
        for way in ("up", "down"):
            await expect(self.button(song, way)).to_have_attribute("aria-pressed", str(choice == way).lower())

    async def counts(self, song: int, up: int, down: int) -> None:
        """The song's counts are these."""
        await expect(self.button(song, "up").locator(".count")).to_have_text(str(up))
        await expect(self.button(song, "down").locator(".count")).to_have_text(str(down))

    async def is_marked(self, song: int, durability: str) -> None:
        """The page says how safe the own vote on the song is."""
        await expect(self.row(song).locator(f'.marker[data-durability="{durability}"]')).to_be_visible()

    async def has_total(self, total: int) -> None:
        """All votes of the show together."""
        await expect(self.page.locator("[data-total]")).to_have_text(str(total))

    async def order(self) -> list[int]:
        """The songs from top to bottom."""
        rows = await self.page.locator("[data-song]").all()
        return [int(await row.get_attribute("data-song") or 0) for row in rows]


class Relay:
    """A wire that can be cut: everything between browsers and a node goes through it. Build it with `before`."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._pipes: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._port = 0

    @classmethod
    @asynccontextmanager
    async def before(cls, port: int) -> AsyncIterator[Relay]:
        """A mended wire to the port on this machine."""
        relay = cls(port)
        await relay.mend()
        try:
            yield relay
        finally:
            await relay.cut()

    @property
    def url(self) -> str:
        """Where browsers find the node through this wire."""
        return f"http://127.0.0.1:{self._port}"

    async def mend(self) -> None:
        """Lets everything through again, at the same address."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Breaks every connection in the middle and refuses new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, back}
        for source, sink in ((reader, back), (there, writer)):
            pipe = asyncio.create_task(self._pipe(source, sink), name="relay")
            self._pipes.add(pipe)
            pipe.add_done_callback(self._pipes.discard)

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        sink.close()
        self._writers.discard(sink)


async def start_again(seat: Seat) -> None:
    """Reloads a page, of which Chromium only shows that there is no way to the server."""
    with suppress(Error):
        await seat.page.reload()
