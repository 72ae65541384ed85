"""A show that takes votes with a ticket only: the page asks for the code."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest
from playwright.async_api import Route, expect

from server.node.node import Node
from server.people.ticket_codes import keyed_hash, unkeyed_hash
from tests.browser.checks import findings
from tests.browser.conftest import OpenFan
from tests.browser.pages import DESKTOP, Tab
from tests.support.node_process import SECRET
from tests.support.open_shows import make_shows, make_users
from tests.support.running_node import running_node, until
from tests.support.smtp_server import SmtpServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

CODE = "7K3M-9QXD-T2AB"
# Chromium writes every refused request to the console.
REFUSALS = re.compile(r"Failed to load resource: the server responded with a status of 40[0149]")


async def make_ticketed_show(database_url: str, sql: asyncpg.Connection[asyncpg.Record]) -> tuple[int, int]:
    """A show that requires a ticket, with one code: its id and its first song."""
    (show,) = await make_shows(database_url)
    await sql.execute("update shows set requires_ticket = true where id = $1", show.id)
    await sql.execute(
        "insert into ticket_codes (show_id, code_hash) values ($1, $2)",
        show.id,
        keyed_hash(SECRET, unkeyed_hash(show.id, CODE)),
    )
    return show.id, show.songs[0]


async def expect_field(tab: Tab, *, is_there: bool) -> None:
    """Waits until the page asks for a code, or no longer does."""
    await expect(tab.page.get_by_label("Code on your ticket")).to_be_visible(visible=is_there)


async def test_a_code_typed_with_the_keyboard_lets_a_fan_vote(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A tap without a ticket leads to the field; wrong codes are told in words; the right one is asked for once."""
    show, song = await make_ticketed_show(database_url, sql)
    users = await sql.fetchval("select count(*) from users")
    visitor = await open_fan(viewport=DESKTOP)
    tab = await visitor.open_show(show)
    page = tab.page
    field, outcome = page.get_by_label("Code on your ticket"), page.locator(".ticket-outcome")
    await expect(tab.button(song, "up")).to_have_attribute("aria-disabled", "true")
    await tab.button(song, "up").click(force=True)
    await expect(page.locator("#notice")).to_contain_text("This show takes votes with a ticket.")
    await expect(field).to_be_focused()

    visitor.allowed_errors = REFUSALS
    for text, sentence in (
        ("", "Enter the code on your ticket."),
        ("short", "A ticket code has 8 or more letters and digits."),
        ("ZZZZ-ZZZZ-ZZZZ", "This code gives no ticket for this show."),
    ):
        await field.fill(text)
        await page.keyboard.press("Enter")
        await expect(outcome).to_contain_text(sentence)
        await expect(field).to_have_attribute("aria-invalid", "true")
        await expect(field).to_be_focused()
    await field.fill(CODE.lower().replace("-", " "))
    await page.keyboard.press("Enter")
    await expect_field(tab, is_there=False)
    await tab.button(song, "up").click()
    await tab.expect_durability(song, "committed")

    await page.reload()
    await tab.expect_choice(song, "up")
    await expect_field(tab, is_there=False)
    assert await sql.fetchval("select count(*) from users") == users + 1


async def test_the_code_of_a_link_is_in_the_field_and_not_in_the_address(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """The fragment of a link fills the field and leaves the address; the fan's press redeems it, not the page."""
    show, song = await make_ticketed_show(database_url, sql)
    visitor = await open_fan()
    tab = await visitor.open(f"/shows/{show}#ticket={CODE}")
    await tab.expect_live()
    field = tab.page.get_by_label("Code on your ticket")
    await expect(field).to_have_value(CODE)
    assert tab.page.url == f"{node.url}/shows/{show}"
    assert await sql.fetchval("select redeemed_at from ticket_codes where show_id = $1", show) is None
    visitor.allowed_errors = REFUSALS
    await tab.page.get_by_role("button", name="Use this code").tap()
    await expect_field(tab, is_there=False)
    await tab.button(song, "up").tap()
    await tab.expect_durability(song, "committed")


async def test_a_ticket_may_become_necessary_while_the_page_is_open(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """The first refused vote brings the field, and no word about a blocked account stays."""
    (show,) = await make_shows(database_url)
    first, second, *_ = show.songs
    tab = await (await open_fan()).open_show(show.id)
    await tab.button(first, "up").tap()
    await tab.expect_durability(first, "committed")
    await sql.execute("update shows set requires_ticket = true where id = $1", show.id)
    (other,) = await make_users(database_url, 1)

    async def is_required() -> bool:
        """Whether the node knows the rule already."""
        headers = {"Authorization": f"Bearer {other.token}"}
        votes = {"votes": [[second, "up"]]}
        async with aiohttp.request(
            "POST", f"{node.url}/api/shows/{show.id}/votes", json=votes, headers=headers
        ) as answer:
            return answer.status == 403

    await until(is_required)
    await tab.button(second, "up").tap()
    await expect(tab.page.locator("#notice")).to_contain_text("Enter the code on your ticket first.")
    await expect_field(tab, is_there=True)
    await expect(tab.page.locator("#reason")).to_contain_text("Tap an arrow")


async def go_on_after(event: asyncio.Event, route: Route) -> None:
    """Keeps a request until the event."""
    await event.wait()
    await route.continue_()


async def test_a_tap_waits_until_the_page_knows_about_the_ticket(
    open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """The vote of a fan with a ticket is cast after the answer; without one, the fan is told what to do, not that the account is barred."""
    show, song = await make_ticketed_show(database_url, sql)
    other, song_of_other = await make_ticketed_show(database_url, sql)
    visitor = await open_fan()
    home = (await visitor.open("/")).page
    fan = await home.evaluate("async () => (await (await fetch('/api/session', { method: 'POST' })).json()).user.id")
    await sql.execute("update ticket_codes set user_id = $1, redeemed_at = now() where show_id = $2", fan, show)
    for opened, tapped, has_ticket in ((show, song, True), (other, song_of_other, False)):
        answer = asyncio.Event()

        tab = await visitor.new_tab()
        await tab.page.route(re.compile("/ticket$"), partial(go_on_after, answer))
        async with tab.page.expect_request(re.compile("/ticket$")):
            await tab.goto(f"/shows/{opened}")
        await tab.expect_live()
        await tab.button(tapped, "up").tap()
        await expect(tab.page.locator("#notice")).to_be_empty()
        answer.set()
        if has_ticket:
            await tab.expect_durability(tapped, "committed")
        else:
            await expect(tab.page.locator("#notice")).to_contain_text("Enter the code on your ticket first.")
            await expect_field(tab, is_there=True)
        await tab.page.close()


async def test_a_device_works_for_a_ticket(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A tap begins the work, which the page explains; then the fan votes. Where an email is asked for, the page says what to do."""
    show, song = await make_ticketed_show(database_url, sql)
    await sql.execute("update shows set ticket_source = 'mail' where id = $1", show)
    visitor = await open_fan(viewport=DESKTOP)
    visitor.allowed_errors = re.compile(r"Failed to load resource: the server responded with a status of 40[013]")
    tab = await visitor.open_show(show)
    page = tab.page
    await expect(page.get_by_role("link", name="Confirm your email")).to_have_attribute(
        "href", re.compile("^/me[?]show=show-")
    )
    await page.get_by_role("button", name="I have confirmed it").click()
    await expect(page.locator(".ticket-outcome")).to_contain_text("Confirm yours on the page of your account first.")
    await sql.execute("update shows set ticket_source = 'work' where id = $1", show)
    await page.reload()
    await expect(page.get_by_text("Before your first vote, your device works for some seconds.")).to_be_visible()
    await expect_field(tab, is_there=False)
    await tab.button(song, "up").click(force=True)
    await expect(page.locator("#notice")).to_contain_text("This show asks your device for some seconds of work first.")
    await expect(page.get_by_role("button", name="Start")).to_be_hidden(timeout=20_000)
    await tab.button(song, "up").click()
    await expect(tab.button(song, "up")).to_have_attribute("aria-pressed", "true")
    assert await sql.fetchval(
        "select redeemed_at is not null from ticket_codes where show_id = $1 and user_id is not null", show
    )


async def test_a_fan_gives_an_address_confirms_it_and_votes(
    open_fan: OpenFan, own_database_url: str, redis_url: str, own_sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """From a show that asks for a confirmed email to the page of the account, to the email's link, back to the show, to the vote."""
    show, song = await make_ticketed_show(own_database_url, own_sql)
    await own_sql.execute("update shows set ticket_source = 'mail' where id = $1", show)
    async with (
        SmtpServer.open() as mail,
        running_node(own_database_url, redis_url, secret=SECRET, smtp_url=mail.url()) as node,
    ):
        visitor = await open_fan(node.url)
        visitor.allowed_errors = re.compile("status of 40[0139]")
        tab = await visitor.open_show(show)
        page = tab.page
        await page.get_by_role("link", name="Confirm your email").tap()
        address = page.get_by_label("Email address")
        await expect(page.locator("#email-state")).to_contain_text("Give yours")
        assert await findings(page) == []
        await address.fill("fan@example")
        await address.press("Enter")
        await expect(page.locator("#email-state")).to_contain_text("This is no email address")
        await expect(address).to_be_focused()
        await address.fill("fan@example.org")
        await address.press("Enter")
        await expect(page.locator("#email-state")).to_contain_text("An email is on its way to fan@example.org.")
        await expect(page.locator("#who")).to_contain_text("You are account")

        async def link() -> str:
            found = [re.search(r"https?://\S+/confirm-email\S+", one.text) for one in mail.arrived]
            return found[0].group() if found and found[0] else ""

        other = await visitor.open(urlsplit(await until(link)).path + "?" + urlsplit(await link()).query)
        await other.page.get_by_role("button", name="Confirm").tap()
        await expect(other.page.get_by_role("heading", level=1)).to_have_text("Your address is confirmed")
        # The tab where the fan began notices it by itself; the other one leads to the same place.
        await expect(page.locator("#email-state")).to_contain_text("fan@example.org is confirmed.")
        await other.page.get_by_role("link", name="your account").tap()
        await expect(other.page.get_by_role("link", name="Back to the show")).to_be_visible()
        await other.page.close()
        await page.get_by_role("link", name="Back to the show").tap()
        await tab.expect_live()
        await page.get_by_role("button", name="I have confirmed it").tap()
        await expect_field(tab, is_there=False)
        await expect(page.get_by_role("heading", name="confirmed email")).to_be_hidden()
        await tab.button(song, "up").tap()
        await tab.expect_durability(song, "committed")
        await page.close()
    preferences = await own_sql.fetchrow("select frequency::text, confirmed_at is not null from email_preferences")
    assert preferences
    assert tuple(preferences) == ("never", True)
