"""The pages for walls, streams and other sites, and join codes, as HTTP answers."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator

import aiohttp
import pytest_asyncio

from server.node.node import Node
from server.protocol.join_codes import join_code_of
from tests.support import one_node
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory = one_node.node, one_node.factory

BYTES_MAX = 60_000


@pytest_asyncio.fixture(loop_scope="module")
async def http(node: Node) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the node."""
    async with aiohttp.ClientSession(base_url=node.url, auto_decompress=False) as session:
        yield session


async def test_a_wall_is_small_and_complete(http: aiohttp.ClientSession, factory: RowFactory) -> None:
    """Each page with all its files is at most 60 KB over the wire, and says whom it is about before any script runs."""
    show = await factory.show(60)
    for kind in ("screen", "overlay", "embed"):
        async with http.get(f"/{kind}/{show.id}", headers={"Accept-Encoding": "gzip"}) as response:
            assert (response.status, response.content_type) == (200, "text/html")
            sent = await response.read()
        text = gzip.decompress(sent).decode()
        assert f'data-wall="{kind}"' in text
        assert re.search("<title>.+, .+ \\| MySetlist</title>", text)
        assert f"/j/{join_code_of(show.id)}<" in text
        assert "<svg" in text
        byte_count = len(sent)
        for path in re.findall(r'"(/static/[^"]+)"', text):
            async with http.get(path, headers={"Accept-Encoding": "gzip"}) as response:
                assert response.status == 200
                byte_count += len(await response.read())
        assert byte_count <= BYTES_MAX


async def test_the_theme_is_chosen_by_the_address(http: aiohttp.ClientSession, factory: RowFactory) -> None:
    """`?theme=` chooses the colours; an unknown one is as none."""
    show = await factory.show(1)
    for path, media in {
        "screen": "not all",
        "screen?theme=light": "all",
        "overlay?theme=light&songs=3": "all",
        "embed": "(prefers-color-scheme: light)",
        "embed?theme=dark": "not all",
        'embed?theme="><script>': "(prefers-color-scheme: light)",
    }.items():
        kind, _, query = path.partition("?")
        async with http.get(f"/{kind}/{show.id}?{query}", headers={"Accept-Encoding": "identity"}) as response:
            assert f'light.css" media="{media}"' in await response.text(), path


async def test_hidden_counts_are_not_in_the_page(http: aiohttp.ClientSession, factory: RowFactory) -> None:
    """The page is made for a reader without an account, so counts under an embargo are not in it."""
    show = await factory.show(2)
    await factory.sql.execute("update shows set results = 'after_closing' where id = $1", show.id)
    async with http.get(f"/screen/{show.id}", headers={"Accept-Encoding": "identity"}) as response:
        assert '"up":null' in await response.text()


async def test_the_address_on_the_wall_is_the_hosts(http: aiohttp.ClientSession, factory: RowFactory) -> None:
    """Without a setting, the wall names the host under which it was asked for, as text; a name that is too long is refused."""
    show = await factory.show(3)
    async with http.get(
        f"/screen/{show.id}", headers={"Host": "<b>.example", "Accept-Encoding": "identity"}
    ) as response:
        assert '<span class="join-host">&lt;b&gt;.example</span>' in await response.text()
    async with http.get(f"/screen/{show.id}", headers={"Host": "x" * 4_000}) as response:
        assert response.status == 400


async def test_a_join_code_leads_to_its_show(http: aiohttp.ClientSession, factory: RowFactory) -> None:
    """However it is typed. A code of no show, and what is no code, give a page that says so."""
    show = await factory.show(4)
    code = join_code_of(show.id)
    for typed in (code, code.lower(), f"{code[:3]}-{code[3:]}"):
        async with http.get(f"/j/{typed}", allow_redirects=False) as response:
            assert response.status == 302
            assert response.headers["Location"].startswith("/shows/")
        async with http.get(f"/j/{typed}") as response:
            assert response.status == 200
    for path in (f"/j/{join_code_of(987_654)}", "/j/hello", "/screen/nowhere", "/embed/987654"):
        async with http.get(path) as response:
            assert (response.status, response.content_type) == (404, "text/html"), path


async def test_only_named_sites_may_frame(
    http: aiohttp.ClientSession, factory: RowFactory, database_url: str, redis_url: str
) -> None:
    """Without a setting only the service itself may frame `/embed`; no setting lets a site frame a page that takes votes."""
    show = await factory.show(5)

    async def ancestors(session: aiohttp.ClientSession, path: str) -> str:
        async with session.get(path) as response:
            return response.headers["Content-Security-Policy"].partition("frame-ancestors ")[2]

    assert await ancestors(http, f"/embed/{show.id}") == "'self'"
    sites = ("https://band.example", "https://club.example:8443")
    async with (
        running_node(database_url, redis_url, embed_origins=sites) as node,
        aiohttp.ClientSession(base_url=node.url) as session,
    ):
        assert await ancestors(session, f"/embed/{show.id}") == "'self' https://band.example https://club.example:8443"
        for path in (f"/screen/{show.id}", f"/overlay/{show.id}", f"/shows/{show.id}", "/"):
            assert await ancestors(session, path) == "'none'"
