"""Layout, contrast and the accessibility tree: on a phone and a desktop, in light and dark."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, Literal

import asyncpg
import pytest
from playwright.async_api import Page, expect

from server.node.node import Node
from server.sample.demo import seed_demo
from tests.browser.conftest import OpenFan
from tests.browser.pages import DESKTOP, NETWORK_ERRORS, PHONE, Tab
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
CONTRAST = Path(__file__).with_name("contrast.js").read_text()
HAS_NO_OVERFLOW = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
# The elements that reach past the right edge, for the message of a failed assertion. The trending shows scroll sideways.
OVERFLOWING = """() => [...document.querySelectorAll("main *, header *")]
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 1 && !element.closest(".row, .trending-items"))
    .map((element) => element.outerHTML.slice(0, 120))"""
# Two animations never end and are not waited for: the dot of a page that reconnects, the beat beside a song that plays.
ANIMATIONS_ENDED = """async () => {
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    await Promise.all(document.getAnimations()
    .filter((running) => running.effect.getComputedTiming().endTime < Infinity)
    .map((running) => running.finished.catch(() => {})));
}"""

WATCH_POLICY = (
    "addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective}`))"
)
SHOW = "select id from shows where status = $1 and not is_locked and closes_at {} now() order by id limit 1"
# Songs that have been played take no votes.
SHOW_WITH_VOTES = """select w.id from shows w join setlist_songs s on s.show_id = w.id and s.played_at is null
    where w.status = 'live' and not w.is_locked and w.closes_at > now() group by 1 having count(*) > 2 order by 1 limit 1"""


async def faint_texts(page: Page, canvas: Page, height: int = 2400) -> list[str]:
    """Texts in the first `height` pixels with a contrast below 4.5 to 1 (3 to 1 when large). Hides all texts."""
    assert page.viewport_size is not None
    await page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
    # Texts under the sticky header would be measured against it.
    await page.evaluate("() => scrollTo(0, 0)")
    await page.evaluate(ANIMATIONS_ENDED)
    texts: list[dict[str, Any]] = await page.evaluate(f"() => ({CONTRAST}).collectTexts()")
    assert len(texts) > 10
    picture = base64.b64encode(await page.screenshot(animations="disabled", scale="css")).decode()
    given = {"texts": texts, "picture": picture}
    measured = await canvas.evaluate(f"(given) => ({CONTRAST}).measureContrast(given)", given)
    return [f"{text['words']}: {text['contrast']:.2f}, {text['color']}" for text in measured if not text["isEnough"]]


async def test_everything_can_be_read(
    canvas: Page,
    own_node: Node,
    open_fan: OpenFan,
    own_database_url: str,
    own_sql: asyncpg.Connection[asyncpg.Record],
) -> None:
    """With the sample data, every text has enough contrast and nothing reaches past the edge, for shows in every state."""
    await seed_demo(own_database_url)
    visitor = await open_fan(own_node.url)

    async def is_fine(tab: Tab, height: int = 2400) -> None:
        await expect(tab.page.locator(".skeleton").first).to_be_hidden()
        assert await tab.page.evaluate(HAS_NO_OVERFLOW), await tab.page.evaluate(OVERFLOWING)
        assert not await tab.page.evaluate(OVERFLOWING)
        for scheme in SCHEMES:
            # A text that still moves would be measured in the wrong place.
            await tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert not await faint_texts(tab.page, canvas, height), scheme
        await tab.page.close()

    tab = await visitor.open("/", script=WATCH_POLICY)
    # Each list comes by itself.
    await expect(tab.page.locator(".card[data-show]")).to_have_count(24)
    await expect(tab.page.get_by_role("region", name="Trending now").get_by_role("listitem")).to_have_count(5)
    await is_fine(tab)

    open_show = await own_sql.fetchval(SHOW_WITH_VOTES)
    tab = await visitor.open_show(open_show, script=WATCH_POLICY)
    first, second, third, *_ = [song for song in await tab.order() if await tab.button(song, "up").is_enabled()]
    await tab.button(first, "up").tap()
    await tab.button(second, "down").tap()
    await tab.expect_durability(first, "committed")
    await tab.expect_durability(second, "committed")
    visitor.allowed_errors = NETWORK_ERRORS
    await visitor.context.set_offline(True)
    await tab.button(third, "up").tap()
    await tab.expect_durability(third, "waiting")
    await is_fine(tab)
    await visitor.context.set_offline(False)

    played = await own_sql.fetchval(SHOW.format("<"), "finished")
    tab = await visitor.open_show(played, script=WATCH_POLICY)
    await is_fine(tab)

    (entry,) = await own_sql.fetch(
        "select a.slug as artist, v.slug as venue, (select min(song_id) from setlist_songs where show_id = s.id) as song"
        " from shows s join artists a on a.id = s.artist_id join venues v on v.id = s.venue_id where s.id = $1",
        played,
    )
    for path in (f"/artists/{entry['artist']}", f"/venues/{entry['venue']}", f"/songs/{entry['song']}"):
        tab = await visitor.open(path, script=WATCH_POLICY)
        await expect(tab.page.locator(".part").first).to_be_visible()
        await is_fine(tab)

    tab = await visitor.open("/me", script=WATCH_POLICY)
    await expect(tab.page.get_by_role("region", name="Your ballots").get_by_role("listitem")).to_have_count(1)
    await tab.page.get_by_role("button", name="Erase my account").tap()
    await is_fine(tab)

    await own_sql.execute("update shows set is_locked = true where id = $1", open_show)
    tab = await visitor.open_show(open_show, script=WATCH_POLICY)
    await expect(tab.page.get_by_text("Voting is paused by the organisers")).to_be_visible()
    await is_fine(tab, PHONE["height"])

    wide = await (await open_fan(own_node.url, viewport=DESKTOP)).open_show(played, script=WATCH_POLICY)
    await is_fine(wide, DESKTOP["height"])


async def test_faint_and_overflowing_text_is_found(
    canvas: Page, node: Node, open_fan: OpenFan, database_url: str
) -> None:
    """The checks themselves can fail: on a title as pale as its row, and on a heading as wide as two windows."""
    (show,) = await make_shows(database_url)
    tab = await (await open_fan(scheme="light")).open_show(show.id)
    await tab.row(show.songs[0]).locator(".title").evaluate("title => { title.style.color = 'rgb(200, 200, 190)' }")
    (faint,) = await faint_texts(tab.page, canvas)
    assert faint.startswith("Song 1: 1.")
    assert await tab.page.evaluate(HAS_NO_OVERFLOW)
    await tab.page.locator("h1").evaluate("heading => { heading.style.width = '200vw' }")
    assert not await tab.page.evaluate(HAS_NO_OVERFLOW)


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
