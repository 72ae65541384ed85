"""The hall has no signal, the laptop is closed: votes wait in the browser and arrive once."""

from __future__ import annotations

import asyncpg
import pytest
from playwright.async_api import expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.browser.pages import NO_WAY, Relay, start_again
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")

BALLOT = "select setlist_song_id as song, choice::text from votes order by 1"


async def test_a_vote_made_offline_is_sent_on_return(
    node: Node, fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Offline, votes are marked as waiting and counted on this page only; online again they go out by themselves."""
    (show,) = await make_shows(database_url)
    early, late, *_ = show.songs
    visitor = await fan()
    visitor.may_complain = NO_WAY
    seat = await visitor.open_show(show.id)
    watcher = await (await fan()).open_show(show.id)
    await seat.button(early, "up").tap()
    await seat.is_marked(early, "committed")

    await visitor.context.set_offline(True)
    await expect(seat.connection).to_have_text("Offline")
    await seat.button(late, "up").tap()
    await seat.button(early, "up").tap()
    await seat.is_marked(late, "waiting")
    await seat.holds(late, "up")
    await seat.holds(early, "none")
    await seat.counts(late, 1, 0)
    waiting = seat.page.locator(".waiting")
    await expect(waiting).to_contain_text("2 votes are waiting to be sent.")
    await watcher.counts(early, 1, 0)
    await watcher.counts(late, 0, 0)

    await visitor.context.set_offline(False)
    await seat.is_live()
    await seat.is_marked(late, "committed")
    await watcher.counts(late, 1, 0)
    await watcher.counts(early, 0, 0)
    await expect(waiting).to_be_hidden()
    assert [tuple(row) for row in await sql.fetch(BALLOT)] == [(late, "up")]


async def test_the_page_may_be_gone_before_the_signal_is_back(
    node: Node, relay: Relay, fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A vote made after the wire was cut outlives a failed reload; the next page of that browser sends it, once."""
    (show,) = await make_shows(database_url)
    song = show.songs[0]
    visitor = await fan(relay.url)
    visitor.may_complain = NO_WAY
    seat = await visitor.open_show(show.id)

    await relay.cut()
    await expect(seat.connection).to_have_text("Connecting")
    await seat.button(song, "down").tap()
    await seat.is_marked(song, "waiting")
    await start_again(seat)
    await seat.page.close()
    assert await sql.fetchval("select count(*) from votes") == 0

    await relay.mend()
    # The list of shows: what was not sent goes out whichever page comes first.
    elsewhere = await visitor.open("/")
    await expect(elsewhere.page.get_by_role("listitem")).to_have_count(1)
    seat = await visitor.open_show(show.id)
    await seat.holds(song, "down")
    await seat.is_marked(song, "committed")
    await seat.counts(song, 0, 1)
    assert [tuple(row) for row in await sql.fetch(BALLOT)] == [(song, "down")]
    assert await sql.fetchval("select count(*) from users") == 1


async def test_an_answer_lost_on_the_way_costs_nothing(
    node: Node, relay: Relay, fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Cut again and again while voting, the page ends with exactly the choices that were tapped last."""
    (show,) = await make_shows(database_url)
    visitor = await fan(relay.url)
    visitor.may_complain = NO_WAY
    seat = await visitor.open_show(show.id)
    for song in show.songs[:4]:
        await seat.button(song, "up").tap()
        # At once: whether this vote has left, arrived or been answered is up to chance.
        await relay.cut()
        await seat.button(song, "down").tap()
        await relay.mend()
    for song in show.songs[:4]:
        await seat.is_marked(song, "committed")
        await seat.counts(song, 0, 1)
    await seat.has_total(4)
    assert [tuple(row) for row in await sql.fetch(BALLOT)] == [(song, "down") for song in show.songs[:4]]
    assert await sql.fetchval("select count(*) from users where id in (select user_id from votes)") == 1
