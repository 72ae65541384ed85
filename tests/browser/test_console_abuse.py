"""The console's page Abuse: groups with their reasons, and what staff decides about their votes, by keys alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import Console
from tests.browser.console import is_fine, open_staff, visit
from tests.browser.pages import FanPool
from tests.support.open_shows import Show, make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")

REASONS = [
    {"kind": "target", "weight": 0, "words": "All of them vote song 1 up."},
    {"kind": "agents", "weight": 4.5, "words": "All of them use one program; 3% of the others do."},
]
GROUP = """
    with made as (
        insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at)
        values ($1, 7.5, $2, cardinality($3::bigint[]), now(), now()) returning id, show_id
    )
    insert into vote_group_members (group_id, show_id, user_id) select id, show_id, unnest($3) from made returning group_id
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(fans: FanPool, console: Console) -> AsyncIterator[Page]:
    """One tab of the moderator for all tests."""
    async with open_staff(fans, console.node, console.moderator, "moderator") as staff:
        yield (await staff.open("/admin/people")).page


async def vote(console: Console, show: Show, count: int) -> list[int]:
    """Votes of new accounts for the show's first song."""
    voters = []
    for _ in range(count):
        async with aiohttp.ClientSession() as http:
            async with http.post(f"{console.node.url}/api/session") as answer:
                session = await answer.json()
            headers = {"Authorization": f"Bearer {session['token']}"}
            path = f"{console.node.url}/api/shows/{show.id}/votes"
            async with http.post(path, json={"votes": [[show.songs[0], "up"]]}, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
            voters.append(session["user"]["id"])
    return voters


async def test_a_group_is_set_aside_and_restored_by_keys(page: Page, console: Console) -> None:
    """The list, the reasons, the votes that would leave the counts; each decision is told with what it did."""
    (show,) = await make_shows(console.database_url)
    voters = await vote(console, show, 3)
    await console.sql.execute(GROUP, show.id, json.dumps(REASONS), voters[:2])
    up = "select up_count from setlist_songs where id = $1"
    await visit(page, "b", "Abuse")
    row = page.get_by_role("region", name="Groups").get_by_role("row").nth(1)
    await expect(row).to_contain_text("All of them use one program")
    await is_fine(page)
    keys = page.keyboard
    for key in ("j", "Enter"):
        await keys.press(key)
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Group")
    await expect(page.get_by_role("region", name="Its ballots").get_by_role("row")).to_have_count(3)
    await is_fine(page)
    await keys.press("a")
    await expect(page.get_by_role("dialog")).to_contain_text(
        "2 ballots with 2 votes up and 0 down leave the counts at once, on every page."
    )
    await keys.press("Enter")
    await expect(page.locator("#notice")).to_contain_text("is set aside. No count differs any more.")
    await expect(page.locator(".facts")).to_contain_text("set aside")
    assert await console.sql.fetchval(up, show.songs[0]) == 1
    await page.get_by_role("button", name="Restore…").press("Enter")
    await expect(page.get_by_role("dialog")).to_contain_text("2 ballots with 2 votes up and 0 down count again at once")
    await keys.press("Enter")
    await expect(page.locator("#notice")).to_contain_text("is restored.")
    assert await console.sql.fetchval(up, show.songs[0]) == 3
    # The button is gone; the one in its place has the focus.
    await expect(page.get_by_role("button", name="Set aside…")).to_be_focused()

    # Void cannot be undone: Enter alone does not do it.
    await expect(page.get_by_role("button", name="Set aside…")).to_be_visible()
    await keys.press("v")
    await expect(page.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    await keys.press("Enter")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    acts = await console.sql.fetch("select action from audit_log where subject like 'group:%' order by id")
    assert [act["action"] for act in acts] == ["group.set-aside", "group.restore"]


async def test_a_show_may_set_groups_aside_without_a_person(page: Page, console: Console) -> None:
    """The groups of one show have its rule above them; the dialog says what it changes."""
    (show,) = await make_shows(console.database_url)
    await page.goto(f"{console.node.url}/admin/abuse/show/{show.id}")
    await expect(page.get_by_text("Groups of this show wait for a person.")).to_be_visible()
    await page.get_by_role("button", name="Set aside without a person…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Staff can restore them.")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("without a person.", exact=False).first).to_be_visible()
    await expect(page.get_by_role("button", name="Wait for a person…")).to_be_visible()
