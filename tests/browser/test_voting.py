"""Voting with a finger and with the keyboard, and everything that has to be as it was afterwards."""

from __future__ import annotations

import aiohttp
import asyncpg
import pytest
from playwright.async_api import expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.browser.pages import DESKTOP
from tests.support.open_shows import make_shows, make_users

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_tap_is_seen_by_both_and_taken_back_by_another(node: Node, fan: OpenFan, database_url: str) -> None:
    """A tap marks the own vote until it is committed and moves the other browser's count; a second undoes both."""
    (show,) = await make_shows(database_url)
    song = show.songs[2]
    mine = await (await fan()).open_show(show.id)
    theirs = await (await fan(viewport=DESKTOP)).open_show(show.id)

    await mine.button(song, "up").tap()
    await mine.holds(song, "up")
    await mine.is_marked(song, "committed")
    await mine.counts(song, 1, 0)
    await theirs.counts(song, 1, 0)
    await theirs.has_total(1)
    await theirs.holds(song, "none")

    await mine.button(song, "down").tap()
    await mine.is_marked(song, "committed")
    await theirs.counts(song, 0, 1)
    await mine.counts(song, 0, 1)

    await mine.button(song, "down").tap()
    await mine.holds(song, "none")
    await theirs.counts(song, 0, 0)
    await theirs.has_total(0)
    await mine.counts(song, 0, 0)
    await expect(mine.row(song).locator(".marker")).to_be_hidden()


async def test_all_is_as_it_was_after_a_reload_and_after_coming_back(
    node: Node, fan: OpenFan, database_url: str
) -> None:
    """A reloaded page, and a new one after the old was closed, show the own votes, the counts and the budget."""
    (show,) = await make_shows(database_url, votes_per_user_max=5)
    liked, disliked, *_ = show.songs
    visitor = await fan()
    seat = await visitor.open_show(show.id)
    await seat.button(liked, "up").tap()
    await seat.button(disliked, "down").tap()
    await seat.is_marked(liked, "committed")
    await seat.is_marked(disliked, "committed")

    async def is_as_it_was() -> None:
        await seat.is_live()
        await seat.holds(liked, "up")
        await seat.holds(disliked, "down")
        await seat.counts(liked, 1, 0)
        await seat.counts(disliked, 0, 1)
        await seat.has_total(2)
        await expect(seat.page.get_by_text("3 of 5 votes left")).to_be_visible()

    await is_as_it_was()
    await seat.page.reload()
    await is_as_it_was()
    await seat.page.close()
    seat = await visitor.open(f"/shows/{show.id}")
    await is_as_it_was()


async def test_the_budget_is_kept_before_the_server_has_to(node: Node, fan: OpenFan, database_url: str) -> None:
    """With no votes left a further tap is answered in words, and a vote taken back makes room again."""
    (show,) = await make_shows(database_url, votes_per_user_max=1)
    first, second, *_ = show.songs
    seat = await (await fan()).open_show(show.id)
    await seat.button(first, "up").tap()
    await seat.is_marked(first, "committed")
    await expect(seat.button(second, "up")).to_have_attribute("aria-disabled", "true")
    # Disabled only for screen readers: playwright would wait for it, a finger does not.
    await seat.button(second, "up").tap(force=True)
    await expect(seat.page.locator("#notice")).to_contain_text("No votes left for “Song 2”. Take one back first.")
    await seat.holds(second, "none")

    await seat.button(first, "up").tap()
    await seat.holds(first, "none")
    await seat.button(second, "up").tap()
    await seat.is_marked(second, "committed")
    await seat.counts(second, 1, 0)


async def test_two_tabs_are_one_visitor(
    node: Node, fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Two tabs opened before the first vote become one user, and each learns what the other has done."""
    (show,) = await make_shows(database_url)
    visitor = await fan()
    left = await visitor.open_show(show.id)
    right = await visitor.open_show(show.id)
    await left.button(show.songs[0], "up").tap()
    await left.is_marked(show.songs[0], "committed")
    await right.counts(show.songs[0], 1, 0)

    await right.button(show.songs[1], "up").tap()
    await right.is_marked(show.songs[1], "committed")
    await right.holds(show.songs[0], "up")
    assert await sql.fetchval("select count(*) from users") == 1
    assert await sql.fetchval("select count(*) from votes") == 2

    await left.page.bring_to_front()
    await left.holds(show.songs[1], "up")
    await left.has_total(2)


async def test_the_keyboard_is_enough(node: Node, fan: OpenFan, database_url: str) -> None:
    """Tab reaches a song, Space and Enter vote, and the focus stays on that button while other rows change places."""
    (show,) = await make_shows(database_url)
    fans = await make_users(database_url, 3)
    visitor = await fan(viewport=DESKTOP)
    seat = await visitor.open("/shows/" + str(show.id))
    await seat.page.clock.install()
    await seat.page.reload()
    await seat.is_live()
    held, risen, fallen = show.songs[1], show.songs[4:], show.songs[0]
    button = seat.button(held, "up")
    await expect(button).to_be_enabled()
    for _ in range(20):
        await seat.page.keyboard.press("Tab")
        if await button.evaluate("button => button === document.activeElement"):
            break
    await expect(button).to_be_focused()

    await seat.page.keyboard.press("Space")
    await seat.is_marked(held, "committed")
    await seat.page.keyboard.press("Enter")
    await seat.holds(held, "none")
    await seat.page.keyboard.press("Enter")
    await seat.is_marked(held, "committed")

    async with aiohttp.ClientSession(node.url) as http:
        for user in fans:
            headers = {"Authorization": f"Bearer {user.token}"}
            votes = {"votes": [[risen[0], "up"], [risen[1], "up"], [fallen, "down"]]}
            async with http.post(f"/api/shows/{show.id}/votes", json=votes, headers=headers) as answer:
                assert answer.status == 200
    await seat.counts(risen[0], 3, 0)
    await seat.counts(risen[1], 3, 0)
    await seat.page.clock.run_for(10_000)
    await expect(seat.page.locator("[data-song]").first).to_have_attribute("data-song", str(risen[0]))
    # By the counts alone the held row would be third.
    assert await seat.order() == [risen[0], held, risen[1], show.songs[2], show.songs[3], fallen]
    await expect(button).to_be_focused()
    await seat.page.keyboard.press("Space")
    await seat.holds(held, "none")
    await expect(button).to_be_focused()
