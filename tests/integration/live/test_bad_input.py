"""Bad input on `/ws`: each gets its documented code, the connection stays open, no traceback, no leak."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import logging
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import jwt
import pytest
import pytest_asyncio
from aiohttp import WSMsgType
from structlog.testing import capture_logs

from server.node.node import Node
from server.people.sessions import mint_token
from server.protocol.limits import Limits
from server.protocol.messages import INBOUND_BYTES_MAX
from tests.support import one_node
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import SECRET, running_node
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory = one_node.node, one_node.factory
SHOW_IDS = itertools.count(7)
BIG = 2**53


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[Any]]:
    """The server's log records; at the end none may be an error or have a traceback."""
    with capture_logs() as entries:
        yield entries
    assert [entry for entry in entries if entry["log_level"] in ("error", "critical") or "exc_info" in entry] == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest_asyncio.fixture(loop_scope="module")
async def show(factory: RowFactory) -> Show:
    """An open show."""
    return await factory.show(next(SHOW_IDS))


@pytest_asyncio.fixture(loop_scope="module")
async def fan(logged: list[Any], node: Node, factory: RowFactory, show: Show) -> AsyncIterator[SocketClient]:
    """The client of a signed-in fan; at the end it must still be connected and served."""
    async with SocketClient.connect(node.url) as client:
        await client.hello(await factory.token())
        yield client
        assert await client.is_alive()
        answer = await client.cast(show.id, (show.first, "up"))
        assert answer["ballot"] == {str(show.first): "up"}


def transport_of(client: SocketClient) -> asyncio.Transport:
    """The transport under a client's websocket."""
    connection = client.socket._response.connection
    assert connection is not None
    assert connection.transport is not None
    return connection.transport


async def error_for(client: SocketClient, text: str, request_id: int | None) -> str:
    """Sends a raw text, and gives the code of the refusal."""
    await client.socket.send_str(text)
    reply = await client.reply_to(request_id)
    assert reply["error"]["message"]
    assert set(reply["error"]) == {"code", "message", "retry_after_ms"}
    return str(reply["error"]["code"])


async def test_malformed_requests(fan: SocketClient, logged: list[Any]) -> None:
    """Malformed, nested, NUL, endless numbers: bad_request, and one line in the log for all of them."""
    for text in (
        "", "{", "null", "[]", "[1,2]", '"x"', "NaN", "\x00", "{'id':1}", '{"id":4,"op":"ping"', '{"id":"4","op":"ping"}',
        '{"op":"ping"}', '{"id":4.5,"op":"ping"}', '{"id":-4,"op":"ping"}', f'{{"id":{BIG},"op":"ping"}}',
        f'{{"id":{"9" * 10_000},"op":"ping"}}', '{"id":4,"op":"hello","token":"\\ud800"}',
        "[" * INBOUND_BYTES_MAX, "[" * 8_000 + "]" * 8_000, '{"a":' * 3_000, "{" * INBOUND_BYTES_MAX,
        '{"id":4,"op":"ping","x":' + "[" * 8_000 + "]" * 8_000 + "}",
    ):  # fmt: skip
        assert await error_for(fan, text, None) == "bad_request"
    assert len([entry for entry in logged if entry["event"] == "request.malformed"]) == 1


async def test_requests_with_bad_fields(fan: SocketClient, show: Show) -> None:
    """Unknown ops, wrong types, too many values: bad_request under the request's id."""
    votes, channel = [[show.first, "up"]], f"votes:{show.id}"
    for fields in (
        {"op": "dance"}, {"op": None}, {"op": 5}, {}, {"op": "attend", "show": show.id}, {"op": "attend", "show": show.id, "going": 1}, {"op": "attend", "show": 0, "going": True},
        {"op": "follow", "artist": BIG, "following": True}, {"op": "follow", "artist": 1, "following": None},
        {"op": "cast"}, {"op": "cast", "show": show.id}, {"op": "cast", "show": str(show.id), "votes": votes},
        {"op": "cast", "show": show.id + 0.5, "votes": votes}, {"op": "cast", "show": BIG, "votes": votes},
        {"op": "cast", "show": -show.id, "votes": votes}, {"op": "cast", "show": 10**300, "votes": votes},
        {"op": "cast", "show": show.id, "votes": []}, {"op": "cast", "show": show.id, "votes": "up"},
        {"op": "cast", "show": show.id, "votes": [[show.first, "sideways"]]},
        {"op": "cast", "show": show.id, "votes": [[show.first, "up\x00"]]},
        {"op": "cast", "show": show.id, "votes": [[show.first, 1]]},
        {"op": "cast", "show": show.id, "votes": [[show.first]]},
        {"op": "cast", "show": show.id, "votes": [[BIG, "up"]]},
        {"op": "cast", "show": show.id, "votes": [[show.first, "up"], [show.first, "down"]]},
        {"op": "cast", "show": show.id, "votes": [[show.first, "up"], [show.first, "up"]]},
        {"op": "cast", "show": show.id, "votes": [[song, "up"] for song in range(1, 501)]},
        {"op": "ballot"}, {"op": "ballot", "show": None}, {"op": "ballot", "show": BIG},
        {"op": "subscribe"}, {"op": "subscribe", "channels": []}, {"op": "subscribe", "channels": channel},
        {"op": "subscribe", "channels": [show.id]}, {"op": "subscribe", "channels": [channel] * 51},
        {"op": "subscribe", "channels": [channel], "since": {channel: -1}},
        {"op": "subscribe", "channels": [channel], "since": {channel: BIG}},
        {"op": "unsubscribe", "channels": {channel: 1}}, {"op": "hello", "token": 5},
    ):  # fmt: skip
        assert await error_for(fan, json.dumps({"id": 4, **fields}), 4) == "bad_request", fields


async def test_unknown_subjects(fan: SocketClient, factory: RowFactory, show: Show) -> None:
    """Shows, songs and channels that do not exist, or are of another show: not_found."""
    other = await factory.show(next(SHOW_IDS))
    for show_id, song in (
        (999, show.first),
        (BIG - 1, 1),
        (show.id, BIG - 1),
        (show.id, other.first),
        (other.id, show.first),
    ):
        assert await fan.refusal("cast", show=show_id, votes=[[song, "up"]]) == "not_found"
    assert await fan.refusal("ballot", show=999) == "not_found"
    assert await fan.refusal("attend", show=999, going=True) == "not_found"
    assert await fan.refusal("follow", artist=BIG - 1, following=False) == "not_found"
    names = [
        "votes:999",
        f"votes:{BIG - 1}",
        "votes:9" + "9" * 50,
        "votes:0",
        "votes:-7",
        "votes:7\x00",
        "votes:\x007",
        "x",
        ":",
        "song:999",
        "attendance:999",
        "followers:999",
        "trending:1",
        "trending:",
        "activity:0",
    ]
    states = await fan.watch(*names, f"votes:{show.id}")
    assert {states[name]["error"]["code"] for name in names} == {"not_found"}
    assert "state" in states[f"votes:{show.id}"]


async def test_a_cast_without_a_session(node: Node, show: Show, logged: list[Any]) -> None:
    """An anonymous reader may watch, but neither vote nor ask for a ballot."""
    async with SocketClient.connect(node.url) as reader:
        assert await reader.refusal("cast", show=show.id, votes=[[show.first, "up"]]) == "unauthenticated"
        assert await reader.refusal("ballot", show=show.id) == "unauthenticated"
        assert "state" in (await reader.watch(f"votes:{show.id}"))[f"votes:{show.id}"]


async def test_a_cast_of_an_erased_account(
    node: Node, factory: RowFactory, show: Show, logged: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token is valid, but its user is erased; the cast is refused before the connection is closed."""
    (user_id,) = await factory.users(1)
    await factory.sql.execute("delete from users where id = $1", user_id)
    monkeypatch.setattr(node.rooms.access_monitor, "_connected", set)
    async with SocketClient.connect(node.url) as ghost:
        await ghost.hello(mint_token(SECRET, user_id, "user"))
        assert await ghost.refusal("cast", show=show.id, votes=[[show.first, "up"]]) == "unauthenticated"
        assert await ghost.is_alive()


@pytest.mark.parametrize("kind", ["expired", "forged", "algorithm none", "no token", "NUL", "wrong audience"])
async def test_a_bad_token_ends_the_connection(node: Node, kind: str, logged: list[Any]) -> None:
    """An error gives the reason, then the connection is closed with 4401: the client must not come back with this token."""
    claims = {"sub": "1", "role": "admin", "aud": "mysetlist", "exp": int(time.time()) + 60}
    token = {
        "expired": mint_token(SECRET, 1, "user", ttl_s=-1),
        "forged": mint_token("another secret, just as long as ours", 1, "admin"),
        "algorithm none": jwt.encode(claims, "", algorithm="none"),
        "no token": "",
        "NUL": "\x00",
        "wrong audience": jwt.encode(claims | {"aud": "elsewhere"}, SECRET, algorithm="HS256"),
    }[kind]
    async with SocketClient.connect(node.url) as client:
        assert await client.refusal("hello", token=token) == "unauthenticated"
        assert await client.close_code() == 4401


@pytest.mark.parametrize("token", ["rubbish", "expired"])
async def test_a_bad_token_at_the_upgrade(node: Node, token: str, logged: list[Any]) -> None:
    """The upgrade with a bad token in its header is refused with a problem."""
    if token == "expired":
        token = mint_token(SECRET, 1, "user", ttl_s=-1)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        async with SocketClient.connect(node.url, headers={"Authorization": f"Bearer {token}"}):
            pass
    assert refusal.value.status == 401


FRAME_SIZES = [INBOUND_BYTES_MAX, INBOUND_BYTES_MAX + 1, 100_000, 1024 * 1024]


async def test_a_frame_that_is_too_large(node: Node, logged: list[Any]) -> None:
    """Up to 16 KiB it is read; one byte more closes with 1009, and other connections stay open."""
    for size in FRAME_SIZES:
        async with SocketClient.connect(node.url) as client, SocketClient.connect(node.url) as other:
            head = '{"id":4,"op":"ping","x":"'
            await client.socket.send_str(head + "x" * (size - len(head) - 2) + '"}')
            if size > INBOUND_BYTES_MAX:
                assert await client.close_code() == 1009, size
            else:
                assert "ok" in await client.reply_to(4), size
            assert await other.is_alive(), size


async def test_nesting_beyond_the_limit(node: Node, logged: list[Any]) -> None:
    """A hundred thousand brackets are refused as too large before they are decoded."""
    async with SocketClient.connect(node.url) as client:
        await client.socket.send_str("[" * 100_000)
        assert await client.close_code() == 1009


async def test_binary_frames(fan: SocketClient) -> None:
    """Every binary frame is refused, even one with valid JSON."""
    for data in (b"", b"\x00\xff", b'{"id":4,"op":"ping"}', b"x" * 16_000):
        await fan.socket.send_bytes(data)
        assert (await fan.reply_to(None))["error"]["code"] == "bad_request"


NOT_UTF_8 = [b"\xff\xfe", b'{"id":4,"op":"hello","token":"\xed\xa0\x80"}', b"\xc0\x80"]


async def test_text_that_is_not_utf_8(node: Node, logged: list[Any]) -> None:
    """The connection is closed with 1007 (RFC 6455); other connections stay open."""
    for data in NOT_UTF_8:
        async with SocketClient.connect(node.url) as client, SocketClient.connect(node.url) as other:
            await client.socket.send_frame(data, WSMsgType.TEXT)
            assert await client.close_code() == 1007, data
            assert await other.is_alive(), data


async def test_broken_framing(node: Node, logged: list[Any]) -> None:
    """Reserved bits and a continuation without a start close the connection; other connections stay open."""
    async with SocketClient.connect(node.url) as other:
        for head in (b"\xc1\x80", b"\x83\x80", b"\x80\x80"):
            async with SocketClient.connect(node.url) as client:
                transport_of(client).write(head + b"\x00\x00\x00\x00")
                assert await client.close_code() == 1002
        assert await other.is_alive()


FOREIGN_ORIGINS = ["https://evil.example", "http://127.0.0.1:1", "null", "http://[", "file://", "evil"]


async def test_a_foreign_origin(node: Node, logged: list[Any]) -> None:
    """A page of another site may not use a visitor's cookie: its upgrade is forbidden."""
    for origin in FOREIGN_ORIGINS:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await session.ws_connect(f"{node.url}/ws", headers={"Origin": origin})
            assert refusal.value.status == 403, origin
            async with session.ws_connect(f"{node.url}/ws", headers={"Origin": node.url}) as own:
                await own.send_str('{"id":4,"op":"ping"}')
                assert "ok" in await own.receive_json(), origin


async def test_too_many_unanswered_votes(
    database_url: str, redis_url: str, factory: RowFactory, show: Show, logged: list[Any]
) -> None:
    """Past 256 unanswered votes new ones are refused as overloaded; the others are answered, and voting goes on."""
    limits = Limits(requests_per_s=1_000, requests_per_s_of_user=1_000)
    async with (
        running_node(database_url, redis_url, limits=limits) as node,
        SocketClient.connect(node.url) as fan,
    ):
        await fan.hello(await factory.token())
        frames = [
            json.dumps({"id": n, "op": "cast", "show": show.id, "votes": [[show.first, "up"]]}) for n in range(1, 1001)
        ]
        for frame in frames:
            await fan.socket.send_str(frame)
        replies: dict[int, Any] = {}
        while len(replies) < len(frames):
            message = await fan.receive()
            if "re" in message:
                replies[message["re"]] = message
        refused = [reply["error"] for reply in replies.values() if "error" in reply]
        assert {error["code"] for error in refused} <= {"overloaded"}
        assert all(error["retry_after_ms"] > 0 for error in refused)
        assert sum("ok" in reply for reply in replies.values()) >= 256
        assert (await factory.tally(show.id))[0] == [show.first, 1, 0]


async def test_memory_does_not_grow(
    database_url: str, redis_url: str, factory: RowFactory, show: Show, logged: list[Any]
) -> None:
    """Ten thousand bad frames leave no channel, no cast, no circle of references, and not a log line each."""
    bad = [
        "{", "[" * 200, '{"id":4,"op":"dance"}', '{"id":4,"op":"ballot","show":999}',
        f'{{"id":4,"op":"cast","show":{show.id},"votes":[[999999,"up"]]}}', f'{{"id":4,"op":"cast","show":{show.id},"votes":[[1,"up"],[1,"up"]]}}',
        '{"id":4,"op":"unsubscribe","channels":["x","votes:1"]}', '{"id":4,"op":"hello"}',
    ]  # fmt: skip

    async def send(fan: SocketClient, numbers: range) -> None:
        for start in numbers[::20]:
            frames = [
                frame
                for n in range(start, start + 20)
                for frame in (*bad, f'{{"id":4,"op":"subscribe","channels":["dreams:{n}"]}}', f'{{"id":4,"op":"{n}"}}')
            ]
            for frame in frames:
                await fan.socket.send_str(frame)
            for _ in frames:
                await fan.receive()
            fan.heard.clear()

    limits = Limits(requests_per_s=1_000_000, requests_per_s_of_user=1_000_000)
    async with running_node(database_url, redis_url, limits=limits) as node:
        async with SocketClient.connect(node.url) as fan:
            await fan.hello(await factory.token())
            await send(fan, range(40))
            gc.collect()
            tracemalloc.start()
            try:
                before, _ = tracemalloc.get_traced_memory()
                await send(fan, range(1_000, 2_000))
                after, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert gc.collect() < 1_000
            assert await fan.is_alive()
        assert after - before < 1_000_000
        assert node.rooms.hub._channels == {}
        assert node.rooms.intake.pending_acks.cast_count == 0
        assert len(logged) < 50


async def test_closed_sockets_leave_nothing(node: Node, show: Show, logged: list[Any]) -> None:
    """Fifty clients that end with or without a close frame leave no subscription and no socket."""

    async def visit(number: int) -> None:
        async with SocketClient.connect(node.url) as visitor:
            await visitor.watch(f"votes:{show.id}", f"status:{show.id}")
            if number % 2:
                transport_of(visitor).abort()

    await asyncio.gather(*map(visit, range(50)))
    async with asyncio.timeout(20):
        while len(node.rooms.sockets) or node.rooms.hub._channels:
            await asyncio.sleep(0.01)
