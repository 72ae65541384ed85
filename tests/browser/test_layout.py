"""What a fan sees without scrolling, and what stays readable: small screens, large letters, forced colours, translated pages."""

from __future__ import annotations

import re

import asyncpg
import pytest
from playwright.async_api import expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.browser.pages import DESKTOP, PHONE
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG_TITLE = "The Overture, the Underture and Everything That They Forgot to Play in Reykjavík in 1994 (Live Version)"
SHIFT_MAX = 0.05
WATCH_SHIFTS = """
window.shift = 0;
new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
# Texts of a row that are cut off, sideways or below.
CUT_TITLES = """() => [...document.querySelectorAll(".title")].filter((title) => {
    const range = document.createRange();
    range.selectNodeContents(title);
    const [text, box, row] = [range, title, title.closest(".row")].map((node) => node.getBoundingClientRect());
    return text.bottom > row.bottom || text.right > row.right || text.height > box.height + 1 || title.scrollWidth > title.clientWidth + 1;
}).map((title) => title.textContent)"""
# Buttons whose accessible name lacks the text that they show (WCAG 2.5.3).
WRONG_LABELS = """() => [...document.querySelectorAll("[aria-label]")]
    .filter((element) => element.matches("button, a, input") && !element.getAttribute("aria-label").includes(element.innerText.trim()))
    .map((element) => element.outerHTML.slice(0, 160))"""


async def test_a_phone_shows_the_first_song_and_keeps_the_state_in_view(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """At 360 × 740 the first song is in view, hardly anything moves while the page loads, and the countdown stays in view."""
    (show,) = await make_shows(database_url, songs=12, votes_per_user_max=5)
    await sql.execute("update shows set closes_at = now() + interval '2 hours 10 minutes' where id = $1", show.id)
    for viewport in (PHONE, DESKTOP):
        visitor = await open_fan(viewport=viewport)
        tab = await visitor.open_show(show.id, script=WATCH_SHIFTS)
        await expect(tab.row(show.songs[0])).to_be_in_viewport(ratio=1)
        await expect(tab.page.locator(".relations")).to_contain_text("followers")
        assert await tab.page.evaluate("() => window.shift") <= SHIFT_MAX
        await tab.row(show.songs[-1]).scroll_into_view_if_needed()
        state = tab.page.locator(".state")
        await expect(state).to_have_text("Closes in 2 hours")
        await expect(state).to_be_in_viewport(ratio=1)
        assert await tab.page.evaluate(WRONG_LABELS) == []
        await tab.goto("/")
        await expect(tab.page.get_by_role("listitem").first).to_be_visible()
        assert await tab.page.evaluate("() => window.shift") <= SHIFT_MAX
        assert await tab.page.evaluate(WRONG_LABELS) == []


async def test_a_tap_says_that_voting_is_paused_and_a_vote_down_costs(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """The page tells what a vote down costs; while voting is paused, a tap tells why nothing happens."""
    (show,) = await make_shows(database_url, votes_per_user_max=5)
    song = show.songs[0]
    tab = await (await open_fan()).open_show(show.id)
    await expect(tab.page.locator("#reason")).to_contain_text("A vote down costs one of your votes, too.")
    await tab.button(song, "down").tap()
    await tab.expect_durability(song, "committed")
    await expect(tab.page.get_by_text("4 of 5 votes left")).to_be_visible()
    await sql.execute("update shows set is_locked = true where id = $1", show.id)
    await expect(tab.button(song, "up")).to_have_attribute("aria-disabled", "true")
    await tab.button(song, "up").tap(force=True)
    await expect(tab.page.locator("#notice")).to_contain_text("Voting is paused by the organisers.")
    await tab.expect_choice(song, "down")


async def test_titles_can_be_read_whole_and_are_not_translated(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """At 320 px and with letters twice as large no title is cut; a translator leaves titles and names alone."""
    (show,) = await make_shows(database_url, songs=3)
    await sql.execute("update songs set title = $1 where title = 'Song 2' and artist_id = $2", LONG_TITLE, show.artist)
    tab = await (await open_fan()).open_show(show.id)
    await tab.page.set_viewport_size({"width": 320, "height": 640})
    for font_size in ("100%", "200%"):
        await tab.page.evaluate("(size) => { document.documentElement.style.fontSize = size }", font_size)
        assert await tab.page.evaluate(CUT_TITLES) == []
        assert await tab.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        # No column of single letters: the title has room for a word.
        assert (
            await tab.page.locator(".title").first.evaluate(
                "title => title.getBoundingClientRect().width / parseFloat(getComputedStyle(title).fontSize)"
            )
            >= 5
        )
    for selector in (".title", "h1", ".show-where", ".brand span"):
        await expect(tab.page.locator(selector).first).to_have_attribute("translate", "no")


async def test_forced_colours_show_the_own_vote_and_the_pressed_order(
    node: Node, open_fan: OpenFan, database_url: str
) -> None:
    """Where the system replaces all colours, pressed buttons still differ from the others."""
    (show,) = await make_shows(database_url, songs=3)
    tab = await (await open_fan()).open_show(show.id)
    await tab.page.emulate_media(forced_colors="active")
    await tab.button(show.songs[0], "up").tap()
    await tab.expect_durability(show.songs[0], "committed")
    background = "button => getComputedStyle(button).backgroundColor"
    own = await tab.button(show.songs[0], "up").evaluate(background)
    assert own != await tab.button(show.songs[0], "down").evaluate(background)
    pressed, released = [await tab.page.locator(".switch").nth(place).evaluate(background) for place in (0, 1)]
    assert pressed != released


async def test_a_finished_show_begins_with_what_was_played(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """The played list comes first, and a song that nobody predicted is marked; equal counts share a place. Nothing is called live."""
    (show,) = await make_shows(database_url, songs=3)
    played = await sql.fetchval(
        "insert into setlists (show_id, type, name) values ($1, 'actual', 'Played') returning id", show.id
    )
    rarity = await sql.fetchval("insert into songs (artist_id, title) values ($1, 'Rarity') returning id", show.artist)
    foreseen, unforeseen = [
        await sql.fetchval(
            "insert into setlist_songs (setlist_id, show_id, song_id, position) values ($1, $2, $3, $4) returning id",
            played, show.id, song, position,
        )
        for position, song in (
            (1, await sql.fetchval("select song_id from setlist_songs where id = $1", show.songs[0])), (2, rarity),
        )
    ]  # fmt: skip
    tab = await (await open_fan()).open_show(show.id)
    await tab.button(show.songs[2], "up").tap()
    await tab.expect_durability(show.songs[2], "committed")
    await tab.page.reload()
    await tab.expect_live()
    assert (await tab.order())[:3] == [show.songs[2], show.songs[0], show.songs[1]]
    assert await tab.page.locator('[data-type="predicted"] .rank').all_inner_texts() == ["1", "2", "2"]
    await expect(tab.connection).to_be_visible()
    await sql.execute("update shows set status = 'finished', closes_at = now() where id = $1", show.id)
    await expect(tab.page.locator(".window-text")).to_have_text("The result is final")
    await expect(tab.connection).to_be_hidden()
    assert (await tab.order())[:2] == [foreseen, unforeseen]
    await expect(tab.row(unforeseen).get_by_text("Not predicted")).to_be_visible()
    await expect(tab.row(foreseen).get_by_text("Not predicted")).to_be_hidden()

    # Beside wide counts a phone has no room for both on one line.
    await sql.execute("update setlist_songs set played_at = now() where id = $1", unforeseen)
    await tab.page.reload()
    await tab.page.set_viewport_size({"width": 250, "height": 640})
    await expect(tab.row(unforeseen).locator(".played")).to_be_visible()
    assert await tab.row(unforeseen).locator(".meta").evaluate("meta => meta.scrollWidth - meta.clientWidth") <= 1
    await tab.page.set_viewport_size(PHONE)

    compared = tab.page.get_by_role("region", name="Foreseen and played")
    songs = compared.get_by_role("list", name="Fans foresaw").get_by_role("listitem")
    await expect(songs).to_have_text(["Song 3, not played"])
    songs = compared.get_by_role("list", name="Played").get_by_role("listitem")
    await expect(songs).to_have_text(["Song 1, not foreseen", "Rarity, not foreseen"])
    await tab.page.get_by_text("How the votes came in").tap()
    await expect(tab.page.get_by_role("img", name=re.compile("^1 vote cast"))).to_be_visible()
    await expect(tab.page.locator(".history .bar")).to_have_count(1)
