"""Songs that fans suggest, from the form to the vote."""

from __future__ import annotations

import aiohttp
import asyncpg
import pytest
from playwright.async_api import expect

from server.node.node import Node
from server.people.sessions import mint_token
from tests.browser.conftest import OpenFan
from tests.support.node_process import SECRET
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_approved_suggestion_can_be_voted_on_at_once(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Without a reload the song stands in the set, the fan's list says so, and a vote on it counts."""
    (show,) = await make_shows(database_url)
    tab = await (await open_fan()).open_show(show.id)
    await tab.button(show.songs[0], "up").tap()
    await tab.expect_durability(show.songs[0], "committed")
    await tab.page.get_by_label("Title of a song").fill("Rarity")
    await tab.page.get_by_role("button", name="Suggest").tap()
    own = tab.page.locator(".suggest-list li")
    await expect(own).to_have_text("RarityWaiting")

    moderator = await sql.fetchval("insert into users (role) values ('moderator') returning id")
    suggestion = await sql.fetchval("select id from song_suggestions where show_id = $1", show.id)
    headers = {"Authorization": f"Bearer {mint_token(SECRET, moderator, 'moderator')}"}
    async with aiohttp.request(
        "POST", f"{node.url}/api/admin/suggestions/{suggestion}", json={"decision": "approve"}, headers=headers
    ) as answer:
        song = (await answer.json())["song"]
    await expect(own).to_have_text("RarityIn the set")
    await expect(tab.row(song).locator(".title")).to_have_text("Rarity")
    await tab.button(song, "up").tap()
    await tab.expect_durability(song, "committed")
    await tab.expect_counts(song, 1, 0)
