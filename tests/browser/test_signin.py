"""The page of a sign-in link: only its button signs in, and nobody is replaced without a question."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import expect

from server.node.node import Node
from server.people.sessions import create_link
from tests.browser.conftest import OpenFan
from tests.support.node_process import SECRET

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_link_signs_in_after_the_button_and_once(node: Node, open_fan: OpenFan, sql: Any) -> None:
    """Opening the page changes nothing and leaves no token in the address. Who was signed in is named and asked."""
    owner = node.rooms.databases.owner
    link = await create_link(owner, SECRET, "admin", node.url, "a test")
    fan = await open_fan()
    # Chromium writes this to the console when the page asks who is signed in, and nobody is.
    fan.allowed_errors = re.compile("status of 401")
    tab = (await fan.open(link.removeprefix(node.url))).page
    await expect(tab.get_by_text("This link signs you in, once.")).to_be_visible()
    assert tab.url == f"{node.url}/signin"
    assert await sql.fetchval("select opened_at from sessions order by id desc limit 1") is None
    await tab.get_by_role("button", name="Sign in").click()
    await tab.wait_for_url(f"{node.url}/admin")
    admin = await sql.fetchval("select user_id from sessions order by id desc limit 1")

    again = await create_link(owner, SECRET, "moderator", node.url, "a test")
    tab = (await fan.open(again.removeprefix(node.url))).page
    await expect(tab.get_by_text(f"You are signed in as account {admin}, admin.")).to_be_visible()
    await tab.get_by_role("button", name="Replace it and sign in").click()
    await tab.wait_for_url(f"{node.url}/admin")
    assert await sql.fetchval("select bool_and(ended_at is not null) from sessions where user_id = $1", admin)


async def test_the_account_page_lists_sessions_and_ends_them_by_keyboard(
    node: Node, open_fan: OpenFan, sql: Any
) -> None:
    """A visitor without an account is told so. Signed in, each other session can be ended, and all after a question."""
    fan = await open_fan()
    fan.allowed_errors = re.compile("status of 401")
    tab = (await fan.open("/")).page
    await tab.get_by_role("link", name="Your account").press("Enter")
    await tab.wait_for_url(f"{node.url}/me")
    await expect(tab.get_by_text("You are not signed in. Your first vote makes an account.")).to_be_visible()
    signed = await tab.evaluate("async () => (await (await fetch('/api/session', { method: 'POST' })).json()).user.id")
    await sql.execute(
        "insert into sessions (user_id, kind, device, expires_at) values ($1, 'command', 'Firefox on Linux', now() + interval '1 day')",
        signed,
    )
    await tab.reload()
    sessions = tab.get_by_role("listitem")
    await expect(sessions).to_have_count(2)
    await expect(sessions.nth(0)).to_contain_text("by a command")
    await expect(sessions.nth(1)).to_contain_text("this browser")
    await tab.get_by_role("button", name="Sign out Firefox on Linux").press("Enter")
    await expect(sessions).to_have_count(1)
    await expect(tab.locator("#sessions")).to_be_focused()
    assert await sql.fetchval(
        "select ended_at is not null from sessions where kind = 'command' and user_id = $1", signed
    )

    await tab.get_by_role("button", name="Sign out everywhere").press("Enter")
    await expect(tab.locator("#asked")).to_be_focused()
    await tab.keyboard.press("Tab")
    await tab.keyboard.press("Tab")
    await tab.keyboard.press("Enter")
    await expect(tab.get_by_role("button", name="Sign out everywhere")).to_be_focused()
    await tab.keyboard.press("Enter")
    await tab.keyboard.press("Tab")
    await tab.keyboard.press("Enter")
    await expect(tab.get_by_text("You are signed out everywhere.")).to_be_focused()
    assert await sql.fetchval("select count(*) from sessions where user_id = $1 and ended_at is null", signed) == 0
    assert await fan.context.cookies() == []


async def test_an_incomplete_link_is_no_dead_end(open_fan: OpenFan) -> None:
    """It says what is wrong, and leads to the shows."""
    page = (await (await open_fan()).open("/signin")).page
    await expect(page.get_by_role("status")).to_contain_text("This link is not complete")
    await page.get_by_role("link", name="All shows").click()
    await expect(page.get_by_role("heading", name="Which songs tonight?")).to_be_visible()
