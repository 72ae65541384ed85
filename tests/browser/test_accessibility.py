"""The accessibility tree; and that the checks of every page (checks.py) find what they look for."""

from __future__ import annotations

import asyncpg
import pytest
from playwright.async_api import expect

from server.node.node import Node
from tests.browser.checks import HAS_NO_OVERFLOW, OVERFLOWING, problems
from tests.browser.conftest import OpenFan
from tests.browser.pages import DESKTOP
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")


# One fault for each check: where it is found, on which element, and what makes it.
FAULTS = (
    ("phone", "<h1", "document.querySelector('h1').style.width = '200vw'"),
    ("phone", "reason", "Object.assign(document.querySelector('#reason').style, { height: '8px', overflow: 'hidden' })"),
    ("phone", 'class="switch', "Object.assign(document.querySelector('.switch').style, { minHeight: 0, height: '20px' })"),
    ("phone", 'class="back', "document.querySelector('.back').animate([{ opacity: 0 }], { duration: 9, iterations: Infinity })"),
    ("forced colours", "<hr", "document.querySelector('footer').append(document.createElement('hr'))"),
    ("forced colours", "<hr", "document.querySelector('hr').style.cssText = 'width: 40px; height: 4px; border: 0; background: red'"),
    ("right to left", "show-when", "document.querySelector('.show-when').style.marginLeft = '40px'"),
    ("keyboard", 'class="brand', "document.querySelector('.brand').style.outline = 'none'"),
    ("light", "image-alt: <img", "document.querySelector('.brand img').removeAttribute('alt')"),
    ("light", "target-size: <s", "document.querySelector('footer').insertAdjacentHTML('beforeend', '<s role=button tabindex=0>+</s>'.repeat(2)); document.querySelectorAll('footer s').forEach((one) => { one.style.cssText = 'display: block; width: 9px; height: 9px' })"),
    # Two that look the same but for the ground of the second.
    ("light", "color-contrast: <i", "document.querySelector('footer').insertAdjacentHTML('beforeend', '<b><i>fine</i></b><b><i>faint</i></b>')"),
    ("dark", "color-contrast: <i", "document.querySelectorAll('footer b').forEach((one, at) => { one.style.cssText = `color: #888; background: ${['#000', '#999'][at]}` })"),
)  # fmt: skip


async def test_each_fault_is_found(node: Node, open_fan: OpenFan, database_url: str) -> None:
    """A page that is fine has no finding; with one fault for each check, each check finds its own."""
    (show,) = await make_shows(database_url, songs=2)
    page = (await (await open_fan()).open_show(show.id)).page
    assert await problems(page) == []
    for _, _, fault in FAULTS:
        await page.evaluate(f"() => {{ {fault} }}")
    found = await problems(page)
    missed = [
        (where, word)
        for where, word, _ in FAULTS
        if not any(line.startswith(f"{where}: ") and word in line for line in found)
    ]
    assert missed == []


async def test_the_accessibility_tree_is_complete(own_node: Node, open_fan: OpenFan, own_database_url: str) -> None:
    """The list and a show have landmarks and headings; each song has its name, its counts and two labelled buttons."""
    (show,) = await make_shows(own_database_url, songs=2)
    visitor = await open_fan(own_node.url, viewport=DESKTOP)
    tab = await visitor.open("/")
    await expect(tab.page.get_by_role("listitem")).to_have_count(1)
    await expect(tab.page.locator("body")).to_match_aria_snapshot("""
        - link "Skip to content"
        - banner:
          - link "MySetlist"
          - search "Everything":
            - searchbox "Search artists, songs, venues and shows"
          - link "Your account"
        - main:
          - heading "Which songs tonight?" [level=1]
          - search:
            - searchbox "Search shows"
          - group "Status":
            - button "All" [pressed]
            - button "Live"
            - button "Upcoming"
            - button "Finished"
          - status: 1 show listed
          - list:
            - listitem:
              - heading [level=2]:
                - link
              - paragraph:
                - link
    """)
    tab = await visitor.open_show(show.id)
    await tab.button(show.songs[0], "up").click()
    await tab.expect_durability(show.songs[0], "committed")
    await expect(tab.page.locator("#vote-announcer")).to_have_text("Voted up: Song 1.")
    await expect(tab.page.locator("main")).to_match_aria_snapshot("""
        - main:
          - link "All shows"
          - heading [level=1]:
            - link
          - paragraph: /Voting open until .+/
          - paragraph: Tap an arrow to vote, tap it again to take the vote back.
          - heading "Predicted setlist Main set" [level=2]
          - group "Order of songs":
            - button "By votes" [pressed]
            - button "Setlist order"
          - list "Predicted setlist Main set":
            - listitem:
              - link "Song 1"
              - text: /1 up, 0 down\\. .*Your vote, counted/
              - group "Your vote on Song 1":
                - 'button "Vote up: Song 1, 1" [pressed]'
                - 'button "Vote down: Song 1, 0"'
            - listitem:
              - group "Your vote on Song 2":
                - 'button "Vote up: Song 2, 0"'
                - 'button "Vote down: Song 2, 0"'
    """)


async def test_a_show_of_several_sets(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A show has its bill, a heading for each set, tags, and a medley as one piece; a later note appears without a reload."""
    (show,) = await make_shows(database_url, songs=4)
    support = await sql.fetchval("insert into artists (slug, name) values ('nur', 'نور الهدى') returning id")
    await sql.execute(
        "insert into show_artists (show_id, artist_id, billing, position) values ($1, $2, 'support', 2)",
        show.id,
        support,
    )
    await sql.execute(
        "with encore as (insert into setlists (show_id, type, kind, name, position)"
        "                values ($1, 'predicted', 'encore', 'Encore', 2) returning id)"
        " update setlist_songs s set setlist_id = encore.id from encore where s.id = $2",
        show.id,
        show.songs[3],
    )
    opener = await sql.fetchval(
        "with opening as (insert into setlists (show_id, type, name, position, artist_id)"
        "                 values ($1, 'predicted', 'Support set', 3, $2) returning id),"
        " song as (insert into songs (artist_id, title) values ($2, 'أغنية') returning id)"
        " insert into setlist_songs (setlist_id, show_id, song_id, position)"
        " select opening.id, $1, song.id, 1 from opening, song returning id",
        show.id,
        support,
    )
    await sql.execute("update setlist_songs set medley = 1 where id = any($1::bigint[])", show.songs[:2])
    await sql.execute(
        "update setlist_songs set song_id = (select id from songs where artist_id = $2) where id = $1",
        show.songs[2],
        support,
    )
    tab = await (await open_fan()).open_show(show.id)
    page = tab.page
    await expect(page.locator(".show-bill")).to_have_text("with \u2068نور الهدى\u2069")
    await expect(page.locator("main")).to_match_aria_snapshot("""
        - main:
          - heading "Predicted setlist" [level=2]
          - group "Order of songs"
          - heading "Main set" [level=3]
          - list "Predicted setlist Main set"
          - heading "Encore" [level=3]
          - list "Predicted setlist Encore"
          - heading "نور الهدى" [level=3]
          - list "Predicted setlist نور الهدى"
    """)
    assert await tab.order() == [*show.songs, opener]
    await expect(tab.row(show.songs[2]).locator(".tag")).to_have_text("Cover of \u2068نور الهدى\u2069")
    await expect(tab.row(opener).locator(".tag")).to_have_count(0)
    await expect(tab.row(show.songs[0])).to_have_attribute("data-joined", "down")
    await expect(tab.row(show.songs[1])).to_have_attribute("data-joined", "up")
    await expect(tab.row(show.songs[2])).not_to_have_attribute("data-joined", "up")
    assert await page.evaluate(HAS_NO_OVERFLOW), await page.evaluate(OVERFLOWING)

    # Songs of every set can be voted on.
    for song in (show.songs[0], show.songs[3], opener):
        await tab.button(song, "up").tap()
        await tab.expect_durability(song, "committed")
    await tab.expect_total(3)

    note = "with a string quartet and a choir of two hundred 🎻"
    await sql.execute("update setlist_songs set note = $2 where id = $1", show.songs[3], note)
    await expect(tab.row(show.songs[3]).locator(".tag")).to_have_text(note)
    assert await page.evaluate(HAS_NO_OVERFLOW), await page.evaluate(OVERFLOWING)
    heights = await page.locator("[data-song]").evaluate_all(
        "rows => [...new Set(rows.map((row) => row.offsetHeight))]"
    )
    assert len(heights) == 1
