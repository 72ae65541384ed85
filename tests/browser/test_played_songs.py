"""A show that is going on: what was played makes room for what takes votes."""

from __future__ import annotations

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import expect

from server.node.node import Node
from server.people.sessions import mint_token
from tests.browser.checks import findings
from tests.browser.conftest import OpenFan
from tests.support.node_process import SECRET
from tests.support.open_shows import Show, make_shows

# Rows move every 4 s, when nobody scrolls or taps. A longer jump of the clock would end a connection that waits for a pong.
AT_REST_MS = 4_500

pytestmark = pytest.mark.asyncio(loop_scope="session")

IN_VIEW = (
    """(row) => { const { top, bottom } = row.getBoundingClientRect(); return top >= 0 && bottom <= innerHeight; }"""
)


@pytest_asyncio.fixture(loop_scope="session")
async def show(database_url: str) -> Show:
    """A show of 12 songs that goes on, on a phone."""
    (made,) = await make_shows(database_url, songs=12)
    return made


async def test_played_songs_fold_into_one_line(
    node: Node, open_fan: OpenFan, show: Show, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A fan sees a song to vote on without scrolling; a tap shows what was played, in order; a row with the focus stays for now."""
    admin = await sql.fetchval("insert into users (role) values ('admin') returning id")
    await sql.execute("update shows set status = 'live' where id = $1", show.id)
    headers = {"Authorization": f"Bearer {mint_token(SECRET, admin, 'admin')}"}
    first, second, third, *others = show.songs

    async def mark(song: int, *, played: bool = True) -> None:
        body = {"song": song, "played": played}
        url = f"{node.url}/api/admin/shows/{show.id}/played"
        async with aiohttp.request("POST", url, json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()

    for song in (second, first):
        await mark(song)
    fan = await open_fan(with_motion=True)
    tab = await fan.new_tab()
    await tab.page.clock.install()
    await tab.goto(f"/shows/{show.id}")
    await tab.expect_live()
    line = tab.page.locator(".played-rows summary")
    await expect(line).to_contain_text("Playing now: Song 1 Played so far (2)")
    await expect(tab.row(first)).to_be_hidden()
    await expect(tab.row(third)).to_be_visible()
    assert await tab.row(third).evaluate(IN_VIEW)
    assert await findings(tab.page) == []

    # Reading and tabbing go from the line to the songs that take votes.
    await line.focus()
    await tab.page.keyboard.press("Tab")
    await expect(tab.row(third).get_by_role("link")).to_be_focused()
    await line.tap()
    await expect(tab.row(first)).to_be_visible()
    assert (await tab.order())[:3] == [second, first, third]
    await expect(tab.button(first, "up")).to_be_disabled()
    await line.tap()

    await tab.button(third, "up").focus()
    await mark(third)
    await expect(line).to_contain_text("Playing now: Song 3")
    await tab.page.clock.run_for(AT_REST_MS)
    await expect(line).to_contain_text("Played so far (2)")
    await expect(tab.row(third)).to_be_visible()
    await line.focus()
    await tab.page.clock.run_for(AT_REST_MS)
    await expect(line).to_contain_text("Played so far (3)")
    await expect(tab.row(third)).to_be_hidden()

    await mark(third, played=False)
    await tab.page.clock.run_for(AT_REST_MS)
    await expect(tab.row(third)).to_be_visible()
    assert await tab.button(others[0], "up").is_enabled()

    await sql.execute("update shows set status = 'finished', closes_at = now() where id = $1", show.id)
    await tab.page.clock.run_for(AT_REST_MS)
    await expect(line).to_be_hidden()
    assert await tab.order() == list(show.songs)
