"""The console's page People: the queue worked by keys alone, accounts, bans and roles, for moderators and administrators."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests.browser.conftest import Console
from tests.browser.console import confirm, is_fine, open_staff
from tests.browser.pages import FanPool
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRITE = """
    with venue as (select id from venues limit 1), fan as (insert into users default values returning id),
    profile as (insert into user_profiles (user_id, display_name) select id, $1 from fan),
    review as (insert into venue_reviews (venue_id, user_id, rating, body, status)
               select venue.id, fan.id, 4, $2, $3::moderation_status from venue, fan returning id)
    select review.id as review, fan.id as fan from review, fan
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(fans: FanPool, console: Console) -> AsyncIterator[Page]:
    """One tab of the moderator for all tests."""
    async with open_staff(fans, console.node, console.moderator, "moderator") as staff:
        (show,) = await make_shows(console.database_url)
        sql = console.sql
        held = await sql.fetchrow(WRITE, "Ada", "See www.tickets.example for cheap tickets", "pending")
        shown = await sql.fetchrow(WRITE, "Bob", "The bouncer is a fool", "approved")
        assert held is not None
        assert shown is not None
        await sql.execute(
            "insert into content_moderation (review_id, priority, reasons) values ($1, 'high', '{links}')",
            held["review"],
        )
        await sql.execute(
            "insert into reports (reporter_id, review_id, reason, priority) values ($1, $2, 'An insult', 'urgent')",
            held["fan"], shown["review"],
        )  # fmt: skip
        await sql.execute(
            "insert into song_suggestions (show_id, user_id, title) values ($1, $2, 'Rarity')", show.id, held["fan"]
        )
        yield (await staff.open("/admin/people")).page


async def test_keys_alone_work_the_queue(page: Page, console: Console) -> None:
    """The most urgent comes first; j, a, x and Enter decide, the focus goes on, and each result is told and in the log."""
    items = page.locator(".queue-item")
    await expect(items).to_have_count(3)
    await expect(items.locator("strong")).to_contain_text(["Reported review", "Held review", "Suggested song"])
    await is_fine(page)
    keys = page.keyboard
    for key in ("j", "x"):
        await keys.press(key)
    await expect(page.get_by_role("dialog")).to_contain_text("The text is hidden from everybody but its author.")
    await keys.press("Enter")
    await expect(page.locator("#notice")).to_contain_text("Upheld: the text is hidden.")
    await expect(items).to_have_count(2)
    await expect(items.first).to_be_focused()

    await keys.press("a")
    await keys.press("Escape")
    await expect(items).to_have_count(2)
    await keys.press("j")
    await expect(items.nth(1)).to_be_focused()
    await keys.press("a")
    await keys.press("Enter")
    await expect(page.locator("#notice")).to_contain_text("Rarity is in the set.")
    await expect(items).to_have_count(1)
    await expect(items.first).to_be_focused()

    # Another moderator was faster: the server says so, and the entry leaves the queue.
    await console.sql.execute(
        "update content_moderation set status = 'approved', decided_at = now(), decided_by = $1", console.admin
    )
    await keys.press("a")
    await keys.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("This was decided already. Load the queue again.")
    await keys.press("Escape")
    await expect(page.get_by_text("Nothing waits for a decision.")).to_be_visible()
    acts = await console.sql.fetch("select action from audit_log where actor_id = $1 order by id", console.moderator)
    assert [act["action"] for act in acts] == ["report.uphold", "suggestion.approve"]


async def test_a_fan_is_found_banned_for_a_time_and_free_again(page: Page, console: Console) -> None:
    """Search, account, ban and its end, by keys; a moderator has no button for roles, and none for the bans of staff."""
    await page.keyboard.press("/")
    await page.keyboard.type("Bob")
    await page.get_by_role("link", name="Bob").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text(": Bob")
    await expect(page.get_by_role("button", name="Ban…")).to_be_visible()
    await expect(page.get_by_role("button", name="Change role…")).to_have_count(0)
    await is_fine(page)
    await page.keyboard.press("b")
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("The account may not vote until")
    await expect(dialog).to_contain_text("0 votes that it has cast stay.")
    await dialog.get_by_label("From what").select_option("write")
    await dialog.get_by_label("For how long").select_option("24")
    await expect(dialog).to_contain_text("The account may not write until")
    await dialog.get_by_label("Reason").fill("Insults")
    await page.keyboard.press("Enter")
    await expect(page.locator("#notice")).to_contain_text("may not write until")
    row = page.get_by_role("row").filter(has_text="Insults")
    await expect(row).to_contain_text("active")
    hours = await console.sql.fetchval(
        "select extract(epoch from expires_at - banned_at)::float8 / 3600 from user_bans"
    )
    assert hours == pytest.approx(24, abs=0.1)
    await row.get_by_role("button", name="Lift").press("Enter")
    await expect(dialog).to_contain_text("The account, which may not write now, may do so again at once.")
    await page.keyboard.press("Enter")
    await expect(page.locator("#notice")).to_contain_text("is lifted.")
    await expect(row).to_contain_text("lifted")
    # The button is gone, and the keyboard stays where it was.
    await expect(page.get_by_role("region", name="Bans")).to_be_focused()

    await page.goto(f"{console.node.url}/admin/people/{console.admin}")
    await expect(page.get_by_text("admin", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name="Ban…")).to_have_count(0)


async def test_an_administrator_changes_a_role(fans: FanPool, console: Console) -> None:
    """The dialog says what the role becomes; the last administrator keeps the role, in the server's words."""
    async with open_staff(fans, console.node, console.admin) as staff:
        page = (await staff.open(f"/admin/people/{console.moderator}")).page
        await page.get_by_role("button", name="Change role…").press("Enter")
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Role").select_option("user")
        await expect(dialog).to_contain_text("The account is user instead of moderator.")
        await confirm(page, "Change the role", says=f"Account {console.moderator} is user now.")
        await expect(page.locator(".facts")).to_contain_text("user")
        await expect(page.get_by_role("button", name="Change role…")).to_be_focused()

        await page.goto(f"{console.node.url}/admin/people/{console.admin}")
        await page.get_by_role("button", name="Change role…").click()
        await dialog.get_by_label("Role").select_option("moderator")
        await dialog.get_by_role("button", name="Change the role").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("This is the last administrator.")


async def test_more_waits_for_the_first_page_of_a_new_search(fans: FanPool, console: Console) -> None:
    """Pressed while a slow first page is on its way, it adds nothing of the old list to the new one."""
    await console.sql.execute("insert into users select from generate_series(1, 25)")
    async with open_staff(fans, console.node, console.admin) as staff:
        page = (await staff.new_tab()).page
        answer = asyncio.Event()

        async def wait(route: Route) -> None:
            await answer.wait()
            await route.continue_()

        await page.route(re.compile("q=Bob&"), wait)
        await page.goto(f"{console.node.url}/admin/people")
        accounts = page.get_by_role("region", name="Accounts").get_by_role("row")
        await expect(accounts).to_have_count(21)
        async with page.expect_request(re.compile("q=Bob&")):
            await page.get_by_label("Id, name or whole address").fill("Bob")
        await page.get_by_role("button", name="More").click()
        answer.set()
        await expect(accounts).to_have_count(2)
        await expect(accounts.nth(1)).to_contain_text("Bob")
        await expect(page.get_by_role("button", name="More")).to_be_hidden()
