"""Public files of a server that wants to harm whoever audits it: memory, time, and where it leads to."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from server.ledger.audit import Missing
from server.ledger.entries import Choice
from server.ledger.files import FILE_BYTES_MAX, public_files
from tests.support.commands import run_command
from tests.support.ledger_files import entry, publish

Handler = Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """A server with this handler for every path; gives its address."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def error_of(handler: Handler, *, timeout_s: float = 20) -> str:
    """What a reader of a file says."""
    async with serving(handler) as url, public_files(url, timeout_s=timeout_s) as get:
        with pytest.raises(Missing) as caught:
            await get("api/shows/7/ledger/checkpoint")
    return str(caught.value)


async def test_a_redirect_into_a_network() -> None:
    """It is not followed: what it leads to is asked nothing."""
    asked = []

    async def inside(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text="secret")

    async with serving(inside) as inner_url:

        async def redirect(request: web.Request) -> web.Response:
            raise web.HTTPFound(f"{inner_url}/admin")

        assert f"leads to {inner_url}/admin; give the address" in await error_of(redirect)
    assert asked == []


async def test_a_bomb() -> None:
    """A compressed answer is not unpacked, though this one would fit."""

    async def bomb(request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(bytes(1_000)), headers={"Content-Encoding": "gzip"})

    assert "is compressed, which this program did not ask for" in await error_of(bomb)


async def test_an_endless_file() -> None:
    """A file that does not end is read up to the limit, and no further."""
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(bytes(64 * 1024))
            sent += 64 * 1024

    assert f"has more than {FILE_BYTES_MAX} bytes" in await error_of(endless)
    # And what the sockets hold.
    assert sent < 4 * FILE_BYTES_MAX


async def test_a_file_that_trickles() -> None:
    """A byte now and then does not make the time of a file longer."""
    waiting = asyncio.Event()

    async def trickle(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while not waiting.is_set():
            await answer.write(b"x")
            await asyncio.sleep(0.02)
        return answer

    assert "it takes more than 0.3 s" in await error_of(trickle, timeout_s=0.3)
    waiting.set()


async def test_text_that_steers_a_terminal(tmp_path: Path) -> None:
    """A name that would clear the screen, or write a line of its own, is printed without what does so."""
    publish(tmp_path, [entry(1, 1, Choice.UP)], {1: (1, 0, 0, 0)})
    file = tmp_path / "api/shows/7/results"
    results = json.loads(file.read_bytes())
    results["show"]["name"] = "Show\x1b[2J\rthe final result has the same counts"
    file.write_text(json.dumps(results))
    code, output, _ = await run_command("audit", "7", "--url", tmp_path.as_uri(), environ=dict(os.environ))
    assert code == 0
    assert "show 7: Show?[2J?the final result has the same counts\n" in output
    assert "\x1b" not in output
