"""Notices to a device: the card beside a show, and the settings on /me."""

from __future__ import annotations

import re

import asyncpg
import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenFan
from tests.support.open_shows import make_shows
from tests.support.webpush import Keys, text_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

# A push service that no test reaches: the browser's own part is replaced, and asks the visitor as the test says.
PUSH = """
window.answer = "granted"; window.asked = 0;
let permission = "default";
Object.defineProperty(Notification, "permission", { get: () => permission });
Notification.requestPermission = async () => { window.asked += 1; permission = window.answer; return permission; };
const registration = { pushManager: {
    getSubscription: async () => window.held ?? null,
    subscribe: async ({ applicationServerKey }) => {
        window.keyBytes = applicationServerKey.length;
        return window.held = { endpoint: %(endpoint)r, toJSON: () => ({ endpoint: %(endpoint)r, keys: { p256dh: %(key)r, auth: %(auth)r } }),
            unsubscribe: async () => { window.held = null; } };
    } } };
Object.defineProperty(navigator, "serviceWorker", { value: {
    register: async () => registration, getRegistration: async () => registration, ready: Promise.resolve(registration) } });
"""
NO_ACCOUNT = re.compile("status of 401")
DEVICES = """select user_id, kinds::text[] as kinds, quiet_from::text as quiet_from, time_zone from webpush_devices
    where endpoint = $1"""


def with_push(name: str) -> tuple[str, str]:
    """A script with a push service, and the endpoint of its only device."""
    keys, endpoint = Keys(), f"https://push.example.org/{name}"
    return PUSH % {"endpoint": endpoint, "key": text_of(keys.public), "auth": text_of(keys.auth)}, endpoint


async def asked(page: Page) -> int:
    """How often the browser asked the visitor."""
    count: int = await page.evaluate("() => window.asked")
    return count


async def test_a_fan_who_goes_is_offered_to_be_told(
    open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Nothing is asked before the tap; after it this device is told when voting closes, and the offer does not come again."""
    (show,) = await make_shows(database_url)
    script, endpoint = with_push("card")
    visitor = await open_fan()
    tab = await visitor.open_show(show.id, script=script)
    card = tab.page.locator(".push-card")
    await expect(card).to_be_hidden()
    await tab.page.get_by_role("button", name="I'm going").tap()
    await expect(card.get_by_role("button", name="Tell me when voting closes")).to_be_visible()
    assert await asked(tab.page) == 0
    await card.get_by_role("button", name="Tell me when voting closes").tap()
    await expect(card).to_contain_text("Done. This device is told half an hour before")
    [row] = await sql.fetch(DEVICES, endpoint)
    assert (row["kinds"], row["quiet_from"], await asked(tab.page)) == (["voting_closes"], None, 1)
    assert await tab.page.evaluate("() => window.keyBytes") == 65
    tab = await visitor.open_show(show.id, script=script)
    await expect(tab.page.get_by_role("button", name="I'm going")).to_have_attribute("aria-pressed", "true")
    await expect(tab.page.locator(".push-card")).to_be_hidden()


async def test_a_fan_who_refuses_is_told_what_to_do(open_fan: OpenFan, database_url: str) -> None:
    """The page says where notices are allowed, and asks no more."""
    (show,) = await make_shows(database_url)
    script, _ = with_push("refused")
    tab = await (await open_fan()).open_show(show.id, script=script + "window.answer = 'denied';")
    await tab.page.get_by_role("button", name="I'm going").tap()
    card = tab.page.locator(".push-card")
    await card.get_by_role("button", name="Tell me when voting closes").tap()
    await expect(card).to_contain_text("Allow them in the settings of your browser")
    assert await asked(tab.page) == 1


async def test_kinds_and_quiet_hours_are_chosen_on_the_account_page(
    open_fan: OpenFan, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A fan without an account gets one; the choice is kept; nothing chosen: the device is told nothing."""
    script, endpoint = with_push("account")
    visitor = await open_fan()
    visitor.allowed_errors = NO_ACCOUNT
    page = (await visitor.open("/me", script=script)).page
    notices = page.get_by_role("region", name="Notices on this device")
    await expect(notices).to_contain_text("This device is told nothing.")
    await notices.get_by_role("checkbox", name="A song you voted for is on").check()
    await notices.get_by_label("Quiet hours from").fill("22:30")
    await notices.get_by_role("button", name="Save").tap()
    await expect(notices).to_contain_text("Quiet hours need a beginning and an end")
    assert await asked(page) == 0
    await notices.get_by_label("Quiet hours to").fill("07:00")
    await notices.get_by_role("button", name="Save").tap()
    await expect(notices).to_contain_text("This device is told what you chose.")
    [row] = await sql.fetch(DEVICES, endpoint)
    assert (row["kinds"], row["quiet_from"]) == (["song_on"], "22:30:00")
    assert row["time_zone"]
    await expect(page.locator("#who")).to_contain_text(f"account {row['user_id']}")
    await notices.get_by_role("checkbox", name="A song you voted for is on").uncheck()
    await notices.get_by_role("button", name="Save").tap()
    await expect(notices).to_contain_text("This device is told nothing.")
    assert await sql.fetch(DEVICES, endpoint) == []
    assert await page.evaluate("() => window.held") is None


IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS {} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17 Mobile/15E148 Safari/604.1"


async def test_phones_without_push_say_why(open_fan: OpenFan) -> None:
    """An iPhone names the home screen, an older one the version; other browsers that lack it say so."""
    visitor = await open_fan()
    visitor.allowed_errors = NO_ACCOUNT
    without = "delete window.PushManager; Object.defineProperty(navigator, 'userAgent', {{ get: () => `{}` }});"
    for agent, words in (
        (IPHONE.format("17_4"), "Add to Home Screen"), (IPHONE.format("16_4"), "Add to Home Screen"),
        (IPHONE.format("16_3"), "iOS 16.4 or newer"), (IPHONE.format("15_7"), "iOS 16.4 or newer"),
        ("Mozilla/5.0 (Linux; Android 10; wv) Chrome/83.0", "cannot show notices"),
    ):  # fmt: skip
        tab = await visitor.open("/me", script=without.format(agent))
        await expect(tab.page.get_by_role("region", name="Notices on this device")).to_contain_text(words)
        await tab.page.close()
