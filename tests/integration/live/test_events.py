"""Server-sent events: the same pushes, resumed by id, refused before they begin, and ended when the node stops."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from server.live.sockets import DRAIN_MAX_MS, DRAIN_MIN_MS
from server.live.sse import RETRY_MAX_MS, RETRY_MIN_MS
from server.node.node import Node
from server.protocol.limits import Limits
from tests.support import one_node
from tests.support.event_stream import EventStream
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import PATIENCE_S, running_node, until
from tests.support.socket_client import SocketClient

database_url, redis_url, other = one_node.database_url, one_node.redis_url, one_node.other
node, factory = one_node.node, one_node.factory

_SHOW_IDS = itertools.count(7)


@pytest_asyncio.fixture(loop_scope="module")
async def show(node: Node, factory: RowFactory) -> Show:
    """A show of this test; the node has no streams of earlier tests any more."""
    await until(lambda: is_free(node))
    return await factory.show(next(_SHOW_IDS))


async def is_free(node: Node) -> bool:
    return not len(node.rooms.sockets)


def path_of(show: Show) -> str:
    return f"/api/shows/{show.id}/events"


async def vote(node: Node, factory: RowFactory, show: Show, *votes: tuple[int, str]) -> None:
    async with SocketClient.connect(node.url) as client:
        await client.hello(await factory.token())
        await client.cast(show.id, *votes)


async def asked(node: Node, path: str, method: str = "GET", **headers: str) -> tuple[int, Any, Any]:
    """The answer to a refused request: status, headers, and the problem."""
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
        http.request(method, node.url + path, headers=headers) as response,
    ):
        return response.status, response.headers, await response.json() if method == "GET" else await response.read()


async def test_pushes_are_the_same_as_on_the_websocket(node: Node, factory: RowFactory, show: Show) -> None:
    """The whole state of each channel first, then every push, as JSON like the websocket's, with headers for proxies."""
    async with SocketClient.connect(node.url) as client, EventStream.connect(node.url, path_of(show)) as reader:
        headers = reader.response.headers
        assert headers["Content-Type"] == "text/event-stream"
        assert headers["X-Accel-Buffering"] == "no"
        assert "no-transform" in headers["Cache-Control"]
        assert "Content-Encoding" not in headers
        states = await client.watch(f"votes:{show.id}", f"status:{show.id}", f"setlist:{show.id}")
        firsts = {
            (await reader.push(name))["ch"]: reader.events[-1][1]
            for name in (f"votes:{show.id}", f"status:{show.id}", f"setlist:{show.id}")
        }
        for name, first in firsts.items():
            assert first == {"ch": name, "at": states[name]["at"], **states[name]["state"]}
        await vote(node, factory, show, (show.first, "up"))
        assert await reader.push(f"votes:{show.id}") == await client.push(f"votes:{show.id}")
        assert RETRY_MIN_MS <= reader.retry_ms <= RETRY_MAX_MS
    slug = await factory.sql.fetchval("select slug from shows where id = $1", show.id)
    async with EventStream.connect(node.url, f"/api/shows/{slug}/events") as reader:
        assert (await reader.push(f"votes:{show.id}"))["total"] == 1


async def test_a_resumed_stream_gets_the_changed_channels(node: Node, factory: RowFactory, show: Show) -> None:
    """`Last-Event-ID` has the positions of all channels: an unchanged channel is not sent again, a changed one is sent whole."""
    async with EventStream.connect(node.url, path_of(show)) as reader:
        for name in (f"votes:{show.id}", f"status:{show.id}", f"setlist:{show.id}"):
            await reader.push(name)
        await vote(node, factory, show, (show.first, "up"))
        await reader.push(f"votes:{show.id}")
        last_id = reader.last_id
    await vote(node, factory, show, (show.songs[1], "down"))
    async with EventStream.connect(node.url, path_of(show), **{"Last-Event-ID": last_id}) as back:
        counts = await back.push(f"votes:{show.id}", lambda push: push["total"] == 2)
        assert sorted(counts["tally"]) == [[show.first, 1, 0], [show.songs[1], 0, 1], [show.songs[2], 0, 0]]
        await vote(node, factory, show, (show.first, "up"))
        await back.push(f"votes:{show.id}", lambda push: push["total"] == 3)
        assert {event["ch"] for _, event in back.events} == {f"votes:{show.id}"}
        async with EventStream.connect(node.url, path_of(show), **{"Last-Event-ID": back.last_id}) as same:
            await vote(node, factory, show, (show.first, "up"))
            assert (await same.push(f"votes:{show.id}"))["total"] == 4
            assert len(same.events) == 1
    async with EventStream.connect(
        node.url, path_of(show), **{"Last-Event-ID": f"votes:{show.id}@x,;,@,5"}
    ) as confused:
        assert (await confused.push(f"votes:{show.id}"))["total"] == 4


async def test_events_after_a_skipped_state_have_no_id(node: Node, factory: RowFactory, show: Show) -> None:
    """Events of other channels have no id until the skipped state is sent."""
    async with EventStream.connect(node.url, path_of(show) + "?channels=votes,status") as reader:
        for name in (f"votes:{show.id}", f"status:{show.id}"):
            await reader.push(name)
        (stream,) = node.rooms.sockets._connections
        before = reader.last_id
        stream.behind_count += 1
        hub = node.rooms.hub
        hub.replace_document(f"status:{show.id}", 2**52, b'{"voting":"locked"}')
        await reader.push(f"status:{show.id}")
        assert reader.last_id == before
        stream.behind_count -= 1
        hub.replace_document(f"status:{show.id}", 2**52 + 1, b'{"voting":"open"}')
        await reader.push(f"status:{show.id}")
        assert reader.last_id != before


async def test_refusals_are_problems(node: Node, factory: RowFactory, show: Show) -> None:
    """Unknown shows and channels, too many channels, a bad token: a problem comes before the stream begins."""
    for path, status, code in (
        ("/api/shows/999/events", 404, "not_found"),
        ("/api/shows/x/events", 404, "not_found"),
        (path_of(show) + "?channels=votes,nothing", 404, "not_found"),
        (path_of(show) + "?channels=,", 404, "not_found"),
        (path_of(show) + "?channels=votes:x", 404, "not_found"),
        (path_of(show) + "?channels=votes&channels=status", 400, "bad_request"),
        (path_of(show) + "?channels=" + ",".join(f"votes:{number}" for number in range(1, 60)), 413, "too_large"),
        (path_of(show) + "?channels=" + "x" * 2_000, 400, "bad_request"),
    ):
        answer = await asked(node, path)
        assert (answer[0], answer[2]["code"]) == (status, code), path
        assert answer[1]["Content-Type"].startswith("application/problem+json")
    answer = await asked(node, path_of(show), Authorization="Bearer nonsense")
    assert (answer[0], answer[2]["code"]) == (401, "unauthenticated")
    status, headers, body = await asked(node, path_of(show), "HEAD")
    assert (status, headers["Content-Type"], body) == (200, "text/event-stream", b"")
    assert len(node.rooms.sockets) == 0


async def test_streams_count_as_connections(database_url: str, redis_url: str, factory: RowFactory, show: Show) -> None:
    """A stream counts for its node and its user until it ends."""
    limits = Limits(connections=2, connections_per_user=1)
    async with running_node(database_url, redis_url, limits=limits) as node:
        bearer = {"Authorization": f"Bearer {await factory.token()}"}
        async with EventStream.connect(node.url, path_of(show), **bearer) as first:
            await first.push(f"votes:{show.id}")
            answer = await asked(node, path_of(show), **bearer)
            assert (answer[0], answer[2]["code"]) == (503, "overloaded")
            async with SocketClient.connect(node.url) as client:
                assert await client.is_alive()
                assert (await asked(node, path_of(show)))[2]["code"] == "overloaded"

        await until(lambda: is_free(node))
        async with EventStream.connect(node.url, path_of(show), **bearer) as again:
            await again.push(f"votes:{show.id}")


async def test_plain_http_1_0(node: Node, factory: RowFactory, show: Show) -> None:
    """No chunks, which an old proxy would forward unread; the stream ends with the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(f"GET {path_of(show)} HTTP/1.0\r\n\r\n".encode())
    async with asyncio.timeout(PATIENCE_S):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert b"transfer-encoding" not in head
        assert (await reader.readline()).startswith(b"retry: ")
        assert await reader.readline() == b"\n"
        assert (await reader.readline()).startswith(f'data: {{"ch":"votes:{show.id}","at":'.encode())
    writer.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
async def test_curl_prints_events(node: Node, factory: RowFactory, show: Show) -> None:
    """`curl -N` prints each event when it happens."""
    process = await asyncio.create_subprocess_exec(
        "curl", "-sN", node.url + path_of(show) + "?channels=votes", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            await process.stdout.readuntil(b'"total":0}\n')
            await vote(node, factory, show, (show.first, "up"))
            await process.stdout.readuntil(b'"total":1}\n')
    finally:
        process.kill()
        await process.wait()


async def test_a_quiet_stream_is_kept_open_by_comments(node: Node, factory: RowFactory, show: Show) -> None:
    """A stream is one-way, so its client cannot answer: it gets a comment, and stays connected."""
    async with EventStream.connect(node.url, path_of(show) + "?channels=votes") as reader:
        await reader.push(f"votes:{show.id}")
        (stream,) = node.rooms.sockets._connections
        for _ in range(3):
            stream.heard_s -= 30.0
            stream.pinged_s -= 30.0
            node.rooms.sockets.sweep()
        node.rooms.hub.publish_tally(show.id, 2**52, 1, [(1, 1, 0)], after=0)
        await reader.push(f"votes:{show.id}")
        assert reader.comment_count == 3


async def test_a_stream_ends_with_its_token(node: Node, factory: RowFactory, show: Show) -> None:
    """A stream has no second hello: an event gives the reason, and the stream is closed."""
    async with EventStream.connect(node.url, path_of(show), Authorization=f"Bearer {await factory.token()}") as reader:
        await reader.push(f"votes:{show.id}")
        (stream,) = node.rooms.sockets._connections
        stream.alarm_ms = 0
        node.rooms.sockets.sweep()
        await reader.until_end()
        assert reader.events[-1][0] == "end"


async def test_a_stopping_node_sends_streams_away(other: Node, show: Show) -> None:
    """Each stream gets its own time to come back, and ends at once, without a wait for the next push."""
    async with (
        EventStream.connect(other.url, path_of(show)) as first,
        EventStream.connect(other.url, path_of(show)) as second,
    ):
        for reader in (first, second):
            await reader.push(f"votes:{show.id}")
        await other.rooms.sockets.drain()
        for reader in (first, second):
            await reader.until_end()
            assert reader.events[-1] == ("drain", {"min_ms": DRAIN_MIN_MS, "max_ms": DRAIN_MAX_MS})
            assert DRAIN_MIN_MS <= reader.retry_ms <= DRAIN_MAX_MS
        assert (await asked(other, path_of(show)))[2]["code"] == "unavailable"
