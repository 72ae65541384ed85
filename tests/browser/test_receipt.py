"""A fan checks on the page of a show that the own votes are in the public ledger; the browser does the sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import OpenFan
from tests.support.open_shows import make_shows
from tests.support.running_node import until

if TYPE_CHECKING:
    Sql = asyncpg.Connection[asyncpg.Record]

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_fan_checks_the_own_votes(open_fan: OpenFan, database_url: str, sql: Sql) -> None:
    """Nothing is offered before a vote; then each vote has its entry; an answer that was altered is called wrong."""
    (show,) = await make_shows(database_url)
    fan = await open_fan()
    tab = await fan.open_show(show.id)
    details = tab.page.locator(".receipt")
    await expect(details).to_have_count(0)
    await tab.button(show.songs[0], "up").click()
    await tab.button(show.songs[1], "down").click()
    for song in show.songs[:2]:
        await tab.expect_durability(song, "committed")
    state, votes = details.locator("[role=status]"), details.locator("li")
    await until(lambda: sql.fetchval("select not exists (select from ledger_notes where show_id = $1)", show.id))
    await details.locator("summary").click()
    await expect(state).to_have_text(
        "Your votes are in the public ledger of this show. Your browser has calculated it itself."
    )
    await expect(votes).to_have_count(2)
    await expect(votes.first).to_contain_text("Your vote for")
    await expect(votes.last).to_contain_text("Your vote against")
    await expect(votes.last).to_contain_text("of 3.")

    async def altered(route: Route) -> None:
        answer = await route.fetch()
        receipt = await answer.json()
        receipt["votes"][0]["choice"] = "down"
        await route.fulfill(response=answer, json=receipt)

    await tab.page.route("**/receipt", altered)
    await details.locator("summary").click()
    await details.locator("summary").click()
    await expect(state).to_contain_text("Something is wrong with the ledger of this show.")
    await expect(votes.first).to_contain_text("The ledger does not prove your vote on")
    await expect(votes.first).to_have_attribute("data-right", "false")
