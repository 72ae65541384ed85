"""The pages that show one show and take no votes: a venue's screen, an overlay of a video stream, a frame in another site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, ViewportSize, expect

from server.node.node import Node
from tests.browser.checks import WATCH_POLICY, findings
from tests.browser.conftest import OpenFan
from tests.browser.pages import DESKTOP, NETWORK_ERRORS, PHONE, Tab, vote
from tests.browser.test_old_browsers import WITHOUT_NEW_FEATURES, WITHOUT_STORAGE
from tests.support.open_shows import make_shows
from tests.support.proxy import TcpProxy

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What TV sets of 2018 do not have, beside what the oldest phones lack, as far as playwright itself does not need it; and a clock
# that is wrong by a day. tests/unit/web/test_wall_syntax.py looks for the rest.
TV_SET = f"""{WITHOUT_NEW_FEATURES}{WITHOUT_STORAGE}{WATCH_POLICY}
for (const name of ["WebSocket", "fetch", "AbortController"]) delete window[name];
for (const name of ["replaceChildren", "toggleAttribute"]) delete Element.prototype[name];
for (const name of ["padStart", "padEnd", "matchAll"]) delete String.prototype[name];
delete Object.fromEntries;
delete Promise.allSettled;
const now = Date.now;
Date.now = () => now() + 86_400_000;
"""
NO_STREAM = f"{WATCH_POLICY}; delete window.EventSource;"
FULL_HD: ViewportSize = {"width": 1920, "height": 1080}
DOCS = Path(__file__).parents[2] / "docs" / "wall.md"
IS_WHOLE = (
    "() => document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth"
)

HAS_FRAME_OF_CONTENT = """() => {
    const frame = document.querySelector("iframe");
    const height = frame.contentDocument.querySelector("main").getBoundingClientRect().height;
    const { scrollWidth } = frame.contentDocument.documentElement;
    return height > 200 && Math.abs(frame.clientHeight - height) <= 1 && scrollWidth <= frame.clientWidth;
}"""
SITE = '<!doctype html><html lang="en"><title>Band</title><meta name="viewport" content="width=device-width"><main><h1>Band</h1>'


def count_of(tab: Tab, song: int) -> Locator:
    """The count of a song."""
    return tab.row(song).locator(".count")


async def order(page: Page) -> list[int]:
    """Song ids as a person sees them, from top to bottom; waits until nothing moves."""
    tops: list[tuple[int, int]] = await page.locator(".song").evaluate_all(
        """async (rows) => {
            await Promise.all(rows.flatMap((row) => row.getAnimations()).map((moving) => moving.finished));
            return rows.map((row) => [row.getBoundingClientRect().top, Number(row.getAttribute("data-song"))]);
        }"""
    )
    return [song for _, song in sorted(tops)]


async def test_a_screen_runs_unattended(
    node: Node, open_fan: OpenFan, database_url: str, sql: Any, proxy: TcpProxy
) -> None:
    """On a TV set of 2018 with a wrong clock: bars follow votes, the song that plays shows, and a lost network is survived."""
    (show,) = await make_shows(database_url, songs=20)
    first, second, third, *_ = show.songs
    await sql.execute(
        "update shows set status = 'live', closes_at = now() + interval '90 minutes' where id = $1", show.id
    )
    visitor = await open_fan(proxy.url, viewport=FULL_HD, with_motion=True)
    visitor.allowed_errors = NETWORK_ERRORS
    tab = await visitor.open(f"/screen/{show.id}", script=TV_SET)
    page = tab.page
    await expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("^artist-"))
    # As many songs as fit, and nothing cut.
    assert 7 <= await page.locator(".song").count() <= 10
    assert await page.evaluate(IS_WHOLE)
    await expect(page.locator(".window")).to_have_text(re.compile("^Voting ends in 1:(29|30):"))
    await expect(page.locator("#totals")).to_have_text("0 votes · 1 watching")

    await vote(node, database_url, show.id, second, third)
    await vote(node, database_url, show.id, third)
    await expect(count_of(tab, third)).to_have_text("2")
    await expect(tab.row(third)).to_have_attribute("data-move", "translateY(0%)")
    assert (await order(page))[:3] == [third, second, first]
    await expect(tab.row(second).locator(".fill")).to_have_attribute("data-move", "scaleX(0.5000)")
    await expect(page.locator("#totals")).to_have_text("3 votes · 1 watching")

    place = await page.locator("#songs").bounding_box()
    element_count = await page.evaluate("() => document.querySelectorAll('*').length")
    await sql.execute("update setlist_songs set played_at = now() where id = $1", third)
    await expect(page.locator("#playing")).to_have_text(re.compile("Playing now\\s+Song 3"))
    # Fans can still choose the others, so these come first.
    await expect(tab.row(second)).to_have_attribute("data-move", "translateY(0%)")
    assert await page.locator("#songs").bounding_box() == place
    assert await page.evaluate("() => document.querySelectorAll('*').length") <= element_count

    proxy.targets.clear()
    proxy.cut()
    await expect(page.locator("#connection")).to_have_text("No connection. The counts follow when it is back.")
    await expect(count_of(tab, second)).to_have_text("1")
    await vote(node, database_url, show.id, second)
    proxy.targets.append(node.port)
    await expect(count_of(tab, second)).to_have_text("2")
    await expect(page.locator("#connection")).to_have_text("")
    await expect(page.locator("#totals")).to_have_text("4 votes · 1 watching")
    await vote(node, database_url, show.id, first)
    await expect(count_of(tab, first)).to_have_text("1")
    await page.set_viewport_size({"width": 1280, "height": 720})
    assert await page.evaluate(IS_WHOLE)

    address = "".join(await page.locator(".join-address").all_inner_texts()).replace("\n", "")
    phone = (await visitor.new_tab()).page
    await phone.goto(f"http://{address.lower()}")
    assert re.search(r"/shows/show-\d+$", phone.url)


async def test_a_screen_hides_what_fans_may_not_see(node: Node, open_fan: OpenFan, database_url: str, sql: Any) -> None:
    """Counts leave an open screen when staff hide them, also on a machine of a fan who has voted; they come back in the end."""
    (show,) = await make_shows(database_url)
    song = show.songs[2]
    visitor = await open_fan(viewport=DESKTOP)
    fan = await visitor.open_show(show.id)
    await fan.button(song, "up").click()
    await fan.expect_durability(song, "committed")
    tab = await visitor.open(f"/screen/{show.id}", script=WATCH_POLICY)
    note = tab.page.locator("#note")
    await expect(count_of(tab, song)).to_have_text("1")
    await sql.execute("update shows set results = 'after_vote' where id = $1", show.id)
    await expect(note).to_have_text("Vote to see the counts on your phone.")
    await expect(count_of(tab, song)).to_have_text("")
    await expect(tab.row(song).locator(".fill")).to_have_attribute("data-move", "scaleX(0)")
    assert await order(tab.page) == list(show.songs)
    assert await findings(tab.page) == []
    await tab.page.reload()
    await expect(note).to_have_text("Vote to see the counts on your phone.")
    await expect(count_of(tab, song)).to_have_text("")
    await sql.execute("update shows set closes_at = now() where id = $1", show.id)
    await expect(tab.page.locator(".voting")).to_have_text("Final result")
    await expect(count_of(tab, song)).to_have_text("1")
    await expect(note).to_have_text("")

    # The result on paper: black on white also for a fan whose screen is dark, with counts and without what can only be tapped.
    await fan.page.emulate_media(media="print", color_scheme="dark")
    await expect(fan.connection).to_be_hidden()
    await expect(fan.page.get_by_role("button", name="Setlist order")).to_be_hidden()
    await expect(fan.page.get_by_role("textbox")).to_have_count(0)
    await fan.expect_counts(song, 1, 0)
    await expect(fan.button(song, "up").locator(".count")).to_be_visible()
    await expect(fan.page.get_by_text("The result is final")).to_be_visible()
    await expect(fan.page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    await expect(fan.row(song).locator(".title")).to_have_css("color", "rgb(0, 0, 0)")

    await tab.goto(f"/screen/{show.id}?theme=light")
    await expect(count_of(tab, song)).to_have_text("1")
    assert await findings(tab.page) == []


async def test_an_overlay_is_transparent(node: Node, open_fan: OpenFan, database_url: str) -> None:
    """Everything around its panel is transparent, and the address says where it stands and how many songs it has."""
    (show,) = await make_shows(database_url)
    visitor = await open_fan(viewport=FULL_HD)
    tab = await visitor.open(f"/overlay/{show.id}?position=top-right&songs=3", script=WATCH_POLICY)
    await expect(tab.page.locator(".song")).to_have_count(3)
    await vote(node, database_url, show.id, show.songs[5])
    await expect(count_of(tab, show.songs[5])).to_have_text("1")
    box = await tab.page.locator(".wall").bounding_box()
    assert box is not None
    assert (box["x"] > 960, box["y"] < 100, box["height"] < 540) == (True, True, True)
    grounds = "() => [document.documentElement, document.body].map((one) => getComputedStyle(one).backgroundColor)"
    assert await tab.page.evaluate(grounds) == ["rgba(0, 0, 0, 0)"] * 2
    assert await findings(tab.page) == []


async def test_a_frame_of_another_site(node: Node, open_fan: OpenFan, database_url: str) -> None:
    """With the two lines of the docs a frame has the height of its content; without events counts come by polling."""
    (show,) = await make_shows(database_url)
    [lines] = re.findall("```html\n(.*?)```", DOCS.read_text(), re.DOTALL)
    html = lines.replace("https://votes.example.org/embed/7", f"{node.url}/embed/{show.id}")
    tab = await (await open_fan(viewport=PHONE)).new_tab()
    page = tab.page
    await page.add_init_script(NO_STREAM)
    await page.route("**/site", lambda route: route.fulfill(body=SITE + html, content_type="text/html"))
    await tab.goto("/site")
    frame = page.frame_locator("iframe")
    songs = frame.locator(".song")
    await expect(songs).to_have_count(5)
    await vote(node, database_url, show.id, show.songs[5])
    await expect(frame.locator(f'[data-song="{show.songs[5]}"] .count')).to_have_text("1")
    await expect(frame.locator("#totals")).to_have_text("1 vote")
    await page.wait_for_function(HAS_FRAME_OF_CONTENT)
    async with page.context.expect_page() as opened:
        await frame.get_by_role("link", name="Vote on these songs").tap()
    assert re.search(r"/shows/show-\d+$", (await opened.value).url)
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        assert await findings(page) == []
