"""What a page costs a slow phone: its document and every file that it asks for by itself, compressed with gzip, as without TLS."""

from __future__ import annotations

from functools import partial

import aiohttp
import pytest
from playwright.async_api import Request, expect

from tests.browser.conftest import OpenFan
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")

BYTES_MAX = 60 * 1024


async def test_a_page_is_small(open_fan: OpenFan, database_url: str) -> None:
    """At most 60 KB, in the language with the longest texts; a show with 30 songs too. What is below them is not loaded yet."""
    (show,) = await make_shows(database_url, songs=30)
    fan = await open_fan()
    async with aiohttp.ClientSession(auto_decompress=False, headers={"Accept-Encoding": "gzip"}) as http:
        for path, there, names in (
            (f"/shows/{show.id}", ".pick > *", {"app.js"}),
            ("/", ".card[data-show]", {"app.js", "list-view.js", "style.css", "shows.css"}),
            (
                f"/artists/{show.artist}",
                ".entry > *",
                {"app.js", "artist-page.js", "style.css", "shows.css", "pages.css"},
            ),
        ):
            tab = await fan.new_tab()
            requests: list[Request] = []
            # Playwright takes no built-in method.
            tab.page.on("requestfinished", partial(lambda found, one: found.append(one), requests))
            await tab.goto(f"{path}?lang=ja")
            await expect(tab.page.locator(there).first).to_be_visible()
            wanted = {one.url for one in requests if "/static/" in one.url or one.is_navigation_request()}
            byte_counts = {}
            for url in wanted:
                async with http.get(url) as response:
                    byte_counts[url.rpartition("/")[2]] = len(await response.read())
            assert names <= byte_counts.keys()
            assert "suggestions-view.js" not in byte_counts
            assert ("list-view.js" in byte_counts) == (path == "/")
            assert sum(byte_counts.values()) <= BYTES_MAX, str(byte_counts)
            await tab.page.close()
