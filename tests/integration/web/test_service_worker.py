"""The script of the service worker, as browsers get it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import aiohttp
import pytest_asyncio

from server.node.node import Node
from tests.support import one_node
from tests.support.running_node import running_node

database_url, redis_url, node = one_node.database_url, one_node.redis_url, one_node.node


@pytest_asyncio.fixture(loop_scope="module")
async def http(node: Node) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the node."""
    async with aiohttp.ClientSession(base_url=node.url) as session:
        yield session


async def test_the_worker_has_its_page_and_only_files_that_are_kept(http: aiohttp.ClientSession) -> None:
    """Its page and the server's are the same text, each file is kept for good, and browsers ask for the script each time."""
    async with http.get("/service-worker.js") as response:
        assert (response.status, response.content_type) == (200, "text/javascript")
        assert (response.headers["Cache-Control"], response.headers["Content-Encoding"]) == ("no-cache", "br")
        assert "worker-src 'self'" in response.headers["Content-Security-Policy"]
        text, etag = await response.text(), response.headers["ETag"]
    async with http.get("/service-worker.js", headers={"If-None-Match": etag}) as response:
        assert (response.status, await response.read()) == (304, b"")
    async with http.head("/service-worker.js") as response:
        assert response.status == 200
    [given] = re.findall(r"^self\.shell = (.*);$", text, re.MULTILINE)
    shell = json.loads(given)
    async with http.get("/") as response:
        # The server may add to its page what it knows of the address, also what is loaded later; all its files are kept.
        names = r'"(/static/[^"]+)"'
        found = re.findall(names, await response.text())
        assert set(re.findall(names, shell["page"])) <= set(found)
        assert [one for one in found if one.endswith("/list-view.js")]
        assert set(found) <= set(shell["files"])
        for name in ("Content-Security-Policy", "Content-Type", "X-Content-Type-Options", "Referrer-Policy"):
            assert response.headers[name] == shell["headers"][name]
    assert len(shell["files"]) >= 5
    for path in shell["files"]:
        async with http.get(path) as response:
            assert "immutable" in response.headers["Cache-Control"], path
            assert f"/static/{shell['version']}/" in path


async def test_the_manifest_has_all_that_an_installation_needs(http: aiohttp.ClientSession) -> None:
    """Name, id, scope, icons of both sizes and one that may be cut; each address exists, and each icon has its size."""
    async with http.get("/static/manifest.webmanifest") as response:
        manifest = json.loads(await response.text())
    assert (manifest["id"], manifest["scope"], manifest["start_url"], manifest["display"]) == (
        "/",
        "/",
        "/",
        "standalone",
    )
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in manifest["icons"] if "purpose" not in icon}
    assert [icon["sizes"] for icon in manifest["icons"] if icon.get("purpose") == "maskable"] == ["512x512"]
    for icon in manifest["icons"]:
        async with http.get(icon["src"]) as response:
            assert response.content_type == icon["type"]
            picture = await response.read()
        if icon["type"] == "image/png":
            # The size stands in the chunk IHDR (PNG, section 11.2.2).
            width, height = int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24])
            assert f"{width}x{height}" == icon["sizes"]
    for shortcut in manifest["shortcuts"]:
        async with http.get(shortcut["url"]) as response:
            assert response.status == 200


async def test_switched_off_it_clears_itself(database_url: str, redis_url: str) -> None:
    """The script is one that deletes what was kept; pages still name workers in their policy, so that it can run."""
    async with (
        running_node(database_url, redis_url, service_worker="off") as node,
        aiohttp.request("GET", f"{node.url}/service-worker.js") as response,
    ):
        text = await response.text()
    assert "unregister" in text
    assert "self.shell" not in text
