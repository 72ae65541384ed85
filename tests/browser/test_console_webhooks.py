"""The console's page Webhooks: made, tested, changed, its dead letters sent again, deleted; for administrators."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import Console
from tests.browser.console import confirm, is_fine, open_staff, visit
from tests.browser.pages import DESKTOP, PHONE, FanPool
from tests.support.webhooks import LOCAL, Receiver

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def receiver(console: Console) -> AsyncIterator[Receiver]:
    """A receiver on this machine, which the node may reach."""
    console.node.rooms.poster._poster._allowed = LOCAL
    async with Receiver.open() as opened:
        yield opened
    console.node.rooms.poster._poster._allowed = ()
    await console.sql.execute("delete from webhooks")


async def test_a_webhook_is_made_tested_and_deleted(fans: FanPool, console: Console, receiver: Receiver) -> None:
    """By keys; its secret is shown once; a bad address is refused in the server's words before the act."""
    async with open_staff(fans, console.node, console.admin) as staff:
        page = (await staff.open("/admin")).page
        await visit(page, "w", "Webhooks")
        await page.keyboard.press("n")
        dialog = page.get_by_role("dialog")
        await page.keyboard.type("https://10.0.0.1/hook")
        await page.keyboard.press("Tab")
        await expect(dialog.get_by_role("alert")).to_contain_text("10.0.0.1, which is no public address")
        # On a phone the form is longer than the screen; what was refused and the button stay in sight.
        await page.set_viewport_size(PHONE)
        await expect(dialog.get_by_role("alert")).to_be_in_viewport(ratio=1)
        await expect(dialog.get_by_role("button", name="Make the webhook")).to_be_in_viewport(ratio=1)
        await page.set_viewport_size(DESKTOP)
        await page.keyboard.type("Screen")
        await dialog.get_by_label("Address").fill(receiver.url)
        await dialog.get_by_label("Ballots look like").uncheck()
        await expect(dialog).to_contain_text("it gets 5 kinds of events")
        await is_fine(page)
        await page.keyboard.press("Enter")
        await expect(page.locator("#notice")).to_contain_text("The webhook Screen is made.")
        secret = await page.get_by_label("Secret", exact=True).input_value()
        assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
        row = page.get_by_role("region", name="Webhooks").get_by_role("row").nth(1)
        await expect(row).to_contain_text("none yet")
        await is_fine(page)

        await row.get_by_role("link").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Webhook Screen")
        await expect(page.get_by_label("Secret", exact=True)).to_be_hidden()
        receiver.statuses = [200, 503]
        await page.keyboard.press("t")
        await expect(page.get_by_text(re.compile("The receiver answered 200 after .* ms"))).to_be_visible()
        await page.keyboard.press("t")
        await expect(
            page.get_by_text(re.compile("The test was not taken, after .* ms: It answered 503."))
        ).to_be_visible()
        receiver.arrived[0].verify_text(secret)

        await page.keyboard.press("r")
        await confirm(page, "Make a new secret", says="has a new secret")
        assert await page.get_by_label("Secret", exact=True).input_value() != secret
        await expect(page.get_by_label("The webhook")).to_contain_text("signs too until")
        # The secret has the focus, to be copied, so keys do not act.
        await page.get_by_role("button", name="Edit").click()
        await dialog.get_by_label("Name for staff").fill("Lobby")
        await dialog.get_by_label("Voting opens").uncheck()
        await expect(dialog).to_contain_text("It gets 4 kinds of events.")
        # Somebody else changes it meanwhile: the dialog says so, reads it again, and keeps what was filled in.
        await console.sql.execute("update webhooks set url = url || '?new'")
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog.get_by_role("alert")).to_contain_text(
            "Somebody else changed this webhook since you read it"
        )
        await expect(dialog.get_by_label("Address")).to_have_value(re.compile(r"\?new$"))
        await confirm(page, "Save", says="The webhook Lobby is saved.")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Webhook Lobby")
        await page.keyboard.press("x")
        await expect(page.get_by_role("dialog")).to_contain_text("Lost with it: 0 waiting events, 0 dead letters.")
        await confirm(page, "Delete for good", says="The webhook Lobby is deleted.")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Webhooks")
    acts = await console.sql.fetch("select action from audit_log where action like 'webhook.%' order by id")
    assert [row["action"] for row in acts] == [
        f"webhook.{act}" for act in ("make", "test", "test", "secret", "change", "delete")
    ]


async def test_dead_letters_are_sent_again(fans: FanPool, console: Console, receiver: Receiver) -> None:
    """The list shows them with their last answer; one is sent again, and arrives; what waits ends when it is disabled."""
    webhook = await console.sql.fetchval(
        "insert into webhooks (url, description, events, secret) values ($1, 'Partner', '{show.final}', sha256('x')) returning id",
        receiver.url,
    )
    await console.sql.execute(
        "with noted as (insert into webhook_events (type, show_id, data, is_queued)"
        " select 'show.final', n, '{}', true from generate_series(1, 3) n returning id, show_id)"
        " insert into webhook_deliveries (webhook_id, event_id, state, attempts, queued_at, not_before, tried_at, status, took_ms, error)"
        f" select {webhook}, id, case when show_id = 3 then 'queued' else 'dead' end::webhook_delivery_state, 10, now(),"
        " now() + interval '1 hour', now(), 500, 12, 'It answered 500.' from noted"
    )
    async with open_staff(fans, console.node, console.admin) as staff:
        page: Page = (await staff.open(f"/admin/webhooks/{webhook}")).page
        deliveries = page.get_by_role("region", name="Deliveries")
        await expect(deliveries.get_by_role("row")).to_have_count(4)
        await is_fine(page)
        await page.get_by_label("State").select_option("dead")
        await expect(deliveries.get_by_role("row")).to_have_count(3)
        row = deliveries.get_by_role("row").filter(has_text="show 2")
        await expect(row).to_contain_text("It answered 500. 12 ms")
        before = len(receiver.arrived)
        await page.keyboard.press("Escape")
        await row.get_by_role("button", name="Send again").click()
        await expect(page.get_by_role("dialog")).to_contain_text("Sent at once: 1 event;")
        await confirm(page, "Send again", says="On the way again: 1 event.")
        await expect(deliveries.get_by_role("row")).to_have_count(2)
        await page.get_by_label("State").select_option("delivered")
        await expect(deliveries.get_by_role("row").filter(has_text="show 2")).to_contain_text("It answered 204.")
        assert len(receiver.arrived) == before + 1
        await page.get_by_role("button", name="Disable…").click()
        await expect(page.get_by_role("dialog")).to_contain_text("Waiting events that become dead letters: 1.")
        await confirm(page, "Disable", says="is disabled.")
        await expect(page.get_by_label("The webhook")).to_contain_text("disabled")


async def test_a_moderator_does_not_see_it(fans: FanPool, console: Console) -> None:
    """The navigation lacks it, and its address says so."""
    async with open_staff(fans, console.node, console.moderator, "moderator") as staff:
        page = (await staff.open("/admin/webhooks")).page
        await expect(page.get_by_role("heading", level=1)).to_have_text("No such page")
        assert "Webhooks" not in await page.get_by_role("navigation").get_by_role("link").all_inner_texts()
