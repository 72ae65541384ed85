"""Server-sent events: the same pushes, resumed by id, refused before they begin, and ended when the node stops."""

from __future__ import annotations

import asyncio
import shutil
from typing import Any

import aiohttp
import pytest

from server.live.sockets import DRAIN_MAX_MS, DRAIN_MIN_MS
from server.live.sse import RETRY_MAX_MS, RETRY_MIN_MS
from server.node.node import Node
from server.protocol.limits import Limits
from tests.support.event_stream import EventStream
from tests.support.row_factory import RowFactory
from tests.support.running_node import PATIENCE_S, running_node, until
from tests.support.socket_client import SocketClient

PATH = "/api/shows/7/events"


async def vote(node: Node, factory: RowFactory, *votes: tuple[int, str]) -> None:
    async with SocketClient.connect(node.url) as client:
        await client.hello(await factory.token())
        await client.cast(7, *votes)


async def asked(node: Node, path: str, method: str = "GET", **headers: str) -> tuple[int, Any, Any]:
    """The answer to a refused request: status, headers, and the problem."""
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
        http.request(method, node.url + path, headers=headers) as response,
    ):
        return response.status, response.headers, await response.json() if method == "GET" else await response.read()


async def test_pushes_are_the_same_as_on_the_websocket(node: Node, factory: RowFactory) -> None:
    """The whole state of each channel first, then every push, as JSON like the websocket's, with headers for proxies."""
    show = await factory.show(7)
    async with SocketClient.connect(node.url) as client, EventStream.connect(node.url, PATH) as reader:
        headers = reader.response.headers
        assert headers["Content-Type"] == "text/event-stream"
        assert headers["X-Accel-Buffering"] == "no"
        assert "no-transform" in headers["Cache-Control"]
        assert "Content-Encoding" not in headers
        states = await client.watch("votes:7", "status:7", "setlist:7")
        firsts = {
            (await reader.push(name))["ch"]: reader.events[-1][1] for name in ("votes:7", "status:7", "setlist:7")
        }
        for name, first in firsts.items():
            assert first == {"ch": name, "at": states[name]["at"], **states[name]["state"]}
        await vote(node, factory, (show.first, "up"))
        assert await reader.push("votes:7") == await client.push("votes:7")
        assert RETRY_MIN_MS <= reader.retry_ms <= RETRY_MAX_MS
    slug = await factory.sql.fetchval("select slug from shows where id = 7")
    async with EventStream.connect(node.url, PATH.replace("7", slug)) as reader:
        assert (await reader.push("votes:7"))["total"] == 1


async def test_a_resumed_stream_gets_the_changed_channels(node: Node, factory: RowFactory) -> None:
    """`Last-Event-ID` has the positions of all channels: an unchanged channel is not sent again, a changed one is sent whole."""
    show = await factory.show(7)
    async with EventStream.connect(node.url, PATH) as reader:
        for name in ("votes:7", "status:7", "setlist:7"):
            await reader.push(name)
        await vote(node, factory, (show.first, "up"))
        await reader.push("votes:7")
        last_id = reader.last_id
    await vote(node, factory, (show.songs[1], "down"))
    async with EventStream.connect(node.url, PATH, **{"Last-Event-ID": last_id}) as back:
        counts = await back.push("votes:7", lambda push: push["total"] == 2)
        assert sorted(counts["tally"]) == [[show.first, 1, 0], [show.songs[1], 0, 1], [show.songs[2], 0, 0]]
        await vote(node, factory, (show.first, "up"))
        await back.push("votes:7", lambda push: push["total"] == 3)
        assert {event["ch"] for _, event in back.events} == {"votes:7"}
        async with EventStream.connect(node.url, PATH, **{"Last-Event-ID": back.last_id}) as same:
            await vote(node, factory, (show.first, "up"))
            assert (await same.push("votes:7"))["total"] == 4
            assert len(same.events) == 1
    async with EventStream.connect(node.url, PATH, **{"Last-Event-ID": "votes:7@x,;,@,5"}) as confused:
        assert (await confused.push("votes:7"))["total"] == 4


async def test_events_after_a_skipped_state_have_no_id(node: Node, factory: RowFactory) -> None:
    """Events of other channels have no id until the skipped state is sent."""
    await factory.show(7)
    async with EventStream.connect(node.url, PATH + "?channels=votes,status") as reader:
        for name in ("votes:7", "status:7"):
            await reader.push(name)
        (stream,) = node.rooms.sockets._connections
        before = reader.last_id
        stream.behind_count += 1
        hub = node.rooms.hub
        hub.replace_document("status:7", 2**52, b'{"voting":"locked"}')
        await reader.push("status:7")
        assert reader.last_id == before
        stream.behind_count -= 1
        hub.replace_document("status:7", 2**52 + 1, b'{"voting":"open"}')
        await reader.push("status:7")
        assert reader.last_id != before


async def test_refusals_are_problems(node: Node, factory: RowFactory) -> None:
    """Unknown shows and channels, too many channels, a bad token: a problem comes before the stream begins."""
    await factory.show(7)
    for path, status, code in (
        ("/api/shows/8/events", 404, "not_found"),
        ("/api/shows/x/events", 404, "not_found"),
        (PATH + "?channels=votes,nothing", 404, "not_found"),
        (PATH + "?channels=,", 404, "not_found"),
        (PATH + "?channels=votes:x", 404, "not_found"),
        (PATH + "?channels=votes&channels=status", 400, "bad_request"),
        (PATH + "?channels=" + ",".join(f"votes:{number}" for number in range(1, 60)), 413, "too_large"),
        (PATH + "?channels=" + "x" * 2_000, 400, "bad_request"),
    ):
        answer = await asked(node, path)
        assert (answer[0], answer[2]["code"]) == (status, code), path
        assert answer[1]["Content-Type"].startswith("application/problem+json")
    answer = await asked(node, PATH, Authorization="Bearer nonsense")
    assert (answer[0], answer[2]["code"]) == (401, "unauthenticated")
    status, headers, body = await asked(node, PATH, "HEAD")
    assert (status, headers["Content-Type"], body) == (200, "text/event-stream", b"")
    assert len(node.rooms.sockets) == 0


async def test_streams_count_as_connections(database_url: str, redis_url: str, factory: RowFactory) -> None:
    """A stream counts for its node and its user until it ends."""
    await factory.show(7)
    limits = Limits(connections=2, connections_per_user=1)
    async with running_node(database_url, redis_url, limits=limits) as node:
        bearer = {"Authorization": f"Bearer {await factory.token()}"}
        async with EventStream.connect(node.url, PATH, **bearer) as first:
            await first.push("votes:7")
            answer = await asked(node, PATH, **bearer)
            assert (answer[0], answer[2]["code"]) == (503, "overloaded")
            async with SocketClient.connect(node.url) as client:
                assert await client.is_alive()
                assert (await asked(node, PATH))[2]["code"] == "overloaded"

        async def is_free() -> bool:
            return not len(node.rooms.sockets)

        await until(is_free)
        async with EventStream.connect(node.url, PATH, **bearer) as again:
            await again.push("votes:7")


async def test_plain_http_1_0(node: Node, factory: RowFactory) -> None:
    """No chunks, which an old proxy would forward unread; the stream ends with the connection."""
    await factory.show(7)
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(f"GET {PATH} HTTP/1.0\r\n\r\n".encode())
    async with asyncio.timeout(PATIENCE_S):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert b"transfer-encoding" not in head
        assert (await reader.readline()).startswith(b"retry: ")
        assert await reader.readline() == b"\n"
        assert (await reader.readline()).startswith(b'data: {"ch":"votes:7","at":')
    writer.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
async def test_curl_prints_events(node: Node, factory: RowFactory) -> None:
    """`curl -N` prints each event when it happens."""
    show = await factory.show(7)
    process = await asyncio.create_subprocess_exec(
        "curl", "-sN", node.url + PATH + "?channels=votes", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            await process.stdout.readuntil(b'"total":0}\n')
            await vote(node, factory, (show.first, "up"))
            await process.stdout.readuntil(b'"total":1}\n')
    finally:
        process.kill()
        await process.wait()


async def test_a_quiet_stream_is_kept_open_by_comments(node: Node, factory: RowFactory) -> None:
    """A stream is one-way, so its client cannot answer: it gets a comment, and stays connected."""
    await factory.show(7)
    async with EventStream.connect(node.url, PATH + "?channels=votes") as reader:
        await reader.push("votes:7")
        (stream,) = node.rooms.sockets._connections
        for _ in range(3):
            stream.heard_s -= 30.0
            stream.pinged_s -= 30.0
            node.rooms.sockets.sweep()
        node.rooms.hub.publish_tally(7, 2**52, 1, [(1, 1, 0)], after=0)
        await reader.push("votes:7")
        assert reader.comment_count == 3


async def test_a_stream_ends_with_its_token(node: Node, factory: RowFactory) -> None:
    """A stream has no second hello: an event gives the reason, and the stream is closed."""
    await factory.show(7)
    async with EventStream.connect(node.url, PATH, Authorization=f"Bearer {await factory.token()}") as reader:
        await reader.push("votes:7")
        (stream,) = node.rooms.sockets._connections
        stream.alarm_ms = 0
        node.rooms.sockets.sweep()
        await reader.until_end()
        assert reader.events[-1][0] == "end"


async def test_a_stopping_node_sends_streams_away(node: Node, factory: RowFactory) -> None:
    """Each stream gets its own time to come back, and ends at once, without a wait for the next push."""
    await factory.show(7)
    async with EventStream.connect(node.url, PATH) as one, EventStream.connect(node.url, PATH) as other:
        for reader in (one, other):
            await reader.push("votes:7")
        await node.rooms.sockets.drain()
        for reader in (one, other):
            await reader.until_end()
            assert reader.events[-1] == ("drain", {"min_ms": DRAIN_MIN_MS, "max_ms": DRAIN_MAX_MS})
            assert DRAIN_MIN_MS <= reader.retry_ms <= DRAIN_MAX_MS
        assert (await asked(node, PATH))[2]["code"] == "unavailable"
