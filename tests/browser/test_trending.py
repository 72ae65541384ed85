"""The trending shows above the list: they change by themselves and keep still under a finger."""

from __future__ import annotations

import re

import asyncpg
import pytest
from playwright.async_api import expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The node reads the ranking every five seconds.
SOON_MS = 20_000


async def vote(sql: asyncpg.Connection[asyncpg.Record], show: int, count: int) -> None:
    """Adds votes of new fans."""
    await sql.execute(
        "with fans as (insert into users select from generate_series(1, $2::int) returning id)"
        " insert into votes select (select min(id) from setlist_songs where show_id = $1), id, $1, 'up', now() from fans",
        show, count,
    )  # fmt: skip


async def test_the_ranking_moves_by_itself_and_opens_shows(
    own_node: Node, open_fan: OpenFan, own_database_url: str, own_sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """The first five shows are in order, pushes alone change them, a new one gets its name; a focused row stops moves."""
    shows = await make_shows(own_database_url, count=7)
    for place, show in enumerate(shows[:6]):
        await vote(own_sql, show.id, 60 - 10 * place)
    names = [await own_sql.fetchval("select name from artists where id = $1", show.artist) for show in shows]
    tab = await (await open_fan(own_node.url)).open("/")
    strip = tab.page.get_by_role("region", name="Trending now")
    links = strip.get_by_role("link")
    await expect(links).to_have_text(names[:5])
    await expect(strip.get_by_role("listitem").first).to_have_text(re.compile(rf"^1{names[0]}[A-Z][a-z]+ \d+, venue-"))

    await vote(own_sql, shows[6].id, 200)
    await expect(links).to_have_text([names[6], *names[:4]], timeout=SOON_MS)

    await links.nth(2).focus()
    await vote(own_sql, shows[3].id, 500)
    held = tab.page.evaluate(
        "(first) => new Promise((told) => setInterval(() => {"
        "  const ids = [...document.querySelectorAll('.trending-item[data-show]')].map((item) => item.dataset.show);"
        "  if (window.ranking?.[0] === first) told(ids);"
        "}, 20))",
        str(shows[3].id),
    )
    await tab.page.evaluate(
        "async () => { const { Client } = await import('/static/client.js');"
        " const watcher = new Client({ storage: null, on: ({ channel, state, payload }) => {"
        "   if (channel === 'trending') window.ranking = (state ?? payload).shows.map(({ id }) => String(id));"
        " } });"
        " watcher.subscribe(['trending']); watcher.connect(); }"
    )
    assert await held == [str(show.id) for show in (shows[6], *shows[:4])]
    await links.nth(2).blur()
    await expect(links).to_have_text([names[3], names[6], *names[:3]], timeout=SOON_MS)

    await tab.page.get_by_role("button", name="Live", exact=True).tap()
    await expect(strip).to_be_hidden()
    await tab.page.get_by_role("button", name="All", exact=True).tap()
    await links.first.tap()
    await expect(tab.page.get_by_role("heading", level=1)).to_have_text(names[3])
    await tab.expect_live()


async def test_without_scores_there_is_only_the_list(own_node: Node, open_fan: OpenFan, own_database_url: str) -> None:
    """Without scores the trending section is hidden."""
    await make_shows(own_database_url, count=2)
    tab = await (await open_fan(own_node.url)).open("/")
    await expect(tab.page.get_by_role("listitem")).to_have_count(2)
    await expect(tab.page.locator(".trending")).to_be_hidden()
