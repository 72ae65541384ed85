"""Seen by everybody: narrow and wide, light and dark, with poor eyes and with a screen reader."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, Literal

import asyncpg
import pytest
from playwright.async_api import Browser, Page, expect

from server.node.node import Node
from server.sample.demo import seed
from tests.browser.conftest import OpenFan
from tests.browser.pages import DESKTOP, NO_WAY, PHONE
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
EYES = Path(__file__).with_name("contrast.js").read_text()
NOTHING_HIDDEN = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
# What reaches past the right edge, to know where to look when something does.
OVERHANGING = """() => [...document.querySelectorAll("main *, header *")]
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 1 && !element.closest(".row"))
    .map((element) => element.outerHTML.slice(0, 120))"""
# Some animations never end: the dot of a page that reconnects, the beat beside a song that plays.
AT_REST = """async () => {
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    await Promise.all(document.getAnimations()
    .filter((running) => running.effect.getComputedTiming().endTime < Infinity)
    .map((running) => running.finished.catch(() => {})));
}"""

SHOW = "select id from shows where status = $1 and not is_locked and closes_at {} now() order by id limit 1"


async def too_faint(page: Page, browser: Browser, height: int = 2400) -> list[str]:
    """Texts in the first `height` pixels that stand out less than 4.5 to 1 (3 to 1 when large); hides all texts."""
    assert page.viewport_size is not None
    await page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
    await page.evaluate(AT_REST)
    texts: list[dict[str, Any]] = await page.evaluate(f"() => ({EYES}).texts()")
    assert len(texts) > 10
    picture = base64.b64encode(await page.screenshot(animations="disabled", scale="css")).decode()
    bench = await browser.new_page()
    try:
        judged = await bench.evaluate(f"(given) => ({EYES}).worst(given)", {"texts": texts, "picture": picture})
    finally:
        await bench.close()
    return [f"{text['words']}: {text['contrast']:.2f}, {text['color']}" for text in judged if not text["isEnough"]]


async def test_everything_can_be_read(
    browser: Browser, node: Node, fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """On the sample data no text is too faint, light or dark, and nothing lies beyond a phone's edge, whatever a show's state."""
    await seed(database_url)
    visitor = await fan(viewport=PHONE)
    await visitor.context.add_init_script(
        "addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective}`))"
    )

    async def is_fine(seat: Any) -> None:
        await expect(seat.page.locator(".skeleton").first).to_be_hidden()
        assert await seat.page.evaluate(NOTHING_HIDDEN), await seat.page.evaluate(OVERHANGING)
        assert not await seat.page.evaluate(OVERHANGING)
        for scheme in SCHEMES:
            # What still moves would be measured in one place and looked at in another.
            await seat.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert not await too_faint(seat.page, browser), scheme
        await seat.page.close()

    seat = await visitor.open("/")
    await expect(seat.page.get_by_role("listitem")).to_have_count(24)
    await is_fine(seat)

    open_show = await sql.fetchval(SHOW.format(">"), "live")
    seat = await visitor.open_show(open_show)
    first, second, third, *_ = await seat.order()
    await seat.button(first, "up").tap()
    await seat.button(second, "down").tap()
    await seat.is_marked(first, "committed")
    await seat.is_marked(second, "committed")
    visitor.may_complain = NO_WAY
    await visitor.context.set_offline(True)
    await seat.button(third, "up").tap()
    await seat.is_marked(third, "waiting")
    await is_fine(seat)
    await visitor.context.set_offline(False)

    played = await sql.fetchval(SHOW.format("<"), "finished")
    seat = await visitor.open_show(played)
    await is_fine(seat)

    await sql.execute("update shows set is_locked = true where id = $1", open_show)
    seat = await visitor.open_show(open_show)
    await expect(seat.page.get_by_text("Voting is paused by the organisers")).to_be_visible()
    await is_fine(seat)

    wide = await (await fan(viewport=DESKTOP)).open_show(played)
    await is_fine(wide)


async def test_faint_text_would_be_noticed(browser: Browser, node: Node, fan: OpenFan, database_url: str) -> None:
    """The measure itself can fail: a title as pale as its row, and a row as broad as two windows."""
    (show,) = await make_shows(database_url)
    seat = await (await fan(scheme="light")).open_show(show.id)
    await seat.row(show.songs[0]).locator(".title").evaluate("title => { title.style.color = 'rgb(200, 200, 190)' }")
    (faint,) = await too_faint(seat.page, browser)
    assert faint.startswith("Song 1: 1.")
    assert await seat.page.evaluate(NOTHING_HIDDEN)
    await seat.page.locator("h1").evaluate("heading => { heading.style.width = '200vw' }")
    assert not await seat.page.evaluate(NOTHING_HIDDEN)


async def test_a_screen_reader_is_told_what_is_where(node: Node, fan: OpenFan, database_url: str) -> None:
    """Landmarks, headings, and for every song its name, its counts and two buttons that say what they do."""
    (show,) = await make_shows(database_url, songs=2)
    visitor = await fan(viewport=DESKTOP)
    seat = await visitor.open("/")
    await expect(seat.page.get_by_role("listitem")).to_have_count(1)
    await expect(seat.page.locator("body")).to_match_aria_snapshot("""
        - link "Skip to content"
        - banner:
          - link "MySetlist"
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
    """)
    seat = await visitor.open_show(show.id)
    await seat.button(show.songs[0], "up").click()
    await seat.is_marked(show.songs[0], "committed")
    await expect(seat.page.locator("#say-vote")).to_have_text("Voted up: Song 1.")
    await expect(seat.page.locator("main")).to_match_aria_snapshot("""
        - main:
          - link "All shows"
          - heading [level=1]
          - paragraph: /Voting open until .+/
          - paragraph: Tap an arrow to vote, tap it again to take the vote back.
          - heading "Predicted setlist Main set" [level=2]
          - group "Order of songs":
            - button "By votes" [pressed]
            - button "Setlist order"
          - list "Predicted setlist Main set":
            - listitem:
              - text: /Song 1.* 1 up, 0 down\\. .*Your vote, counted/
              - group "Your vote on Song 1":
                - 'button "Vote up: Song 1" [pressed]'
                - 'button "Vote down: Song 1"'
            - listitem:
              - group "Your vote on Song 2":
                - 'button "Vote up: Song 2"'
                - 'button "Vote down: Song 2"'
    """)


async def test_a_night_of_several_sets(
    node: Node, fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """The bill, a heading for each set, badges, a medley as one piece; and a note that comes later is there at once."""
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
    seat = await (await fan()).open_show(show.id)
    page = seat.page
    await expect(page.locator(".show-bill")).to_have_text("with نور الهدى")
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
    assert await seat.order() == [*show.songs, opener]
    await expect(seat.row(show.songs[2]).locator(".tag")).to_have_text("Cover of نور الهدى")
    await expect(seat.row(opener).locator(".tag")).to_have_count(0)
    await expect(seat.row(show.songs[0])).to_have_attribute("data-joined", "down")
    await expect(seat.row(show.songs[1])).to_have_attribute("data-joined", "up")
    await expect(seat.row(show.songs[2])).not_to_have_attribute("data-joined", "up")
    assert await page.evaluate(NOTHING_HIDDEN), await page.evaluate(OVERHANGING)

    # Songs of every set are voted on.
    for song in (show.songs[0], show.songs[3], opener):
        await seat.button(song, "up").tap()
        await seat.is_marked(song, "committed")
    await seat.has_total(3)

    note = "with a string quartet and a choir of two hundred 🎻"
    await sql.execute("update setlist_songs set note = $2 where id = $1", show.songs[3], note)
    await expect(seat.row(show.songs[3]).locator(".tag")).to_have_text(note)
    assert await page.evaluate(NOTHING_HIDDEN), await page.evaluate(OVERHANGING)
    heights = await page.locator("[data-song]").evaluate_all(
        "rows => [...new Set(rows.map((row) => row.offsetHeight))]"
    )
    assert len(heights) == 1
