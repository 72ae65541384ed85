"""Limits of connections and requests, each on a node where it is small; one address with many fans is not limited."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest
import redis.asyncio

from server.cache.windows import AWAY_S, Window, Windows
from server.errors import Refused
from server.node.node import Node
from server.protocol.limits import Limits
from tests.support.clock import FakeClock
from tests.support.people import People
from tests.support.row_factory import RowFactory
from tests.support.running_node import PATIENCE_S, running_node, until
from tests.support.socket_client import SocketClient

LOCAL = (ipaddress.ip_network("127.0.0.1/32"),)


@asynccontextmanager
async def limited(database_url: str, redis_url: str, **limits: int) -> AsyncIterator[Node]:
    """A node with the given limits, behind a proxy on this machine."""
    async with running_node(database_url, redis_url, limits=Limits(**limits), trusted_proxies=LOCAL) as node:
        yield node


def behind(address: str) -> dict[str, Any]:
    return {"headers": {"X-Forwarded-For": address}}


async def status_of_upgrade(node: Node, **options: Any) -> int:
    """101, or the status of the refused upgrade."""
    try:
        async with SocketClient.connect(node.url, **options):
            return 101
    except aiohttp.WSServerHandshakeError as refusal:
        return refusal.status


async def test_five_hundred_fans_behind_one_address(node: Node, factory: RowFactory) -> None:
    """A stadium's network is one address: all sign in, connect and vote at once, and nothing is refused."""
    show = await factory.show(7, song_count=1)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
    ) as http:

        async def fan(everybody: asyncio.Barrier) -> None:
            # Not all at the same instant: a request waits up to five seconds for one of eight connections.
            async with signing_in, http.post(f"{node.url}/api/session") as response:
                assert response.status == 201
                token = (await response.json())["token"]
            async with SocketClient.connect(node.url) as client:
                await client.hello(token)
                await everybody.wait()
                await client.cast(7, (show.first, "up"))
                await everybody.wait()

        signing_in, everybody = asyncio.Semaphore(20), asyncio.Barrier(500)
        async with asyncio.timeout(PATIENCE_S * 2):
            await asyncio.gather(*(fan(everybody) for _ in range(500)))
    assert await factory.tally(7) == [[show.first, 500, 0]]


async def test_connections_of_a_node_and_an_address(database_url: str, redis_url: str) -> None:
    """Past them the upgrade is refused with 503; a closed connection makes room; another address has its own limit."""
    async with limited(database_url, redis_url, connections=3, connections_per_address=2) as node:
        async with AsyncExitStack() as stack:
            for _ in range(2):
                await stack.enter_async_context(SocketClient.connect(node.url, **behind("198.51.100.1")))
            async with aiohttp.ClientSession() as http:
                headers = {
                    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": "mysetlist.v1",
                    **behind("198.51.100.1")["headers"],
                }  # fmt: skip
                async with http.get(f"{node.url}/ws", headers=headers) as response:
                    problem = await response.json()
            assert (response.status, problem["code"]) == (503, "overloaded")
            assert problem["retry_after_ms"] > 0
            await stack.enter_async_context(SocketClient.connect(node.url, **behind("2001:db8::1")))
            assert await status_of_upgrade(node, **behind("192.0.2.1")) == 503

        async def has_room() -> bool:
            return await status_of_upgrade(node, **behind("198.51.100.1")) == 101

        await until(has_room)


async def test_open_requests_of_an_address_behind_a_proxy(database_url: str, redis_url: str) -> None:
    """Bodies that never come count for the client that the proxy names, past its limit 503; others and probes get in."""
    async with (
        limited(database_url, redis_url, open_connections_per_address=2) as node,
        aiohttp.ClientSession() as http,
    ):

        async def status_of(path: str, address: str) -> int:
            async with http.get(node.url + path, **behind(address)) as response:
                return response.status

        writers = []
        for _ in range(2):
            _, writer = await asyncio.open_connection("127.0.0.1", node.port)
            writer.write(
                b"POST /api/session HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.1\r\n"
                b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
            )
            writers.append(writer)

        async def is_full() -> bool:
            return await status_of("/api/shows", "198.51.100.1") == 503

        await until(is_full)
        assert await status_of("/readyz", "198.51.100.1") == 200
        assert await status_of("/api/shows", "198.51.100.2") == 200
        for writer in writers:
            writer.close()

        async def has_room() -> bool:
            return await status_of("/api/shows", "198.51.100.1") == 200

        await until(has_room)


async def test_connections_of_a_user(database_url: str, redis_url: str, factory: RowFactory) -> None:
    """Past them a connection is closed with 4003, by hello or by cookie; other users are admitted, and a closed one makes room."""
    async with limited(database_url, redis_url, connections_per_user=2) as node, People.open(node, factory) as people:
        ann, ben = await people.persons(2)
        cookie = {"headers": {"Cookie": f"mysetlist_session={ann.token}"}}
        async with SocketClient.connect(node.url, **cookie) as one, SocketClient.connect(node.url) as two:
            await one.ok("hello")
            await two.hello(ann.token or "")
            await two.hello(ann.token or "")
            async with SocketClient.connect(node.url) as third, SocketClient.connect(node.url, **cookie) as fourth:
                assert await third.refusal("hello", token=ann.token) == "overloaded"
                for client in (third, fourth):
                    assert await client.close_code() == 4003
                assert fourth.heard[-1]["error"]["code"] == "overloaded"
            # A connection that signs in as another user makes room.
            await two.hello(ben.token or "")
            async with SocketClient.connect(node.url) as third:
                await third.hello(ann.token or "")

        async def has_room() -> bool:
            async with (
                SocketClient.connect(node.url, **cookie) as first,
                SocketClient.connect(node.url, **cookie) as second,
            ):
                return "ok" in await first.ask("hello") and "ok" in await second.ask("hello")

        await until(has_room)


async def test_a_silent_connection_is_closed(database_url: str, redis_url: str) -> None:
    """Before its first request, however slowly its bytes come; and after the upgrade, with 4002."""
    async with limited(database_url, redis_url, handshake_s=1, hello_s=1) as node:
        readers = []
        for start in (b"", b"GET /healthz HTTP/1.1\r\nHost: "):
            reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
            writer.write(start)
            readers.append((reader, writer))
        async with SocketClient.connect(node.url) as silent, SocketClient.connect(node.url) as reading:
            assert await reading.is_alive()
            assert await silent.close_code() == 4002
            for reader, writer in readers:
                async with asyncio.timeout(PATIENCE_S):
                    assert await reader.read() == b""
                writer.close()
            assert await reading.is_alive()


async def test_requests_of_a_connection(database_url: str, redis_url: str, factory: RowFactory) -> None:
    """Too many at once are refused under their ids, with the time to wait; other connections are not slowed, and it goes on."""
    async with (
        limited(database_url, redis_url, requests_per_s=5, requests_per_s_of_user=1_000) as node,
        SocketClient.connect(node.url) as flooding,
        SocketClient.connect(node.url) as other,
    ):
        requests = [await flooding.send("ping") for _ in range(12)]
        replies = [await flooding.reply_to(request_id) for request_id in requests]
        assert all("ok" in reply for reply in replies[:10])
        errors = [reply["error"] for reply in replies if "error" in reply]
        assert errors
        assert {error["code"] for error in errors} == {"rate_limited"}
        assert all(0 < error["retry_after_ms"] <= 200 for error in errors)
        await flooding.socket.send_str("{")
        assert await other.is_alive()

        async def goes_on() -> bool:
            return "ok" in await flooding.ask("ping")

        await until(goes_on)


async def test_requests_of_a_user(database_url: str, redis_url: str, factory: RowFactory) -> None:
    """All connections of a user share the limit; another user is not affected."""
    async with limited(database_url, redis_url, requests_per_s=1_000, requests_per_s_of_user=5) as node:
        tokens = [await factory.token() for _ in range(2)]
        async with (
            SocketClient.connect(node.url) as one,
            SocketClient.connect(node.url) as two,
            SocketClient.connect(node.url) as other,
        ):
            for client, token in ((one, tokens[0]), (two, tokens[0]), (other, tokens[1])):
                await client.hello(token)
            for client in (one, two):
                for _ in range(6):
                    await client.send("ping")

            async def is_limited() -> bool:
                await two.receive()
                return any(message.get("error", {}).get("code") == "rate_limited" for message in two.heard)

            await until(is_limited)
            assert await other.is_alive()


async def test_requests_without_a_user(database_url: str, redis_url: str, factory: RowFactory) -> None:
    """All anonymous clients of an address share the limit, over websockets and HTTP; a fan who signs in leaves it."""
    show = await factory.show(7, song_count=1)
    async with (
        limited(database_url, redis_url, requests_per_s_of_address=10) as node,
        SocketClient.connect(node.url, **behind("198.51.100.1")) as fan,
        SocketClient.connect(node.url, **behind("198.51.100.1")) as flooding,
        aiohttp.ClientSession() as http,
    ):
        await fan.hello(await factory.token())
        for _ in range(30):
            await flooding.send("ping")
        refusal = await flooding.next(lambda message: "error" in message)
        assert refusal["error"]["code"] == "rate_limited"
        await fan.cast(7, (show.songs[0], "up"))

        async def is_refused(address: str) -> bool:
            async with http.get(f"{node.url}/api/artists", **behind(address)) as response:
                return response.status == 429

        await until(lambda: is_refused("198.51.100.1"))
        assert not await is_refused("198.51.100.2")


async def test_a_subscribe_costs_as_much_as_its_channels(database_url: str, redis_url: str) -> None:
    """Fifty channels in one request: the next request comes too soon."""
    async with (
        limited(database_url, redis_url, requests_per_s=20, requests_per_s_of_user=1_000) as node,
        SocketClient.connect(node.url) as client,
    ):
        await client.ok("subscribe", channels=[f"votes:{show}" for show in range(1, 51)])
        assert await client.refusal("ping") == "rate_limited"


async def test_limits_of_frames_and_channels(database_url: str, redis_url: str, factory: RowFactory) -> None:
    """A longer frame: 1009; one channel more: too_large, and the watched ones stay."""
    for show_id in (1, 2, 3):
        await factory.show(show_id)
    async with (
        limited(database_url, redis_url, frame_bytes=200, channels_per_connection=2) as node,
        SocketClient.connect(node.url) as client,
    ):
        await client.watch("votes:1", "votes:2")
        assert await client.refusal("subscribe", channels=["votes:3"]) == "too_large"
        assert await client.is_alive()
        await client.socket.send_str('{"id":9,"op":"ping","x":"' + "x" * 200 + '"}')
        assert await client.close_code() == 1009


async def test_limits_over_all_nodes(database_url: str, redis_url: str, factory: RowFactory) -> None:
    """A user's requests and connections, an address's sessions: two nodes count them together."""
    shares = {"http_requests_per_minute": 20, "connects_per_minute": 10, "sessions_per_address": 10}
    async with (
        limited(database_url, redis_url, **shares) as node,
        limited(database_url, redis_url, **shares) as second,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
        People.open(node, factory) as people,
    ):
        ann, ben = await people.persons(2)

        async def asked(count: int, method: str, path: str, **headers: str) -> list[tuple[int, Any]]:
            answers = []
            for number in range(count):
                url = (node, second)[number % 2].url
                async with http.request(method, url + path, headers=headers) as response:
                    answers.append((response.status, await response.json()))
            return answers

        # Each node lets a tenth by without counting.
        answers = await asked(30, "GET", "/api/me", Authorization=f"Bearer {ann.token}")
        statuses = [status for status, _ in answers]
        assert (statuses.count(200), set(statuses[24:])) == (24, {429})
        assert answers[-1][1]["code"] == "rate_limited"
        assert 0 < answers[-1][1]["retry_after_ms"] <= 60_000
        await ben.ok("GET", "/api/me")

        answers = await asked(20, "POST", "/api/session", **{"X-Forwarded-For": "198.51.100.1"})
        assert [status for status, _ in answers].count(201) == 12
        assert {status for status, _ in answers[12:]} == {429}
        assert [
            status for status, _ in await asked(1, "POST", "/api/session", **{"X-Forwarded-For": "198.51.100.2"})
        ] == [201]

        codes = []
        for number in range(16):
            async with SocketClient.connect((node, second)[number % 2].url) as client:
                reply = await client.ask("hello", token=ben.token)
                codes.append(reply.get("error", {}).get("code"))
                if "error" in reply:
                    assert await client.close_code() == 4003
        assert codes == [None] * 12 + ["rate_limited"] * 4


async def test_valkey_is_away() -> None:
    """The node counts alone up to the limit, no request waits long, and Valkey is not asked again for a moment."""
    clock = FakeClock()
    windows = Windows("redis://127.0.0.1:1", clock)
    window = Window("test", 3, 60, "Too many.")
    asked: list[str] = []
    hit = windows._strategy.hit

    async def recording(*arguments: Any, cost: int) -> bool:
        asked.append(arguments[1])
        return await hit(*arguments, cost=cost)

    windows._strategy.hit = recording  # type: ignore[assignment,method-assign]
    for _ in range(3):
        await windows.count(window, "ann")
    assert asked == ["ann"]
    with pytest.raises(Refused, match="Too many") as refusal:
        await windows.count(window, "ann")
    assert refusal.value.retry_after_ms == 60_000
    with pytest.raises(Refused, match="Too many"):
        await windows.count(window, "cleo", 4)
    clock.advance(AWAY_S)
    await windows.count(window, "ben")
    assert asked == ["ann", "ben"]
    clock.advance(60)
    await windows.count(window, "ann")
    await windows.close()


async def test_a_window_slides_and_is_forgotten(redis_url: str) -> None:
    """Used requests become available again little by little; no key stays in Valkey for longer than two windows."""
    windows = Windows(redis_url, FakeClock())
    window = Window("test", 5, 1, "Too many.")
    for _ in range(5):
        await windows.count(window, "ann")
    with pytest.raises(Refused, match="Too many") as refusal:
        await windows.count(window, "ann")
    assert refusal.value.retry_after_ms is not None

    async def has_room() -> bool:
        try:
            await windows.count(window, "ann")
        except Refused:
            return False
        return True

    await until(has_room)
    async with redis.asyncio.Redis.from_url(redis_url) as valkey:
        keys = await valkey.keys("*")
        assert keys
        assert all([0 < await valkey.pttl(key) <= 2_000 for key in keys])
    await windows.close()
