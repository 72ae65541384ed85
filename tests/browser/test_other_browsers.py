"""The way of a fan in Firefox and in WebKit (Safari's engine), where they are installed: Debian's firefox-esr and webkit2gtk-driver."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import asyncpg
import pytest

from server.node.node import Node
from tests.browser.pages import vote
from tests.support.engines import unused_port
from tests.support.open_shows import make_shows
from tests.support.proxy import TcpProxy
from tests.support.running_node import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.nightly]

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
WEBKIT = shutil.which("WebKitWebDriver")
XVFB = shutil.which("Xvfb")


class Browsing(Protocol):
    """One tab. `evaluate` takes an expression, which may be a promise."""

    async def goto(self, url: str) -> None:
        """Opens an address."""

    async def evaluate(self, expression: str) -> Any:
        """Gives what a script gives, as JSON."""

    async def click(self, selector: str) -> None:
        """Clicks an element."""

    async def keep_open(self, url: str) -> None:
        """Opens an address in one more tab, and stays in this one."""


class FirefoxTab:
    """Firefox by WebDriver BiDi. (Playwright cannot: it needs a Firefox of its own, or a command that this one lacks.)."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._context = ""

    async def begin(self) -> None:
        """Starts a session, and takes the tab that is open."""
        await self._send("session.new", capabilities={})
        self._context = (await self._send("browsingContext.getTree"))["contexts"][0]["context"]

    async def goto(self, url: str) -> None:  # noqa: D102 - as in Browsing
        await self._send("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def evaluate(self, expression: str) -> Any:  # noqa: D102
        script = f"(async () => JSON.stringify((await ({expression})) ?? null))()"
        target = {"context": self._context}
        answer = await self._send("script.evaluate", expression=script, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return json.loads(answer["result"]["value"])

    async def click(self, selector: str) -> None:  # noqa: D102
        place = await self.evaluate(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)}); one.scrollIntoView({{ block: 'center' }});"
            " const { left, top, width, height } = one.getBoundingClientRect();"
            " return { x: Math.round(left + width / 2), y: Math.round(top + height / 2) }; })()"
        )
        steps = [
            {"type": "pointerMove", **place},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        mouse = {"type": "pointer", "id": "mouse", "actions": steps}
        await self._send("input.performActions", context=self._context, actions=[mouse])

    async def keep_open(self, url: str) -> None:  # noqa: D102
        other = (await self._send("browsingContext.create", type="tab", background=True))["context"]
        await self._send("browsingContext.navigate", context=other, url=url, wait="complete")

    async def _send(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while (answer := await self._socket.receive_json()).get("id") != number:
            pass  # an event
        assert answer["type"] == "success", (method, answer)
        return answer["result"]


class WebKitTab:
    """WebKitGTK by WebDriver."""

    def __init__(self, http: aiohttp.ClientSession, session: str) -> None:
        self._http = http
        self._session = session

    async def goto(self, url: str) -> None:  # noqa: D102
        await self._post("url", {"url": url})

    async def evaluate(self, expression: str) -> Any:  # noqa: D102
        script = (
            f"const done = arguments[0]; (async () => ({expression}))()"
            ".then((value) => done(JSON.stringify({ value: value ?? null })), (error) => done(JSON.stringify({ error: String(error) })))"
        )
        answer = json.loads(await self._post("execute/async", {"script": script, "args": []}))
        assert "error" not in answer, (expression, answer)
        return answer["value"]

    async def click(self, selector: str) -> None:  # noqa: D102
        element = await self._post("element", {"using": "css selector", "value": selector})
        await self._post(f"element/{next(iter(element.values()))}/click", {})

    async def keep_open(self, url: str) -> None:  # noqa: D102
        async with self._http.get(f"{self._session}/window") as answer:
            own = (await answer.json())["value"]
        other = await self._post("window/new", {"type": "tab"})
        await self._post("window", {"handle": other["handle"]})
        await self.goto(url)
        # A private session forgets what no open page has read.
        await self.evaluate(
            "caches.keys().then((names) => Promise.all(names.map((name) => caches.open(name)))).then((all) => { window.held = all; })"
        )
        await self._post("window", {"handle": own})

    async def _post(self, command: str, body: dict[str, Any]) -> Any:
        async with self._http.post(f"{self._session}/{command}", json=body) as answer:
            value = (await answer.json())["value"]
            assert answer.status == 200, (command, body, value)
            return value


@asynccontextmanager
async def firefox(folder: Path) -> AsyncIterator[Browsing]:
    """A Firefox without a window."""
    if FIREFOX is None:
        pytest.skip("no Firefox on this machine (on Debian: apt-get install firefox-esr)")
    port = unused_port()
    flags = ("--headless", "--no-remote", "--profile", str(folder), f"--remote-debugging-port={port}")
    process = await asyncio.create_subprocess_exec(FIREFOX, *flags, env={**os.environ, "HOME": str(folder)})
    try:
        async with aiohttp.ClientSession() as http:

            async def socket() -> aiohttp.ClientWebSocketResponse | None:
                try:
                    return await http.ws_connect(f"http://127.0.0.1:{port}/session", max_msg_size=0)
                except aiohttp.ClientConnectionError:
                    return None

            tab = FirefoxTab(await until(socket))
            await tab.begin()
            yield tab
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def webkit(folder: Path) -> AsyncIterator[Browsing]:
    """A WebKit in a window that nobody sees."""
    if WEBKIT is None or XVFB is None:
        pytest.skip("no WebKit on this machine (on Debian: apt-get install webkit2gtk-driver xvfb)")
    display, port = f":{unused_port() % 10_000 + 100}", unused_port()
    environ = {**os.environ, "DISPLAY": display, "HOME": str(folder), "LC_ALL": "C.UTF-8", "LANGUAGE": "en"}
    screen = await asyncio.create_subprocess_exec(XVFB, display, "-screen", "0", "1280x1024x24")
    driver = await asyncio.create_subprocess_exec(WEBKIT, f"--port={port}", env=environ)
    try:
        async with aiohttp.ClientSession() as http:
            root = f"http://127.0.0.1:{port}"

            async def session() -> str:
                try:
                    async with http.post(f"{root}/session", json={"capabilities": {}}) as answer:
                        value = (await answer.json())["value"]
                        assert answer.status == 200, value
                        return str(value["sessionId"])
                except aiohttp.ClientConnectionError:
                    return ""

            address = f"{root}/session/{await until(session)}"
            yield WebKitTab(http, address)
            await http.delete(address)
    finally:
        for process in (driver, screen):
            process.terminate()
            await process.wait()


def connection(text: str) -> str:
    """Whether the page says this of its connection."""
    return f"document.querySelector('#connection')?.textContent === {json.dumps(text)}"


def durability(song: int, name: str) -> str:
    """Whether the page says so of the own vote."""
    return f"Boolean(document.querySelector('[data-song=\"{song}\"] .marker[data-durability={name}]:not([hidden])'))"


def count(song: int) -> str:
    """The votes up that the page shows."""
    return f"document.querySelector('[data-song=\"{song}\"] [data-vote=up] .count')?.textContent"


@pytest.mark.parametrize("browser_of", [firefox, webkit], ids=["firefox", "webkit"])
async def test_a_fan_votes(
    browser_of: Callable[[Path], AbstractAsyncContextManager[Browsing]],
    *,
    tmp_path: Path,
    node: Node,
    proxy: TcpProxy,
    database_url: str,
    sql: asyncpg.Connection[asyncpg.Record],
) -> None:
    """A fan votes and sees others vote, loses the network and comes back, opens a kept show without it, and changes the language."""
    (show,) = await make_shows(database_url)
    first, second, *_ = show.songs
    async with browser_of(tmp_path) as tab:

        async def holds(expression: str) -> None:
            try:
                await until(lambda: tab.evaluate(expression))
            except TimeoutError:
                text = await tab.evaluate("document.body.innerText")
                raise AssertionError(f"not true in time: {expression}\n{text[:1500]}") from None

        await tab.goto(f"{proxy.url}/shows/{show.id}")
        await holds(connection("Live"))
        await tab.evaluate(
            "(window.problems = [], addEventListener('error', (event) => problems.push(event.message)), 1)"
        )
        await tab.click(f'[data-song="{first}"] [data-vote="up"]')
        await holds(durability(first, "committed"))
        await vote(node, database_url, show.id, first)
        await holds(f"{count(first)} === '2'")

        proxy.targets.clear()
        proxy.cut()
        await holds(connection("Connecting"))
        await tab.click(f'[data-song="{second}"] [data-vote="up"]')
        await holds(durability(second, "waiting"))
        proxy.targets.append(node.port)
        await holds(connection("Live"))
        await holds(durability(second, "committed"))
        assert await tab.evaluate("problems") == []

        await tab.evaluate("navigator.serviceWorker.ready.then(() => true)")
        await holds("caches.keys().then((names) => names.some((name) => name.startsWith('mysetlist.shell.')))")
        await tab.evaluate("dispatchEvent(new Event('pagehide'))")
        await holds(f"caches.match('/kept/{show.id}').then(Boolean)")
        await tab.keep_open(f"{proxy.url}/healthz")
        proxy.targets.clear()
        proxy.cut()
        await tab.goto(f"{proxy.url}/shows/{show.id}")
        await holds(f"{count(first)} === '2'")
        await holds("document.querySelector('.counts-from')?.textContent.includes('The counts are from')")
        await tab.goto(f"{proxy.url}/")
        await holds("Boolean(document.querySelector('.kept-items a'))")

        proxy.targets.append(node.port)
        await tab.goto(f"{proxy.url}/shows/{show.id}")
        await holds(connection("Live"))
        await tab.evaluate(
            "(document.querySelector('#language').value = 'ja',"
            " document.querySelector('#language').dispatchEvent(new Event('change', { bubbles: true })), 1)"
        )
        await holds("document.documentElement.lang === 'ja'")
        await holds(connection("オンライン"))
        await holds(f"{count(first)} === '2'")
    assert await sql.fetchval("select count(*) from votes where show_id = $1", show.id) == 3
