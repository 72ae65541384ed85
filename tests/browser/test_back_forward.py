"""A page that the browser puts aside and shows again, as it was (back-forward cache).

Headless Chromium keeps no page, so the test plays the browser's part with the two events.
"""

from __future__ import annotations

import asyncpg
import pytest
from playwright.async_api import expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.browser.pages import vote
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")

HIDE = "() => dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))"
SHOW = "() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"


async def test_a_page_that_comes_back_goes_on(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Put aside, it has no connection; shown again, it connects, shows what was voted meanwhile, and takes votes."""
    (show,) = await make_shows(database_url)
    mine, theirs, *_ = show.songs
    tab = await (await open_fan()).open_show(show.id)
    await tab.page.evaluate(HIDE)
    await expect(tab.connection).to_have_text("Connecting")
    await vote(node, database_url, show.id, theirs)
    await tab.expect_counts(theirs, 0, 0)
    await tab.page.evaluate(SHOW)
    await tab.expect_live()
    await tab.expect_counts(theirs, 1, 0)
    await expect(tab.page.locator(".counts-from")).to_be_hidden()
    await tab.button(mine, "up").tap()
    await tab.expect_durability(mine, "committed")
    assert await sql.fetchval("select count(*) from votes where show_id = $1", show.id) == 2
