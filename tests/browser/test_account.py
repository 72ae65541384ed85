"""The page of the account: ballots, artists, another device by a code, all data as a file, and the end of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import asyncpg
import pytest
from playwright.async_api import expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.browser.pages import DESKTOP
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_account_moves_to_another_device_and_ends(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """What a fan did is listed; a code brings the account to another browser, once; it can be saved, and erased after a question."""
    (show,) = await make_shows(database_url)
    fan = await open_fan()
    tab = await fan.open_show(show.id)
    await tab.button(show.songs[0], "up").tap()
    await tab.expect_durability(show.songs[0], "committed")
    await tab.page.get_by_role("button", name="Follow").tap()
    await expect(tab.page.get_by_text("1 follower", exact=True)).to_be_visible()
    page = tab.page
    await page.get_by_role("link", name="Your account").tap()
    ballots = page.get_by_role("region", name="Your ballots")
    await expect(ballots.get_by_role("listitem")).to_have_count(1)
    await expect(ballots).to_contain_text("1 vote")
    await expect(ballots).to_contain_text("After a show you see here how many of your songs were played.")
    follow = page.get_by_role("region", name="Artists you follow").get_by_role("button")
    await follow.tap()
    await expect(follow).to_have_attribute("aria-pressed", "false")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    await page.get_by_role("button", name="Show a code").tap()
    await expect(page.locator(".code-shown")).to_be_focused()  # a keyboard stays where it was
    code = await page.locator(".code").text_content()
    assert code is not None
    await expect(page.locator(".code-left")).to_contain_text(re.compile(r"[45]:\d\d minutes"))
    other = await open_fan(viewport=DESKTOP)
    other.allowed_errors = re.compile("status of 4(00|01)")
    there = (await other.open("/me")).page
    await expect(there.get_by_text("You are not signed in.")).to_be_visible()
    typed = there.get_by_label("Do you have a code from another device?")
    for wrong, sentence in (
        ("ABC", "A code has 8 letters and digits."),
        ("ABCD-EFGH", "This code is wrong, was used before, or is over."),
    ):
        await typed.fill(wrong)
        await typed.press("Enter")
        await expect(there.get_by_text(sentence)).to_be_visible()
    await typed.fill(code.lower())
    await typed.press("Enter")
    await expect(there.locator("#who")).to_contain_text("You are account")
    assert await there.locator("#who").text_content() == await page.locator("#who").text_content()
    await expect(there.get_by_role("region", name="Your ballots").get_by_role("listitem")).to_have_count(1)
    await expect(page.get_by_text("The other device is signed in.")).to_be_visible()
    await expect(page.locator("#sessions").get_by_role("listitem")).to_have_count(2)
    await expect(page.locator(".code")).to_be_hidden()
    await expect(page.get_by_role("button", name="Show a code")).to_be_focused()

    async with there.expect_download() as download:
        await there.get_by_role("button", name="Download my data").click()
    saved = json.loads(Path(await (await download.value).path()).read_text())
    assert [vote["song_id"] for vote in saved["votes"]] == [show.songs[0]]

    await there.get_by_role("button", name="Erase my account").click()
    await expect(there.get_by_role("heading", name="Erase this account for ever?")).to_be_focused()
    erase = there.get_by_role("button", name="Erase it for ever")
    await expect(erase).to_be_disabled()
    await there.get_by_role("button", name="Keep my account").click()
    await expect(there.get_by_role("button", name="Erase my account")).to_be_focused()
    await there.get_by_role("button", name="Erase my account").click()
    await there.get_by_label("I understand that this cannot be undone.").check()
    await erase.click()
    await expect(there.get_by_text("Your account is erased.")).to_be_focused()
    await expect(there.get_by_role("region", name="Your ballots")).to_be_hidden()
    assert await other.context.cookies() == []
    assert await sql.fetchval("select up_count from setlist_songs where id = $1", show.songs[0]) == 1


async def test_a_code_asks_before_it_replaces_an_account(node: Node, open_fan: OpenFan) -> None:
    """Who is signed in already is told which account would be gone from this browser, and may keep it."""
    fan, other = await open_fan(), await open_fan(viewport=DESKTOP)
    pages = []
    for visitor in (fan, other):
        page = (await visitor.open("/signin")).page
        await page.evaluate("fetch('/api/session', { method: 'POST' }).then((answer) => answer.json())")
        await page.goto(f"{node.url}/me")
        await expect(page.locator("#who")).to_contain_text("You are account")
        pages.append(page)
    here, there = pages
    before = await there.locator("#who").text_content()
    await here.get_by_role("button", name="Show a code").tap()
    await expect(here.locator(".code")).to_be_visible()
    code = await here.locator(".code").text_content()
    assert code is not None
    assert before is not None
    typed = there.get_by_label("Do you have a code from another device?")
    await typed.fill(code)
    await typed.press("Enter")
    number = re.findall(r"\d+", before)[0]
    await expect(there.get_by_text(f"Account {number} is signed in here.")).to_be_focused()
    await there.get_by_role("button", name="Keep this account").click()
    await expect(typed).to_be_focused()
    assert await there.locator("#who").text_content() == before
    await typed.press("Enter")
    await there.get_by_role("button", name="Replace it and sign in").click()
    await expect(there.locator("#who")).to_have_text(await here.locator("#who").text_content() or "")


# Stands for the sheet of a phone, and for a clipboard that a test can read.
SHARING = """
navigator.share = async (given) => { window.given = given; };
Object.defineProperty(navigator, "clipboard", { value: { writeText: async (text) => { window.copied = text; } } });
"""


async def test_a_show_is_shared_and_the_own_calendar_has_a_secret_address(
    node: Node, open_fan: OpenFan, database_url: str
) -> None:
    """The sheet of the phone gets the show's address, else the clipboard does. The calendar's address is made, copied, renewed and deleted;
    what ends one is asked first, and an address that has ended opens nothing.
    """
    (show,) = await make_shows(database_url)
    fan = await open_fan()
    tab = await fan.open(f"/shows/{show.id}?lang=en", script=SHARING)
    page = tab.page
    await tab.expect_live()
    await tab.button(show.songs[0], "up").tap()
    await tab.expect_durability(show.songs[0], "committed")
    share = page.get_by_role("button", name="Share")
    await share.tap()
    assert await page.evaluate("window.given.url") == f"{node.url}/shows/{show.id}"
    await page.evaluate("navigator.share = undefined")
    await share.tap()
    await expect(page.get_by_text("The link is copied.")).to_be_visible()
    assert await page.evaluate("window.copied") == f"{node.url}/shows/{show.id}"

    await tab.goto("/me")
    calendar = page.get_by_role("region", name="Your calendar")
    await calendar.get_by_role("button", name="Make my calendar").tap()
    address = calendar.get_by_label("Secret address of your calendar")
    await expect(address).to_be_focused()
    made = await address.input_value()
    assert made.startswith(f"{node.url}/calendars/")
    assert await calendar.get_by_role("link", name="Add to my calendar").get_attribute("href") == made.replace(
        "http://", "webcal://"
    )
    await calendar.get_by_role("button", name="Copy the address").tap()
    await expect(calendar.get_by_text("The address is copied.")).to_be_visible()
    assert await page.evaluate("window.copied") == made
    assert (await page.request.get(made)).status == 200
    await calendar.get_by_role("button", name="New address").tap()
    await expect(calendar.get_by_text("Give your calendar a new address?")).to_be_focused()
    await calendar.get_by_role("button", name="Keep it").tap()
    assert await address.input_value() == made
    await calendar.get_by_role("button", name="New address").tap()
    await calendar.get_by_role("button", name="Give it a new address").tap()
    await expect(calendar.get_by_text("Your calendar has a new address.")).to_be_visible()
    renewed = await address.input_value()
    assert ((await page.request.get(made)).status, (await page.request.get(renewed)).status) == (404, 200)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await calendar.get_by_role("button", name="Delete").tap()
    await calendar.get_by_role("button", name="Delete my calendar").tap()
    await expect(calendar.get_by_role("button", name="Make my calendar")).to_be_focused()
    assert (await page.request.get(renewed)).status == 404
