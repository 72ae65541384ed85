"""The console's page Tours: made, changed, deleted; for administrators."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Console
from tests.browser.console import confirm, is_fine, open_staff, visit
from tests.browser.pages import FanPool

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_tour_is_made_changed_and_deleted(fans: FanPool, console: Console) -> None:
    """By keys; before each act the dialog says how many shows are in it, and why a date is refused."""
    await console.sql.execute("insert into artists (slug, name) values ('aurora', 'Aurora')")
    async with open_staff(fans, console.node, console.admin) as staff:
        page = (await staff.open("/admin")).page
        await visit(page, "t", "Tours")
        await page.keyboard.press("n")
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Artist").fill("Aurora")
        await dialog.get_by_role("list", name="Found").get_by_role("button", name="Aurora").click()
        await dialog.get_by_label("Name").fill("Spring")
        await dialog.get_by_label("First date").fill("2026-05-01")
        await dialog.get_by_label("Last date").fill("2026-04-01")
        await dialog.get_by_label("Name").focus()
        await expect(dialog.get_by_role("alert")).to_contain_text("`last_date` 2026-04-01 is before")
        await dialog.get_by_label("Last date").fill("2026-06-01")
        await dialog.get_by_label("Name").focus()
        await expect(dialog).to_contain_text("0 shows of Aurora are in it.")
        await is_fine(page)
        await confirm(page, "Make the tour", says="The tour Spring is made.")
        row = page.get_by_role("region", name="Tours").get_by_role("row").nth(1)
        await expect(row).to_contain_text("Aurora")
        await is_fine(page)
        await row.get_by_role("button", name="Edit…").click()
        await dialog.get_by_label("Name").fill("Summer")
        await confirm(page, "Save", says="The tour Summer is saved.")
        await expect(row).to_contain_text("Summer")  # the next act is for what the row shows
        await row.get_by_role("button", name="Delete…").click()
        await confirm(page, "Delete for good", says="The tour Summer is deleted.")
        await expect(page.get_by_text("There is no tour yet.")).to_be_visible()
    acts = await console.sql.fetch("select action from audit_log where action like 'tour.%' order by id")
    assert [row["action"] for row in acts] == ["tour.make", "tour.change", "tour.delete"]
