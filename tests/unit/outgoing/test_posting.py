"""Posts to hosts that others have given: connections that are kept."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from server.outgoing import posting
from server.outgoing.posting import CheckedPoster
from server.settings import _networks


async def test_a_host_that_is_new_is_not_closed_for_another_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more hosts than are kept, the posts that come at once to new ones all arrive."""

    async def take(_request: web.Request) -> web.Response:
        return web.Response()

    async def look_up(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    close = httpx.AsyncClient.aclose

    async def close_slowly(client: httpx.AsyncClient) -> None:
        await asyncio.sleep(0)
        await close(client)

    monkeypatch.setattr(posting, "HOSTS_MAX", 1)
    monkeypatch.setattr(httpx.AsyncClient, "aclose", close_slowly)
    app = web.Application()
    app.add_routes([web.post("/", take)])
    async with TestServer(app) as server:
        poster = CheckedPoster(_networks("127.0.0.0/8"), setting="MYSETLIST_X", look_up=look_up, keeps_connections=True)
        try:
            for number in range(3):
                urls = [f"http://host-{number}-{place}.example:{server.port}/" for place in range(4)]
                posted = await asyncio.gather(*(poster.post(url, b"{}", {}) for url in urls))
                assert [(one.status, one.error) for one in posted] == [(200, "")] * 4
        finally:
            await poster.close()
