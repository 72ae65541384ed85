"""After a show: how well the crowd foresaw it, and which songs were played."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_what_was_played_is_marked(node: Node, fan: OpenFan, database_url: str, sql: Any) -> None:
    """The actual set arrives while somebody looks: a line says how many songs were foreseen, ticks say which; a correction
    moves both.
    """
    (show,) = await make_shows(database_url)
    seat = await (await fan()).open_show(show.id)
    for song in show.songs[:2]:
        await seat.button(song, "up").tap()
        await seat.is_marked(song, "committed")
    line = seat.page.locator(".foreseen")
    await expect(line).to_be_hidden()
    await expect(seat.page.locator("[data-came-true]")).to_have_count(0)
    await sql.execute(
        "with l as (insert into setlists (show_id, type, name) values ($1, 'actual', 'Played') returning id)"
        " insert into setlist_songs (setlist_id, show_id, song_id, position)"
        " select l.id, $1, e.song_id, e.position from l, setlist_songs e where e.id = any ($2::bigint[])",
        show.id, [show.songs[0], *show.songs[3:]],
    )  # fmt: skip
    await expect(line).to_be_visible()
    await expect(line).to_have_text("The crowd foresaw 1 of 4 songs 1 of its 2 picks was played.")
    await expect(seat.row(show.songs[0])).to_have_attribute("data-came-true", "")
    await expect(seat.row(show.songs[0])).to_contain_text("Was played.")
    await expect(seat.row(show.songs[1])).not_to_have_attribute("data-came-true", "")
    await expect(seat.page.locator("[data-came-true]")).to_have_count(4)
    await sql.execute("delete from setlists where type = 'actual'")
    await expect(line).to_be_hidden()
    await expect(seat.page.locator("[data-came-true]")).to_have_count(0)
