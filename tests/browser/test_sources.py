"""The sources of a show: links to pages on other sites, each with a text that says what it shows."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.browser.pages import DESKTOP, PHONE
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")

PUT_SHOW = (
    "insert into show_identities (service, external_id, show_id, url, confidence, evidence)"
    " values ($1::sync_service, 'x', $2, $3, 1, 'listed there')"
)
PUT_ARTIST = (
    "insert into artist_identities (service, external_id, artist_id, url, confidence, evidence)"
    " select s, s, w.artist_id, u, 1, 'linked' from unnest($2::sync_service[], $3::text[]) as g (s, u), shows w where w.id = $1"
)
EVENT = "https://www.ticketmaster.com/event/7"
ARTIST = "https://www.setlist.fm/setlists/somebody-1.html"
PLAYED = "https://www.setlist.fm/setlist/somebody/2026/hall-7.html"


async def test_a_show_links_to_its_sources(node: Node, open_fan: OpenFan, database_url: str, sql: Any) -> None:
    """Prediction, tickets and artist have links that the keyboard reaches, on a phone and a desktop; an actual set adds its
    link to an open page; an address that is no web page is left out.
    """
    (show,) = await make_shows(database_url)
    tab = await (await open_fan()).open_show(show.id)
    await expect(tab.page.locator(".sources")).to_be_hidden()
    await sql.execute(PUT_SHOW, "ticketmaster", show.id, EVENT)
    await sql.execute(
        PUT_ARTIST, show.id, ["setlistfm", "spotify", "musicbrainz"],
        [ARTIST, "javascript:alert(1)", "https://musicbrainz.org/artist/1"],
    )  # fmt: skip
    await sql.execute("insert into show_predictions (show_id, songs, basis) values ($1, '{}', 5)", show.id)
    for viewport in (PHONE, DESKTOP):
        await tab.page.set_viewport_size(viewport)
        await tab.page.reload()
        links = tab.page.get_by_role("navigation", name="Sources").get_by_role("link")
        await expect(links).to_have_text(
            ["About the artist on MusicBrainz", "Predicted from setlists on setlist.fm", "Tickets on Ticketmaster"]
        )
        assert [await link.get_attribute("href") for link in await links.all()] == [
            "https://musicbrainz.org/artist/1", ARTIST, EVENT,
        ]  # fmt: skip
        for link in await links.all():
            assert "nofollow" not in (await link.get_attribute("rel") or "")
            box = await link.bounding_box()
            assert box is not None
            assert box["height"] >= 44
        await links.first.focus()
        await tab.page.keyboard.press("Tab")
        await expect(links.nth(1)).to_be_focused()
    async with sql.transaction():
        await sql.execute(PUT_SHOW, "setlistfm", show.id, PLAYED)
        await sql.execute(
            "with l as (insert into setlists (show_id, type, name) values ($1, 'actual', 'Played') returning id)"
            " insert into setlist_songs (setlist_id, show_id, song_id, position)"
            " select l.id, $1, e.song_id, e.position from l, setlist_songs e where e.id = any ($2::bigint[])",
            show.id, show.songs[:2],
        )  # fmt: skip
    await expect(links.nth(1)).to_have_text("Songs played, on setlist.fm")
    await expect(links.nth(1)).to_have_attribute("href", PLAYED)
    await expect(links.nth(1)).to_be_focused()
