"""Pages in the language of their reader, as HTTP answers."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from server.mail.tokens import unsubscribe_token
from server.node.node import Node
from server.words.texts import shipped
from tests.support import one_node
from tests.support.row_factory import RowFactory
from tests.support.running_node import SECRET

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory = one_node.node, one_node.factory

BYTES_MAX = 60_000
PAGES = ("/", "/me", "/signin", "/nowhere", "/shows/nowhere")


@pytest_asyncio.fixture(loop_scope="module")
async def http(node: Node) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the node."""
    async with aiohttp.ClientSession(base_url=node.url, auto_decompress=False) as session:
        yield session


async def read(http: aiohttp.ClientSession, path: str, **headers: str) -> tuple[str, aiohttp.ClientResponse]:
    async with http.get(path, headers={"Accept-Encoding": "identity", **headers}) as response:
        return (await response.read()).decode(), response


async def test_a_page_speaks_the_language_of_its_reader(http: aiohttp.ClientSession) -> None:
    """By the address, else by the cookie, else by the browser; caches keep the languages apart; unknown ones are English."""
    for path in PAGES:
        for headers, lang in (
            ({}, "en"),
            ({"Accept-Language": "es-MX,en;q=0.5"}, "es"),
            ({"Accept-Language": "fr"}, "en"),
            ({"Accept-Language": "es", "Cookie": "language=ja"}, "ja"),
            ({"Accept-Language": "es", "Cookie": 'language="><script>'}, "es"),
        ):
            text, response = await read(http, path, **headers)
            assert f'<html lang="{lang}" dir="ltr">' in text, (path, headers)
            assert {"Accept-Language", "Cookie"} <= {*response.headers["Vary"].split(", ")}
            assert response.headers["Cache-Control"] == "no-cache"
            assert "{{" not in text
    text, _ = await read(http, "/?lang=ja", **{"Accept-Language": "es", "Cookie": "language=es"})
    assert '<option value="ja" lang="ja" selected>日本語</option>' in text
    assert shipped().language("ja").text("home-description") in text
    for path in ("/admin", "/api/docs"):
        text, _ = await read(http, path, **{"Accept-Language": "es"})
        assert '<html lang="en"' in text
        assert "/es/" not in text


@pytest.mark.parametrize("lang", shipped().languages)
async def test_a_script_has_one_language_and_is_kept_for_good(
    lang: str, http: aiohttp.ClientSession, factory: RowFactory
) -> None:
    """Its script has the texts of one language; a page without songs is at most 60 KB over the wire with all its files."""
    show = await factory.show(70 + shipped().languages.index(lang))
    for path in ("/", f"/shows/{show.id}", "/me", "/signin", f"/screen/{show.id}"):
        async with http.get(path, headers={"Accept-Encoding": "gzip", "Accept-Language": lang}) as response:
            sent = await response.read()
        text, byte_count = gzip.decompress(sent).decode(), len(sent)
        for file in {*re.findall(r'"(/static/[^"]+)"', text)}:
            async with http.get(file, headers={"Accept-Encoding": "gzip"}) as response:
                assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable", file
                body = await response.read()
            byte_count += len(body)
            if file.endswith(".js"):
                assert f"/{lang}/" in file
                script = gzip.decompress(body).decode()
                if f'<link rel="modulepreload" href="{file}">' in text:
                    continue  # a part that takes its words from the page's script
                assert script.startswith(f'self.mysetlistWords={{"language":"{lang}"')
                assert bool(re.search(r"[\u3041-\u30ff]", script)) == (lang == "ja"), file
            if file.endswith(".webmanifest"):
                manifest = json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
                assert manifest["lang"] == lang
                assert manifest["description"] == shipped().language(lang).text("home-description")
        if path in ("/me", "/signin") or path.startswith("/screen"):
            assert byte_count <= BYTES_MAX, path


async def test_the_links_of_emails_lead_to_pages_in_the_language_of_their_reader(http: aiohttp.ClientSession) -> None:
    """They are ASCII, so a mail program shows them whatever it believes of their encoding."""
    token = unsubscribe_token(SECRET, "fan@example.org")
    for lang in shipped().languages:
        text, response = await read(http, f"/unsubscribe?token={token}", **{"Accept-Language": lang})
        assert response.status == 200
        assert f'<html lang="{lang}" dir="ltr">' in text
        assert text.isascii()
