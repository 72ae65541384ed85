"""Voting by touch and by keyboard, and what a reload and a second tab show."""

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


async def test_a_tap_votes_and_a_second_tap_withdraws(node: Node, open_fan: OpenFan, database_url: str) -> None:
    """A tap marks the own vote and changes the count in another browser; a second tap undoes both."""
    (show,) = await make_shows(database_url)
    song = show.songs[2]
    mine = await (await open_fan(with_motion=True)).open_show(show.id)
    theirs = await (await open_fan(viewport=DESKTOP, with_motion=True)).open_show(show.id)

    await mine.button(song, "up").tap()
    await mine.expect_choice(song, "up")
    await mine.expect_durability(song, "committed")
    await mine.expect_counts(song, 1, 0)
    await theirs.expect_counts(song, 1, 0)
    await theirs.expect_total(1)
    await theirs.expect_choice(song, "none")

    await mine.button(song, "down").tap()
    await mine.expect_durability(song, "committed")
    await theirs.expect_counts(song, 0, 1)
    await mine.expect_counts(song, 0, 1)

    await mine.button(song, "down").tap()
    await mine.expect_choice(song, "none")
    await theirs.expect_counts(song, 0, 0)
    await theirs.expect_total(0)
    await mine.expect_counts(song, 0, 0)
    await expect(mine.row(song).locator(".marker")).to_be_hidden()


async def test_votes_survive_a_reload_and_a_new_tab(node: Node, open_fan: OpenFan, database_url: str) -> None:
    """A reloaded page, and a new tab after the old one was closed, show the own votes, the counts and the budget."""
    (show,) = await make_shows(database_url, votes_per_user_max=5)
    liked, disliked, *_ = show.songs
    visitor = await open_fan()
    tab = await visitor.open_show(show.id)
    await tab.button(liked, "up").tap()
    await tab.button(disliked, "down").tap()
    await tab.expect_durability(liked, "committed")
    await tab.expect_durability(disliked, "committed")

    async def expect_both_votes() -> None:
        await tab.expect_live()
        await tab.expect_choice(liked, "up")
        await tab.expect_choice(disliked, "down")
        await tab.expect_counts(liked, 1, 0)
        await tab.expect_counts(disliked, 0, 1)
        await tab.expect_total(2)
        await expect(tab.page.get_by_text("3 of 5 votes left")).to_be_visible()

    await expect_both_votes()
    await tab.page.reload()
    await expect_both_votes()
    await tab.page.close()
    tab = await visitor.open(f"/shows/{show.id}")
    await expect_both_votes()


async def test_the_page_keeps_the_budget(node: Node, open_fan: OpenFan, database_url: str) -> None:
    """Without votes left, a tap shows a notice; withdrawing a vote makes room for another."""
    (show,) = await make_shows(database_url, votes_per_user_max=1)
    first, second, *_ = show.songs
    tab = await (await open_fan()).open_show(show.id)
    await tab.button(first, "up").tap()
    await tab.expect_durability(first, "committed")
    await expect(tab.button(second, "up")).to_have_attribute("aria-disabled", "true")
    # Disabled for screen readers only: playwright would wait until it is enabled, a finger does not.
    await tab.button(second, "up").tap(force=True)
    await expect(tab.page.locator("#notice")).to_contain_text("No votes left for “Song 2”. Take one back first.")
    await tab.expect_choice(second, "none")

    await tab.button(first, "up").tap()
    await tab.expect_choice(first, "none")
    await tab.button(second, "up").tap()
    await tab.expect_durability(second, "committed")
    await tab.expect_counts(second, 1, 0)


async def test_two_tabs_are_one_visitor(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Two tabs opened before the first vote become one user, and each shows the votes of the other."""
    (show,) = await make_shows(database_url)
    users = await sql.fetchval("select count(*) from users")
    visitor = await open_fan()
    left = await visitor.open_show(show.id)
    right = await visitor.open_show(show.id)
    await left.button(show.songs[0], "up").tap()
    await left.expect_durability(show.songs[0], "committed")
    await right.expect_counts(show.songs[0], 1, 0)

    await right.button(show.songs[1], "up").tap()
    await right.expect_durability(show.songs[1], "committed")
    await right.expect_choice(show.songs[0], "up")
    assert await sql.fetchval("select count(*) from users") == users + 1
    assert await sql.fetchval("select count(*) from votes where show_id = $1", show.id) == 2

    await left.page.bring_to_front()
    await left.expect_choice(show.songs[1], "up")
    await left.expect_total(2)


async def test_the_keyboard_is_enough(node: Node, open_fan: OpenFan, database_url: str) -> None:
    """Tab reaches a song, Space and Enter vote, and the focus stays on the button while other rows move."""
    (show,) = await make_shows(database_url)
    fans = await make_users(database_url, 3)
    visitor = await open_fan(viewport=DESKTOP, with_motion=True)
    tab = await visitor.new_tab()
    await tab.page.clock.install()
    await tab.goto(f"/shows/{show.id}")
    await tab.expect_live()
    held, risen, fallen = show.songs[1], show.songs[4:], show.songs[0]
    button = tab.button(held, "up")
    await expect(button).to_be_enabled()
    for _ in range(20):
        await tab.page.keyboard.press("Tab")
        if await button.evaluate("button => button === document.activeElement"):
            break
    await expect(button).to_be_focused()

    await tab.page.keyboard.press("Space")
    await tab.expect_durability(held, "committed")
    await tab.page.keyboard.press("Enter")
    await tab.expect_choice(held, "none")
    await tab.page.keyboard.press("Enter")
    await tab.expect_durability(held, "committed")

    async with aiohttp.ClientSession(node.url) as http:
        for user in fans:
            headers = {"Authorization": f"Bearer {user.token}"}
            votes = {"votes": [[risen[0], "up"], [risen[1], "up"], [fallen, "down"]]}
            async with http.post(f"/api/shows/{show.id}/votes", json=votes, headers=headers) as answer:
                assert answer.status == 200
    await tab.expect_counts(risen[0], 3, 0)
    await tab.expect_counts(risen[1], 3, 0)
    await tab.page.clock.run_for(10_000)
    await expect(tab.page.locator("[data-song]").first).to_have_attribute("data-song", str(risen[0]))
    # By its counts the held row would be third.
    assert await tab.order() == [risen[0], held, risen[1], show.songs[2], show.songs[3], fallen]
    await expect(button).to_be_focused()
    await tab.page.keyboard.press("Space")
    await tab.expect_choice(held, "none")
    await expect(button).to_be_focused()
