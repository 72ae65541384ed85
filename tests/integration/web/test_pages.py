"""The pages and their files, as browsers with slow networks get them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from server.errors import Refused, StoreUnavailable
from server.node.node import Node
from server.protocol.codes import Code
from tests.support import one_node
from tests.support.row_factory import RowFactory

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory = one_node.node, one_node.factory


@pytest_asyncio.fixture(loop_scope="module")
async def http(node: Node) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the node."""
    async with aiohttp.ClientSession(base_url=node.url) as session:
        yield session


async def test_the_files_of_a_page_are_kept_for_good(http: aiohttp.ClientSession) -> None:
    """A page names its files with their version, they come compressed, and a browser asks for them once."""
    for page in ("/", "/admin", "/admin/shows/7"):
        async with http.get(page) as response:
            assert (response.status, response.headers["Cache-Control"]) == (200, "no-cache")
            text = await response.text()
        files = re.findall(r'"(/static/[^"]+)"', text)
        assert len(files) >= 4
        for path in files:
            async with http.get(path, headers={"Accept-Encoding": "gzip"}) as response:
                assert response.status == 200
                assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
                if path.endswith((".js", ".css")):
                    assert response.headers["Content-Encoding"] == "gzip"
                    assert response.headers["Vary"] == "Accept-Encoding"
        [script] = re.findall(r'src="(/static/[^"]+)"></script>', text)
        async with http.get(script, headers={"Accept-Encoding": "identity"}) as response:
            assert "Content-Encoding" not in response.headers
            assert "\nimport " not in await response.text()


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("GZIP", "gzip"), ("Gzip, BR;Q=0.5", "br"), ("br;q=0, gzip", "gzip"), ("gzip;q=0, BR;Q=0.000", None)],
)
async def test_a_page_comes_in_an_encoding_that_its_reader_takes(
    http: aiohttp.ClientSession, accepted: str, encoding: str | None
) -> None:
    """Names may have upper case, and a weight of 0 refuses an encoding."""
    async with http.get("/", headers={"Accept-Encoding": accepted}) as response:
        assert response.headers.get("Content-Encoding") == encoding


async def test_a_page_that_the_console_lacks_is_not_found(http: aiohttp.ClientSession) -> None:
    """As every unknown path: the answer is a page, here the console itself, with 404."""
    statuses = {}
    for path in ("/admin/now", "/admin/people/3", "/admin/nowhere", "/admin/../nowhere", "/admin/%2e%2e/app"):
        async with http.get(path) as response:
            statuses[path] = response.status
            assert response.content_type == "text/html"
    assert statuses == {
        "/admin/now": 200, "/admin/people/3": 200, "/admin/nowhere": 404, "/admin/../nowhere": 404, "/admin/%2e%2e/app": 404,
    }  # fmt: skip


async def test_a_file_of_another_version_is_not_kept(http: aiohttp.ClientSession) -> None:
    """During an upgrade a page of one version asks a node of the other: it gets the file, and asks again the next time."""
    async with http.get("/static/0123456789abcdef/app.js") as response:
        assert (response.status, response.headers["Cache-Control"]) == (200, "no-cache")
    async with http.get("/static/client.js") as response:
        assert (response.status, response.headers["Cache-Control"]) == (200, "no-cache")
        etag = response.headers["ETag"]
    async with http.get("/static/admin/api.js") as response:
        assert 'from "../api.js"' in await response.text()
    async with http.get("/static/client.js", headers={"If-None-Match": etag}) as response:
        assert response.status == 304


async def test_a_show_is_in_its_page(http: aiohttp.ClientSession, factory: RowFactory) -> None:
    """The page of a show has its title and the document of the API, whatever characters its names have."""
    show = await factory.show(7)
    await factory.sql.execute("update songs set title = 'A </script><b> & \"B\"' where id = 1")
    async with http.get(f"/shows/{show.id}") as response:
        assert response.headers["Cache-Control"] == "no-cache"
        text = await response.text()
    async with http.get(f"/api/shows/{show.id}") as response:
        document = await response.json()
    [sent] = re.findall(r'<script type="application/json" id="show">(.*?)</script>', text)
    assert json.loads(sent) == document
    assert "</script><b>" in json.dumps(document)
    assert f"<title>{document['artist']['name']}, {document['venue']['name']} | MySetlist</title>" in text


UNKNOWN_PAGES = ["/shows/nowhere", "/shows/%ZZ", "/shows/%E0%A4%A", "/nowhere", "/a/b/c", "/%00"]


async def test_an_unknown_page_is_a_page(http: aiohttp.ClientSession) -> None:
    """A person who opens a wrong link sees a page, and programs see the status 404."""
    for path in UNKNOWN_PAGES:
        async with http.get(URL(path, encoded=True)) as response:
            assert (response.status, response.content_type) == (404, "text/html"), path
            assert "<!doctype html>" in await response.text(), path


async def test_the_page_of_a_show_has_one_address(http: aiohttp.ClientSession) -> None:
    """With a slash at its end it is redirected, with its query, and never to another site."""
    for path, target in [("/shows/7/", "/shows/7"), ("/shows/caf%C3%A9/?a=1", "/shows/caf%C3%A9?a=1")]:
        async with http.get(URL(path, encoded=True), allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (301, target)


FAILURES = [
    (StoreUnavailable("the database is away"), 503, "Votes that were sent are kept"),
    (RuntimeError("a bug"), 500, "Votes that were sent are kept"),
    (Refused(Code.FORBIDDEN, "not you"), 403, "This page cannot be shown now"),
    (Refused(Code.NOT_FOUND, "gone"), 404, "There is no page at this address"),
]


@pytest.mark.parametrize(("failure", "status", "words"), FAILURES, ids=["503", "500", "403", "404"])
async def test_a_person_sees_a_page_where_a_program_gets_a_problem(
    failure: Exception, status: int, words: str, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever scans the code of a show while the server is in trouble reads no JSON; a program does."""

    def fail(_code: str) -> None:
        raise failure

    monkeypatch.setattr("server.web.walls.show_of_join_code", fail)
    async with http.get("/j/ABCDEF", headers={"Accept": "text/plain;q=0, Text/HTML;Q=0.9"}) as response:
        assert (response.status, response.content_type) == (status, "text/html")
    async with http.get("/j/ABCDEF", headers={"Accept": "application/json, text/html;q=0"}) as response:
        assert (response.status, response.content_type) == (status, "application/problem+json")
    async with http.get("/j/ABCDEF", headers={"Accept": "text/html,application/xhtml+xml"}) as response:
        assert (response.status, response.content_type) == (status, "text/html")
        assert response.headers["Cache-Control"] == "no-store"
        assert words in await response.text()
        assert response.headers.get("Retry-After") == ("1" if status == 503 else None)
    async with http.get("/j/ABCDEF") as response:
        assert (response.status, response.content_type) == (status, "application/problem+json")
