"""The console's pages about the service itself: Connections, Sync, Database and Audit, for administrators."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import Console
from tests.browser.console import confirm, is_fine, open_staff, visit
from tests.browser.pages import NETWORK_ERRORS, FanPool
from tests.browser.test_console import SHOW_AS
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(fans: FanPool, console: Console) -> AsyncIterator[Page]:
    """One tab of the administrator for all tests."""
    async with open_staff(fans, console.node, console.admin) as staff:
        yield (await staff.open("/admin/audit")).page


async def test_connections_are_listed_and_closed(page: Page, console: Console) -> None:
    """A watched channel is in the list with its subscriber; closing the channel and the connection says how many it met."""
    (show,) = await make_shows(console.database_url)
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{console.node.url}/ws", protocols=["mysetlist.v1"]) as socket,
    ):
        await socket.send_json({"id": 1, "op": "subscribe", "channels": [f"votes:{show.id}"]})
        await socket.receive_json()
        await visit(page, "c", "Connections")
        row = page.get_by_role("row").filter(has_text=f"votes:{show.id}")
        channel = page.get_by_role("region", name="Channels").get_by_role("row").filter(has_text=f"votes:{show.id}")
        await expect(channel.get_by_role("cell").nth(0)).to_have_text("1")
        await is_fine(page)
        await channel.get_by_role("button", name="Close").click()
        await expect(page.get_by_role("dialog")).to_contain_text("1 subscriber on all nodes lose the channel")
        await confirm(page, "Close the channel", says=f"The channel votes:{show.id} lost 1 subscriber.")
        assert (await socket.receive_json())["unsubscribed"]["channels"] == [f"votes:{show.id}"]
        await expect(row).to_have_count(0)

        reader = page.get_by_role("region", name="Connections of one node").get_by_role("row").filter(has_text="reader")
        await reader.get_by_role("button", name="Close").click()
        await confirm(page, "Close the connection", says="is closed.")
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_schedules_and_runs_are_steered(page: Page, console: Console) -> None:
    """A failed run shows its progress and its error, and is retried; a schedule is paused; a refusal is in the server's words."""
    run = await console.sql.fetchval(
        "insert into sync_jobs (service, kind, subject, status, error, finished_at)"
        " values ('musicbrainz', 'artist', '7', 'failed', 'No artist has this id, and none had it when the last run asked.', now()) returning id"
    )
    await console.sql.execute(
        "insert into sync_schedules (name, every_s, next_at) values ('shows', 3600, now() + interval '1 hour')"
    )
    await visit(page, "y", "Sync")
    row = page.get_by_role("row").filter(has_text=f"{run}: artist 7")
    await expect(row).to_contain_text("No artist has this id,")
    await is_fine(page)
    await row.get_by_role("button", name="Retry").click()
    await confirm(page, "Retry", says="Queued as run")
    assert await console.sql.fetchval("select count(*) from sync_jobs where kind = 'artist' and subject = '7'") == 2

    schedules = page.get_by_role("region", name="Schedules")
    first = schedules.get_by_role("row").nth(1)
    await first.get_by_role("button", name="Pause").click()
    await confirm(page, "Pause", says="shows is paused.")
    await expect(first.get_by_role("cell").first).to_have_text("paused")

    await page.keyboard.press("p")
    await expect(page.get_by_text("musicbrainz does not answer")).to_be_visible()
    await page.keyboard.press("f")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("What").select_option("shows")
    await dialog.get_by_label("Number or name").fill("Nova")
    await page.keyboard.press("Enter")
    await expect(dialog.get_by_role("alert")).to_contain_text("must be the number of an artist or a show")
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)


async def test_an_operation_runs_and_its_result_stays(page: Page, console: Console) -> None:
    """The server's figures are there; a check of integrity that was started by its key ends with its result."""
    await visit(page, "d", "Database")
    backup = page.locator(".backup")
    await expect(backup).to_contain_text("No backup was noted yet.")
    await console.sql.execute(
        "insert into backups (made_at, file_name, size_bytes, host) values (now() - interval '30 h', 'votes.backup', 12000000, 'db1')"
    )
    await expect(backup).to_contain_text(
        "The newest backup is 30 h old, and may be 26 h: votes.backup, 12.0 MB, written on db1 at"
    )
    await expect(backup).to_have_attribute("data-level", "warning")
    await expect(page.get_by_role("region", name="Largest tables").get_by_role("row").nth(1)).to_be_visible()
    await is_fine(page)
    await page.keyboard.press("3")
    await expect(page.get_by_role("dialog")).to_contain_text("Without the repair it changes nothing.")
    await confirm(page, "Check integrity", says="has started")
    row = page.get_by_role("row").filter(has_text="integrity-check")
    await expect(row).to_contain_text("succeeded")
    await expect(row).to_contain_text("nothing found, nothing changed")
    assert await console.sql.fetchval("select started_by from database_operations") == console.admin


async def test_the_audit_log_is_filtered_and_exported(page: Page, console: Console, tmp_path: Path) -> None:
    """What the tests before did is in the log with who did it; a filter by act finds one of them, also as CSV."""
    await visit(page, "u", "Audit")
    table = page.get_by_role("region", name="Acts, the latest first")
    await expect(table.get_by_role("row").filter(has_text="sync.retry")).to_contain_text(f"account {console.admin}")
    await is_fine(page)
    await page.keyboard.press("/")
    await page.keyboard.type("channel.close")
    await expect(table.get_by_role("row")).to_have_count(2)
    async with page.expect_download() as saved:
        await page.get_by_role("button", name="Export as CSV").click()
    path = tmp_path / "audit.csv"
    await (await saved.value).save_as(path)
    (act,) = csv.DictReader(path.read_text().splitlines())
    assert act["act"] == "channel.close"
    await page.get_by_label("Account").fill("x")
    await expect(page.get_by_text("actor")).to_be_visible()


async def test_a_moderator_does_not_see_them(fans: FanPool, console: Console) -> None:
    """The navigation of a moderator lacks these pages, and their addresses say so."""
    async with open_staff(fans, console.node, console.moderator, "moderator") as staff:
        page = (await staff.open("/admin/audit")).page
        await expect(page.get_by_role("heading", level=1)).to_have_text("No such page")
        names = await page.get_by_role("navigation").get_by_role("link").all_inner_texts()
        assert not {"Connections", "Sync", "Database", "Audit"} & set(names)


async def test_a_hidden_tab_asks_for_nothing(fans: FanPool, console: Console) -> None:
    """A page that asks every three seconds stops while nobody sees it, and asks at once when it is seen again."""
    async with open_staff(fans, console.node, console.admin) as staff:
        # The clock outruns the network: a websocket is given up before the server can answer.
        staff.allowed_errors = NETWORK_ERRORS
        tab = await staff.new_tab()
        page = tab.page
        await page.clock.install()
        await tab.goto("/admin/connections")
        await expect(page.get_by_role("region", name="Nodes").get_by_role("row").nth(1)).to_be_visible()
        await page.evaluate(SHOW_AS, "hidden")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.clock.run_for(30_000)
        # A websocket that was given up makes the page ask for its session.
        assert not [url for url in asked if not url.endswith("/api/session")]
        async with page.expect_request("**/api/realtime/subscriptions*"):
            await page.evaluate(SHOW_AS, "visible")
