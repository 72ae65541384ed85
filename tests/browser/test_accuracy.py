"""After a show: how well the crowd predicted it, and which songs were played."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_played_songs_are_marked(node: Node, open_fan: OpenFan, database_url: str, sql: Any) -> None:
    """When the actual set arrives on an open page, a line says how many songs the crowd predicted and ticks say which; a
    correction changes both.
    """
    (show,) = await make_shows(database_url)
    tab = await (await open_fan()).open_show(show.id)
    for song in show.songs[:2]:
        await tab.button(song, "up").tap()
        await tab.expect_durability(song, "committed")
    line = tab.page.locator(".accuracy")
    await expect(line).to_be_hidden()
    await expect(tab.page.locator("[data-was-played]")).to_have_count(0)
    await sql.execute(
        "with l as (insert into setlists (show_id, type, name) values ($1, 'actual', 'Played') returning id)"
        " insert into setlist_songs (setlist_id, show_id, song_id, position)"
        " select l.id, $1, e.song_id, e.position from l, setlist_songs e where e.id = any ($2::bigint[])",
        show.id, [show.songs[0], *show.songs[3:]],
    )  # fmt: skip
    await expect(line).to_be_visible()
    await expect(line).to_have_text("The crowd predicted 1 of 4 songs 1 of its 2 picks was played.")
    await expect(tab.row(show.songs[0])).to_have_attribute("data-was-played", "")
    await expect(tab.row(show.songs[0])).to_contain_text("Was played.")
    await expect(tab.row(show.songs[1])).not_to_have_attribute("data-was-played", "")
    await expect(tab.page.locator("[data-was-played]")).to_have_count(4)
    await sql.execute("delete from setlists where type = 'actual' and show_id = $1", show.id)
    await expect(line).to_be_hidden()
    await expect(tab.page.locator("[data-was-played]")).to_have_count(0)
