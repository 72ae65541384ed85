"""Voting that pauses, reopens and closes while the page is open."""

from __future__ import annotations

import re

import asyncpg
import pytest
from playwright.async_api import expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.browser.pages import NETWORK_ERRORS
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_open_page_follows_the_voting_window(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """When voting is locked, reopened and closed, the page says so and switches the buttons without a reload."""
    (show,) = await make_shows(database_url)
    voted, other, *_ = show.songs
    tab = await (await open_fan()).open_show(show.id)
    await tab.button(voted, "up").tap()
    await tab.expect_durability(voted, "committed")
    # Proves at the end that the page was not reloaded.
    await tab.page.evaluate("() => { window.hasStayed = true }")

    await sql.execute("update shows set is_locked = true where id = $1", show.id)
    await expect(tab.page.get_by_text("Voting is paused by the organisers")).to_be_visible()
    for song in (voted, other):
        for direction in ("up", "down"):
            await expect(tab.button(song, direction)).to_be_disabled()
    await tab.expect_choice(voted, "up")
    await expect(tab.page.locator("#show-announcer")).to_have_text("Voting paused.")

    await sql.execute("update shows set is_locked = false where id = $1", show.id)
    await expect(tab.page.get_by_text("Voting open until")).to_be_visible()
    await tab.button(other, "down").tap()
    await tab.expect_durability(other, "committed")

    # The result is final about two seconds after closing: an observer records the texts shown until then.
    await tab.page.evaluate("""() => {
        window.texts = [];
        new MutationObserver(() => window.texts.push(document.querySelector(".window-text")?.textContent ?? ""))
            .observe(document.body, { childList: true, characterData: true, subtree: true });
    }""")
    await sql.execute("update shows set closes_at = now() where id = $1", show.id)
    await expect(tab.page.locator(".window-text")).to_have_text(re.compile("^The result is final"))
    assert any(text.startswith("Voting closed ") for text in await tab.page.evaluate("() => window.texts"))
    await expect(tab.button(other, "up")).to_be_disabled()
    await tab.expect_choice(voted, "up")
    await tab.expect_counts(voted, 1, 0)
    await tab.expect_counts(other, 0, 1)
    assert await tab.page.evaluate("() => window.hasStayed")


async def test_a_late_vote_is_refused_with_a_notice(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """An offline vote on a show that closes in the meantime is refused: the page says why and shows the valid state."""
    (show,) = await make_shows(database_url)
    song = show.songs[0]
    visitor = await open_fan()
    visitor.allowed_errors = NETWORK_ERRORS
    tab = await visitor.open_show(show.id)
    await visitor.go_offline()
    await tab.button(song, "up").tap()
    await tab.expect_durability(song, "waiting")
    await sql.execute("update shows set closes_at = now() where id = $1", show.id)
    await visitor.go_online()
    await expect(tab.page.locator("#notice")).to_contain_text("Voting is closed, so the change to “Song 1”")
    await tab.expect_choice(song, "none")
    await tab.expect_counts(song, 0, 0)
    assert await sql.fetchval("select count(*) from votes where show_id = $1", show.id) == 0
