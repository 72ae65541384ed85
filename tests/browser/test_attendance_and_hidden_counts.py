"""Going to a show and following its artist, and counts that are not for everyone yet."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.browser.pages import DESKTOP, NO_WAY, Seat
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")


def going(seat: Seat) -> Locator:
    """The button that says that one goes."""
    return seat.page.get_by_role("button", name="I'm going")


def follow(seat: Seat) -> Locator:
    """The button that follows the artist."""
    return seat.page.get_by_role("button", name="Follow")


async def test_a_fan_goes_and_follows(node: Node, fan: OpenFan, database_url: str) -> None:
    """The buttons are pressed at once, both pages count along, a reload remembers; said without signal, it is said later."""
    (show,) = await make_shows(database_url)
    visitor = await fan()
    mine = await visitor.open_show(show.id)
    theirs = await (await fan(viewport=DESKTOP)).open_show(show.id)
    crowd = theirs.page.locator(".crowd")
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

    visitor.may_complain = NO_WAY
    await visitor.context.set_offline(True)
    await follow(mine).tap()
    await expect(follow(mine)).to_have_attribute("aria-pressed", "false")
    await visitor.context.set_offline(False)
    await expect(crowd).to_contain_text("0 followers")


async def test_counts_for_those_who_vote(node: Node, fan: OpenFan, database_url: str, sql: Any) -> None:
    """No counts and no order by them before one's own vote, and why; all there right after it, without a reload."""
    (show,) = await make_shows(database_url)
    await sql.execute("update shows set results = 'after_vote' where id = $1", show.id)
    voter = await (await fan(viewport=DESKTOP)).open_show(show.id)
    await voter.button(show.songs[3], "up").click()
    await voter.counts(show.songs[3], 1, 0)
    mine = await (await fan()).open_show(show.id)
    note = mine.page.locator(".hidden-counts")
    await expect(note).to_have_text("The counts are shown to whoever has voted. Cast a vote to see them.")
    await mine.has_total(1)
    assert await mine.order() == list(show.songs)
    await expect(mine.button(show.songs[3], "up").locator(".count")).to_have_text("")
    await mine.button(show.songs[0], "up").tap()
    await mine.counts(show.songs[3], 1, 0)
    await mine.counts(show.songs[0], 1, 0)
    await expect(note).to_be_hidden()


async def test_counts_that_are_taken_away_and_come_with_the_result(
    node: Node, fan: OpenFan, database_url: str, sql: Any
) -> None:
    """Staff hides them while somebody looks: they go at once; when the result is final they are there again by themselves."""
    (show,) = await make_shows(database_url)
    mine = await (await fan()).open_show(show.id)
    song = show.songs[1]
    await mine.button(song, "up").tap()
    await mine.counts(song, 1, 0)
    await sql.execute("update shows set results = 'after_closing' where id = $1", show.id)
    await expect(mine.page.locator(".hidden-counts")).to_have_text(
        "The counts are kept back until the result is final."
    )
    await expect(mine.button(song, "up").locator(".count")).to_have_text("")
    await mine.holds(song, "up")
    await sql.execute("update shows set closes_at = now() where id = $1", show.id)
    await mine.counts(song, 1, 0)
    await expect(mine.page.locator(".hidden-counts")).to_be_hidden()


async def test_a_song_that_is_missing(node: Node, fan: OpenFan, database_url: str, sql: Any) -> None:
    """Suggested by somebody who never voted, said to wait; one that is there is explained; over with the voting."""
    (show,) = await make_shows(database_url)
    visitor = await fan()
    visitor.may_complain = re.compile("401|409")  # Chromium writes refusals to the console
    mine = await visitor.open_show(show.id)
    title = mine.page.get_by_role("textbox", name="Title of a song")
    outcome = mine.page.locator(".suggest-outcome")
    await title.fill("Song 1")
    await title.press("Enter")
    await expect(outcome).to_contain_text("Song 1 is in this show already")
    await title.fill("Encore")
    await mine.page.get_by_role("button", name="Suggest").tap()
    await expect(outcome).to_have_text("Thank you. Encore waits for the moderators.")
    await expect(title).to_have_value("")
    await expect(mine.page.locator(".suggest-list")).to_have_text("EncoreWaiting")
    assert await sql.fetchval("select count(*) from song_suggestions where title = 'Encore'") == 1
    await sql.execute("update song_suggestions set status = 'declined', decided_at = now(), reason = 'Never played'")
    await mine.page.reload()
    await expect(mine.page.locator(".suggest-list")).to_have_text("EncoreDeclinedNever played")
    await sql.execute("update shows set closes_at = now() where id = $1", show.id)
    await expect(title).to_be_hidden()
