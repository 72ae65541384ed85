"""The service worker: the page opens without a network, is never older than the server, and leaves when the server says so."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Page, expect

from server.node.node import Node
from server.settings import data_folder
from tests.browser.conftest import OpenFan
from tests.browser.pages import NETWORK_ERRORS, Fan, Tab
from tests.support.node_process import SECRET
from tests.support.open_shows import Show, make_shows
from tests.support.proxy import TcpProxy
from tests.support.running_node import running_node

pytestmark = pytest.mark.asyncio(loop_scope="session")

CACHES = "async () => (await caches.keys()).sort()"
SHELLS = "async () => (await caches.keys()).filter((name) => name.startsWith('mysetlist.shell.'))"
WORKERS = "async () => (await navigator.serviceWorker.getRegistrations()).length"


async def wait_until(page: Page, condition: str) -> None:
    """Waits in the page for a condition, which may be a promise: playwright's `wait_for_function` takes any promise as true."""
    await page.evaluate(
        f"async () => {{ while (!(await ({condition}))) await new Promise((done) => setTimeout(done, 50)); }}"
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the page's files, which a test may change while its node runs."""
    copy = tmp_path / "static"
    shutil.copytree(data_folder("static"), copy)
    monkeypatch.setattr("server.node.web_app.data_folder", lambda _name: copy)
    return copy


@pytest_asyncio.fixture(loop_scope="session")
async def changing_node(folder: Path, own_database_url: str, redis_url: str) -> AsyncIterator[Node]:
    """A node whose files may change."""
    async with running_node(own_database_url, redis_url, secret=SECRET) as running:
        yield running


async def kept_by(page: Page) -> str:
    """Waits until the page's worker is there, and gives the version that it keeps."""
    await page.evaluate("() => navigator.serviceWorker.ready")
    await wait_until(page, f"({SHELLS})().then((names) => names.length)")
    (name,) = await page.evaluate(SHELLS)
    return str(name).removeprefix("mysetlist.shell.")


async def kept_show(tab: Tab, show: Show) -> None:
    """Waits until the browser keeps the show with the counts of now."""
    await tab.page.evaluate("() => dispatchEvent(new Event('pagehide'))")
    await wait_until(tab.page, f"caches.match('/kept/{show.id}')")


async def go_offline(visitor: Fan, tab: Tab) -> None:
    """Takes the network away."""
    visitor.allowed_errors = NETWORK_ERRORS
    await visitor.go_offline()
    await expect(tab.connection).to_have_text("Offline")


async def test_without_a_network_shows_and_votes_stay(
    open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A fan loads the page again, reads the last counts and their time, and votes; the vote is sent with the network."""
    (show,) = await make_shows(database_url)
    first, second, *_ = show.songs
    visitor = await open_fan(with_worker=True)
    tab = await visitor.open_show(show.id)
    await kept_by(tab.page)
    await tab.button(first, "up").tap()
    await tab.expect_durability(first, "committed")
    await tab.expect_counts(first, 1, 0)

    await go_offline(visitor, tab)
    await expect(tab.page.locator(".counts-from")).to_contain_text("You are offline. The counts are from")
    await tab.page.reload()
    await tab.expect_counts(first, 1, 0)
    await tab.expect_choice(first, "up")
    await expect(tab.connection).to_have_text("Offline")
    await expect(tab.page.locator(".counts-from")).to_contain_text("The counts are from")
    await tab.button(second, "up").tap()
    await tab.expect_durability(second, "waiting")
    other = await visitor.open("/")
    await expect(other.page.get_by_role("region", name="Shows on this device").get_by_role("link")).to_have_count(1)
    await other.page.get_by_role("region", name="Shows on this device").get_by_role("link").click()
    await expect(other.row(first)).to_be_visible()
    await other.goto(f"/shows/{show.id + 100_000}")
    await expect(other.page.get_by_role("alert")).to_contain_text("The server cannot be reached")
    await other.page.close()

    await visitor.go_online()
    await tab.expect_live()
    await tab.expect_durability(second, "committed")
    await expect(tab.page.locator(".counts-from")).to_be_hidden()
    assert await sql.fetchval("select count(*) from votes where show_id = $1", show.id) == 2


async def test_what_was_not_kept_comes_with_the_network(open_fan: OpenFan, database_url: str) -> None:
    """A show and an artist that are opened without a network say so, and appear by themselves when it is back."""
    kept, new = await make_shows(database_url, count=2)
    visitor = await open_fan(with_worker=True)
    tab = await visitor.open_show(kept.id)
    await kept_by(tab.page)
    await go_offline(visitor, tab)
    await tab.goto(f"/shows/{new.id}")
    await expect(tab.page.get_by_role("alert")).to_contain_text("The server cannot be reached")
    await expect(tab.connection).to_have_text("Offline")
    other = await visitor.open(f"/artists/{new.artist}")
    await expect(other.page.get_by_role("alert")).to_contain_text("The server cannot be reached")

    await visitor.go_online()
    await expect(tab.row(new.songs[0])).to_be_visible()
    await tab.expect_live()
    await expect(other.page.get_by_role("alert")).to_be_hidden()
    await expect(other.page.get_by_role("region", name="Next shows")).to_be_visible()


async def test_the_worker_answers_only_for_the_page(open_fan: OpenFan, database_url: str) -> None:
    """Documents of shows and files of its version go through it; the API, the account, the console and links with tokens do not."""
    (show,) = await make_shows(database_url)
    visitor = await open_fan(with_worker=True)
    visitor.allowed_errors = re.compile("status of 40[01]")  # of a wrong token, and of an account that is not there
    tab = await visitor.open_show(show.id)
    await kept_by(tab.page)
    through: dict[str, bool] = {}
    tab.page.on("response", lambda answer: through.update({answer.url: answer.from_service_worker}))
    await tab.page.reload()
    await tab.expect_live()
    await tab.button(show.songs[0], "up").tap()
    await tab.expect_durability(show.songs[0], "committed")
    for path in ("/me", "/signin", "/admin", "/metrics", "/confirm-email?token=x", f"/screen/{show.id}"):
        await tab.goto(path)
    served = {url.removeprefix(visitor.url).split("?")[0] for url, is_served in through.items() if is_served}
    ours = {path for path in served if not path.startswith("/static/")}
    assert ours == {f"/shows/{show.id}"}
    assert any(path.endswith("/app.js") for path in served)
    assert not any("/admin/" in path for path in served)


async def test_after_an_update_the_page_is_new(
    changing_node: Node, folder: Path, open_fan: OpenFan, own_database_url: str
) -> None:
    """The next page is of the new version at once, also without a network then; an older open page goes on; nothing reloads."""
    (show,) = await make_shows(own_database_url)
    visitor = await open_fan(changing_node.url, with_worker=True)
    older = await visitor.open_show(show.id)
    before = await kept_by(older.page)
    loads: list[str] = []
    older.page.on("framenavigated", lambda frame: loads.append(frame.url))

    script = folder / "app.js"
    await asyncio.to_thread(
        script.write_text, script.read_text() + '\ndocument.documentElement.dataset.version = "new";\n'
    )
    tab = await visitor.open(f"/shows/{show.id}")
    new = tab.page.locator('html[data-version="new"]')
    await expect(new).to_be_attached()
    # A browser looks for a new worker by itself, some seconds after a load; one that has begun may end this one.
    await tab.page.evaluate(
        "() => navigator.serviceWorker.getRegistration().then((found) => found.update()).catch(() => {})"
    )
    await wait_until(tab.page, f"({SHELLS})().then((names) => names.length === 1 && !names[0].endsWith('{before}'))")
    await older.button(show.songs[0], "up").tap()
    await older.expect_durability(show.songs[0], "committed")
    assert loads == []
    await tab.expect_live()
    await go_offline(visitor, tab)
    await tab.page.reload()
    await expect(new).to_be_attached()
    await tab.expect_counts(show.songs[0], 1, 0)
    await visitor.go_online()
    await tab.expect_live()


async def cleared(page: Page) -> None:
    """Waits until there is no worker, and then no page that one kept."""
    await wait_until(page, f"({WORKERS})().then((count) => count === 0)")
    assert await page.evaluate(SHELLS) == []


async def page_of_an_old_server(_request: web.Request) -> web.Response:
    """A page without a policy for workers, as servers had before there was one."""
    policy = {"Content-Security-Policy": "default-src 'none'"}
    return web.Response(text="<!doctype html><p>old</p>", content_type="text/html", headers=policy)


async def test_a_server_clears_the_worker(
    proxy: TcpProxy, open_fan: OpenFan, node: Node, own_database_url: str, redis_url: str
) -> None:
    """A server that has its worker switched off, and an older server without one, leave no worker and no kept page."""
    old = web.Application()
    old.router.add_get("/", page_of_an_old_server)
    runner = web.AppRunner(old)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    old_port = runner.addresses[0][1]
    try:
        async with running_node(own_database_url, redis_url, secret=SECRET, service_worker="off") as off:
            for port in (off.port, old_port):
                visitor = await open_fan(proxy.url, with_worker=True)
                visitor.allowed_errors = NETWORK_ERRORS
                proxy.targets[:] = [node.port]
                tab = await visitor.open("/")
                await kept_by(tab.page)
                proxy.targets[:] = [port]
                proxy.cut()
                await tab.page.reload()
                await cleared(tab.page)
                await tab.page.close()
    finally:
        await runner.cleanup()


async def test_who_signs_out_leaves_no_show(open_fan: OpenFan, database_url: str) -> None:
    """Signed out, nothing of what the account saw is in the browser; and another account does not read it either."""
    (show,) = await make_shows(database_url)
    visitor = await open_fan(with_worker=True)
    tab = await visitor.open_show(show.id)
    await tab.button(show.songs[0], "up").tap()
    await tab.expect_durability(show.songs[0], "committed")
    await tab.page.reload()
    await tab.expect_live()
    await kept_show(tab, show)
    names = [name for name in await tab.page.evaluate(CACHES) if name.startswith("mysetlist.shows.")]
    assert len(names) == 1
    assert not names[0].endswith(".nobody")
    await tab.page.close()

    account = await visitor.open("/me")
    await account.page.get_by_role("button", name="Sign out everywhere", exact=True).click()
    await account.page.get_by_role("button", name="Yes, sign out everywhere").click()
    await expect(account.page.get_by_text("You are signed out everywhere.")).to_be_visible()
    assert not [name for name in await account.page.evaluate(CACHES) if name.startswith("mysetlist.shows.")]
