"""Going to a show, following its artist, hidden counts, and suggestions."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.browser.pages import DESKTOP, NETWORK_ERRORS, Tab, vote
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")


def going(tab: Tab) -> Locator:
    """The button that says that the fan goes."""
    return tab.page.get_by_role("button", name="I'm going")


def follow(tab: Tab) -> Locator:
    """The button that follows the artist."""
    return tab.page.get_by_role("button", name="Follow")


async def test_a_fan_goes_and_follows(node: Node, open_fan: OpenFan, database_url: str) -> None:
    """A mark shows at once, counts on all pages, survives a reload, and is sent later when it was made offline."""
    (show,) = await make_shows(database_url)
    visitor = await open_fan()
    mine = await visitor.open_show(show.id)
    theirs = await (await open_fan(viewport=DESKTOP)).open_show(show.id)
    crowd = theirs.page.locator(".relations")
    await expect(crowd).to_contain_text("0 going, 2 watching")
    await going(mine).tap()
    await expect(going(mine)).to_have_attribute("aria-pressed", "true")
    await expect(crowd).to_contain_text("1 going")
    await expect(going(mine)).to_have_attribute("aria-pressed", "true")
    await follow(mine).tap()
    await expect(crowd).to_contain_text("1 follower")
    await expect(going(theirs)).to_have_attribute("aria-pressed", "false")
    await mine.page.reload()
    await expect(going(mine)).to_have_attribute("aria-pressed", "true")
    await expect(follow(mine)).to_have_attribute("aria-pressed", "true")

    visitor.allowed_errors = NETWORK_ERRORS
    await visitor.go_offline()
    await follow(mine).tap()
    await expect(follow(mine)).to_have_attribute("aria-pressed", "false")
    await visitor.go_online()
    await expect(crowd).to_contain_text("0 followers")


async def test_counts_hidden_until_the_own_vote(node: Node, open_fan: OpenFan, database_url: str, sql: Any) -> None:
    """Before the own vote the page hides counts and ranking and says why; after it both appear without a reload."""
    (show,) = await make_shows(database_url)
    await sql.execute("update shows set results = 'after_vote' where id = $1", show.id)
    await vote(node, database_url, show.id, show.songs[3])
    mine = await (await open_fan()).open_show(show.id)
    note = mine.page.locator(".hidden-counts")
    await expect(note).to_have_text("The counts are hidden until you vote. Vote for a song to see them.")
    await mine.expect_total(1)
    assert await mine.order() == list(show.songs)
    await expect(mine.button(show.songs[3], "up").locator(".count")).to_have_text("")
    await mine.button(show.songs[0], "up").tap()
    await mine.expect_counts(show.songs[3], 1, 0)
    await mine.expect_counts(show.songs[0], 1, 0)
    await expect(note).to_be_hidden()


async def test_counts_hidden_until_the_result_is_final(
    node: Node, open_fan: OpenFan, database_url: str, sql: Any
) -> None:
    """Counts that staff hides disappear from open pages, and come back by themselves when the result is final."""
    (show,) = await make_shows(database_url)
    mine = await (await open_fan()).open_show(show.id)
    song = show.songs[1]
    await mine.button(song, "up").tap()
    await mine.expect_counts(song, 1, 0)
    await sql.execute("update shows set results = 'after_closing' where id = $1", show.id)
    await expect(mine.page.locator(".hidden-counts")).to_have_text("The counts are hidden until the result is final.")
    await expect(mine.button(song, "up").locator(".count")).to_have_text("")
    await mine.expect_choice(song, "up")
    await sql.execute("update shows set closes_at = now() where id = $1", show.id)
    await mine.expect_counts(song, 1, 0)
    await expect(mine.page.locator(".hidden-counts")).to_be_hidden()


async def test_a_missing_song_is_suggested(node: Node, open_fan: OpenFan, database_url: str, sql: Any) -> None:
    """A fan without an account suggests a song and sees its status; a song of the show is refused; it ends with voting."""
    (show,) = await make_shows(database_url)
    visitor = await open_fan()
    visitor.allowed_errors = re.compile("401|409")  # Chromium writes refusals to the console
    mine = await visitor.open_show(show.id)
    title = mine.page.get_by_role("textbox", name="Title of a song")
    outcome = mine.page.locator(".suggest-outcome")
    await title.fill("Song 1")
    await title.press("Enter")
    await expect(outcome).to_contain_text("Song 1 is in this show already")
    await title.fill("Encore")
    await mine.page.get_by_role("button", name="Suggest").tap()
    await expect(outcome).to_have_text("Thank you. The moderators will check “Encore”.")
    await expect(title).to_have_value("")
    await expect(mine.page.locator(".suggest-list")).to_have_text("EncoreWaiting")
    assert await sql.fetchval("select array_agg(title) from song_suggestions where show_id = $1", show.id) == ["Encore"]
    await sql.execute(
        "update song_suggestions set status = 'declined', decided_at = now(), reason = 'Never played' where show_id = $1",
        show.id,
    )
    await mine.page.reload()
    await expect(mine.page.locator(".suggest-list")).to_have_text("EncoreDeclinedNever played")
    await sql.execute("update shows set closes_at = now() where id = $1", show.id)
    await expect(title).to_be_hidden()
