"""The console's page Brands: made, changed, given a logo, deleted; for administrators."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Console
from tests.browser.console import confirm, is_fine, open_staff, visit
from tests.browser.pages import FanPool

pytestmark = pytest.mark.asyncio(loop_scope="session")

PNG = b"\x89PNG\r\n\x1a\n" + bytes(2_000)


async def test_a_brand_is_made_changed_and_deleted(fans: FanPool, console: Console) -> None:
    """By keys; colours that nobody can read are refused in the server's words before the act, and a logo is a file."""
    async with open_staff(fans, console.node, console.admin) as staff:
        page = (await staff.open("/admin")).page
        await visit(page, "r", "Brands")
        await page.keyboard.press("n")
        dialog = page.get_by_role("dialog")
        await page.keyboard.type("The Club")
        await dialog.get_by_label("Host").fill("Vote.Club.example")
        await dialog.get_by_label("Colours of dark pages").fill("#001020 #002030 #003040 #00ffaa")
        await dialog.get_by_label("Colours of light pages").focus()
        await expect(dialog.get_by_role("alert")).to_contain_text(
            "`text` #003040 on `ground` #001020 has a contrast of"
        )
        await dialog.get_by_label("Colours of dark pages").fill("#001020 #002030 #ffffff #00ffaa")
        await dialog.get_by_label("Colours of light pages").focus()
        await expect(dialog).to_contain_text("sees The Club.")
        await is_fine(page)
        await confirm(page, "Make the brand", says="The brand The Club is made.")
        row = page.get_by_role("region", name="Brands").get_by_role("row").nth(1)
        await expect(row).to_contain_text("vote.club.example")
        await expect(row).to_contain_text("all shows")
        await is_fine(page)

        async with page.expect_file_chooser() as chooser:
            await row.get_by_role("button", name="Logo…").click()
        await (await chooser.value).set_files({"name": "logo.png", "mimeType": "image/png", "buffer": PNG})
        await expect(dialog).to_contain_text("logo.png, 2 KiB.")
        await confirm(page, "Take this logo", says="has a new logo.")
        await expect(row).to_contain_text("2 KiB")
        await row.get_by_role("button", name="Edit…").click()
        await dialog.get_by_label("Name").fill("The Other Club")
        await confirm(page, "Save", says="The brand The Other Club is saved.")
        await expect(row).to_contain_text("The Other Club")  # the next act is for what the row shows
        await row.get_by_role("button", name="Delete…").click()
        await confirm(page, "Delete for good", says="The brand The Other Club is deleted.")
        await expect(page.get_by_text("There is no brand yet.")).to_be_visible()
    acts = await console.sql.fetch("select action from audit_log where action like 'brand.%' order by id")
    assert [row["action"] for row in acts] == ["brand.make", "brand.change", "brand.change", "brand.delete"]
