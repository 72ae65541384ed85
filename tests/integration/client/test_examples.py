"""The programs in docs/clients.md run without changes."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from server.node.node import Node
from tests.support import one_node
from tests.support.row_factory import RowFactory
from tests.support.running_node import PATIENCE_S
from tests.unit.test_page_state import node_binary

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory = one_node.node, one_node.emptied

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "clients.md").read_text("utf-8")
PROGRAMS = {"python": [sys.executable, "-"], "js": [str(node_binary()), "--input-type=module", "-"]}


@pytest.mark.parametrize("language", PROGRAMS)
async def test_an_example_votes_and_sees_its_vote(node: Node, factory: RowFactory, language: str) -> None:
    """The program votes for the first song that has not been played, ends when it sees its vote in the counts, and the vote is counted."""
    (program,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    show = await factory.show(7)
    await factory.sql.execute("update setlist_songs set played_at = now() where id = $1", show.first)
    running = await asyncio.create_subprocess_exec(
        *PROGRAMS[language], cwd=ROOT, env={**os.environ, "MYSETLIST_URL": node.url},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        output, errors = await running.communicate(program.encode())
    assert running.returncode == 0, errors.decode()
    assert "Song 1: up, committed" in output.decode()
    assert (await factory.tally(7))[:2] == [[show.first, 0, 0], [show.first + 1, 1, 0]]


async def test_the_example_of_a_stream_survives_the_error_page_of_a_proxy(node: Node, factory: RowFactory) -> None:
    """While a node restarts, the proxy answers 502 without a stream, and EventSource gives up; the example opens another one."""
    (program,) = re.findall(r"```javascript\n(.*?)```", PAGE, re.DOTALL)
    await factory.show(7)
    streams: list[asyncio.Event] = []

    async def proxy(request: web.Request) -> web.StreamResponse:
        streams.append(asyncio.Event())
        if len(streams) == 2:
            return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
        async with aiohttp.ClientSession() as http, http.get(f"{node.url}{request.path_qs}") as answer:
            through = web.StreamResponse(headers={"Content-Type": answer.headers["Content-Type"]})
            await through.prepare(request)
            async for data in answer.content.iter_any():
                # The browser comes back at once, and not after the seconds that the server asks for.
                await through.write(re.sub(rb"retry: \d+", b"retry: 1", data))
                if b"data:" in data and len(streams) == 1:
                    break
        return through

    app = web.Application()
    app.add_routes([web.get("/api/shows/7/events", proxy)])
    runner = web.AppRunner(app, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/shows/7/events?channels=votes"
    # Unlike a page, node ends when an EventSource waits; the interval keeps it running.
    ending = "setInterval(() => {}, 1000);"
    ending += f"let pushes = 0; follow('{url}', ({{ ch }}) => {{ if (++pushes === 2) {{ console.log(ch); process.exit(); }} }});"
    running = await asyncio.create_subprocess_exec(
        str(node_binary()), "--experimental-eventsource", "--no-warnings", "--input-type=module", "-",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_S):
            output, errors = await running.communicate(f"{program}\n{ending}".encode())
    finally:
        if running.returncode is None:
            running.kill()
        await runner.cleanup()
    assert (running.returncode, output.decode(), errors.decode()) == (0, "votes:7\n", "")
    assert len(streams) == 3
