"""The game in a browser: a pick from the form to the points, the leaderboard, and a crew that a friend joins by a link."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import asyncpg
import pytest
from playwright.async_api import Route, expect

from server.node.node import Node
from server.people.sessions import mint_token
from tests.browser.conftest import OpenFan
from tests.browser.console import is_fine
from tests.support.node_process import SECRET
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")

# A page waits a random moment before it asks for its points, because all fans learn of a song at once.
AT_ONCE = "Math.random = () => 0"


async def test_a_pick_from_the_form_to_the_points(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A fan picks with keyboard and finger, saves, changes, sees the lock and the points, and stands on the leaderboard."""
    (show,) = await make_shows(database_url, songs=12)
    tab = await (await open_fan()).open_show(show.id, script=AT_ONCE)
    page = tab.page
    panel = page.locator(".pick")
    summary = panel.locator("summary")
    await expect(summary).to_have_text("Your pick")
    await summary.focus()
    await page.keyboard.press("Enter")
    songs = panel.get_by_role("checkbox")
    await expect(songs).to_have_count(12)
    await songs.first.focus()
    await page.keyboard.press("Space")
    for number in range(2, 11):
        await panel.get_by_text(f"Song {number}", exact=True).first.tap()
    await panel.get_by_text("Song 11", exact=True).first.tap()
    await expect(panel.get_by_role("status")).to_have_text("10 songs are picked. Take one back first.")
    await expect(panel.locator(".pick-count")).to_have_text("10 of 10 songs picked")
    await panel.get_by_label("Opener").select_option(label="Song 1")
    await panel.get_by_role("button", name="Save my pick").tap()
    await expect(panel.get_by_role("status")).to_have_text("Your pick is saved.")
    await expect(summary).to_have_text("Your pick: 10 songs")
    await panel.get_by_text("Song 10", exact=True).first.tap()
    await panel.get_by_role("button", name="Save my pick").tap()
    await expect(summary).to_have_text("Your pick: 9 songs")
    await is_fine(page)

    moderator = await sql.fetchval("insert into users (role) values ('moderator') returning id")
    async with aiohttp.request(
        "POST", f"{node.url}/api/admin/shows/{show.id}/played", json={"song": show.songs[0], "played": True},
        headers={"Authorization": f"Bearer {mint_token(SECRET, moderator, 'moderator')}"},
    ) as answer:  # fmt: skip
        assert answer.status == 200
    await expect(panel.locator(".pick-score")).to_have_text("60 points, place 1 of 1")
    await expect(summary).to_have_text("Your pick: 60 points")
    await expect(panel.locator("li").first).to_have_text("Song 1OpenerPlayed, 10 points")
    await is_fine(page)
    await panel.get_by_role("link", name="Leaderboard").click()
    await expect(page.locator(".board-you")).to_have_text("You are at place 1 of 1, with 60 points.")
    await expect(page.locator(".board tbody tr")).to_have_text("1A fanyou60")
    await expect(page.get_by_role("link", name="Back to the show")).to_be_visible()
    await is_fine(page)


async def test_a_slow_phone_sees_no_form_before_the_pick_is_known(open_fan: OpenFan, database_url: str) -> None:
    """A form without songs cannot be filled in, and picks may be locked; a request that fails is no pick that was not saved."""
    (show,) = await make_shows(database_url)
    fan = await open_fan()
    tab = await fan.open_show(show.id)
    page, answered = tab.page, asyncio.Event()

    async def answer(route: Route) -> None:
        await answered.wait()
        await route.continue_()

    await page.route("**/picks", answer)
    panel = page.locator(".pick")
    await panel.locator("summary").click()
    await expect(panel.get_by_role("status")).to_have_text("One moment…")
    await expect(panel.get_by_role("button")).to_have_count(0)
    await expect(panel.get_by_role("combobox")).to_have_count(0)
    answered.set()
    await expect(panel.get_by_role("button", name="Save my pick")).to_be_visible()
    await expect(panel.get_by_role("status")).to_have_text("")

    await page.unroute("**/picks")
    await page.reload()
    await tab.expect_live()
    fan.allowed_errors = re.compile("ERR_FAILED")
    await page.route("**/picks", lambda route: route.abort())
    await panel.locator("summary").click()
    await expect(panel.get_by_role("status")).to_have_text(
        "The server cannot be reached. Check your connection and try again."
    )
    await expect(panel.get_by_role("button")).to_have_count(0)


async def test_a_board_names_its_show_in_the_language_of_the_page(
    open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A show that nobody has named is its artist and its venue; a given name stays as it is."""
    (show,) = await make_shows(database_url)
    await sql.execute(
        "update shows s set name = a.name || ' at ' || v.name from artists a, venues v"
        " where s.id = $1 and a.id = s.artist_id and v.id = s.venue_id",
        show.id,
    )
    artist = await sql.fetchval("select name from artists where id = $1", show.artist)
    venue = await sql.fetchval("select v.name from venues v join shows s on s.venue_id = v.id where s.id = $1", show.id)
    tab = await (await open_fan()).new_tab()
    page = tab.page
    for language, name in (
        ("en", f"{artist} at {venue}"),
        ("es", f"{artist} en {venue}"),
        ("ja", f"{artist}、{venue}"),
    ):
        await tab.goto(f"/leaderboard?show={show.id}&lang={language}")
        await expect(page.get_by_role("heading", level=1)).to_have_text(name)
        assert name in await page.title()
    await sql.execute("update shows set name = 'Una noche' where id = $1", show.id)
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Una noche")


async def test_a_friend_joins_a_crew_by_its_link(open_fan: OpenFan) -> None:
    """Whoever has the link sees the invitation, joins, and stands on the crew's board; both can leave."""
    ann = await (await open_fan()).open("/leaderboard")
    page = ann.page
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Season")
    await page.get_by_label("Name of a new crew").fill("Front row")
    await page.get_by_role("button", name="Make it").tap()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Front row")
    link = await page.get_by_label("Who has this link can join:").input_value()
    await is_fine(page)

    friend = await (await open_fan()).open("/" + link.partition("/")[2].partition("/")[2].partition("/")[2])
    await expect(friend.page.get_by_text("You are invited to the crew “Front row”, with 1 member.")).to_be_visible()
    await is_fine(friend.page)
    await friend.page.get_by_role("button", name="Join").tap()
    await expect(friend.page.locator(".board tbody tr")).to_have_count(2)
    await expect(friend.page.get_by_role("link", name="Front row")).to_be_visible()
    await friend.page.get_by_role("button", name="Leave this crew").tap()
    await expect(friend.page.get_by_role("heading", level=1)).to_contain_text("Season")
