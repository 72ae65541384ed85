"""Voting that is paused, closed and opened while somebody looks at it."""

from __future__ import annotations

import re

import asyncpg
import pytest
from playwright.async_api import expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.browser.pages import NO_WAY
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_pause_and_the_end_of_voting_show_at_once(
    node: Node, fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Locked, open again, closed: the page says so and switches the buttons, without a reload; own votes stay."""
    (show,) = await make_shows(database_url)
    voted, other, *_ = show.songs
    seat = await (await fan()).open_show(show.id)
    await seat.button(voted, "up").tap()
    await seat.is_marked(voted, "committed")
    # A reload would lose it.
    await seat.page.evaluate("() => { window.hasStayed = true }")

    await sql.execute("update shows set is_locked = true")
    await expect(seat.page.get_by_text("Voting is paused by the organisers")).to_be_visible()
    for song in (voted, other):
        for way in ("up", "down"):
            await expect(seat.button(song, way)).to_be_disabled()
    await seat.holds(voted, "up")
    await expect(seat.page.locator("#say-board")).to_have_text("Voting paused.")

    await sql.execute("update shows set is_locked = false")
    await expect(seat.page.get_by_text("Voting open until")).to_be_visible()
    await seat.button(other, "down").tap()
    await seat.is_marked(other, "committed")

    # The result is final about two seconds after closing, so what stands there until then is written down as it comes.
    await seat.page.evaluate("""() => {
        window.told = [];
        new MutationObserver(() => window.told.push(document.querySelector(".window-text")?.textContent ?? ""))
            .observe(document.body, { childList: true, characterData: true, subtree: true });
    }""")
    await sql.execute("update shows set closes_at = now()")
    await expect(seat.page.locator(".window-text")).to_have_text(re.compile("^The result is final"))
    assert any(text.startswith("Voting closed ") for text in await seat.page.evaluate("() => window.told"))
    await expect(seat.button(other, "up")).to_be_disabled()
    await seat.holds(voted, "up")
    await seat.counts(voted, 1, 0)
    await seat.counts(other, 0, 1)
    assert await seat.page.evaluate("() => window.hasStayed")


async def test_a_vote_that_comes_too_late_is_taken_back_in_words(
    node: Node, fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A vote made offline on a show that closes meanwhile is refused: the page says why and shows what counts."""
    (show,) = await make_shows(database_url)
    song = show.songs[0]
    visitor = await fan()
    visitor.may_complain = NO_WAY
    seat = await visitor.open_show(show.id)
    await visitor.context.set_offline(True)
    await seat.button(song, "up").tap()
    await seat.is_marked(song, "waiting")
    await sql.execute("update shows set closes_at = now()")
    await visitor.context.set_offline(False)
    await expect(seat.page.locator("#notice")).to_contain_text("Voting is closed, so the change to “Song 1”")
    await seat.holds(song, "none")
    await seat.counts(song, 0, 0)
    assert await sql.fetchval("select count(*) from votes") == 0
