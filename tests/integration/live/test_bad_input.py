"""Everything a client can get wrong on `/ws`: its documented code, the connection lives on, no traceback, no leak."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import WSMsgType
from structlog.testing import capture_logs

from server.node.node import Node
from server.people.sessions import mint_token
from server.protocol.limits import Limits
from server.protocol.messages import INBOUND_BYTES_MAX
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import SECRET, running_node
from tests.support.socket_client import SocketClient

BIG = 2**53


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[Any]]:
    """What the server logs; at the end no record may be an error or carry a traceback."""
    with capture_logs() as entries:
        yield entries
    assert [entry for entry in entries if entry["log_level"] in ("error", "critical") or "exc_info" in entry] == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.fixture
async def show(factory: RowFactory) -> Show:
    """A show that is open."""
    return await factory.show(7)


@pytest.fixture
async def fan(logged: list[Any], node: Node, factory: RowFactory, show: Show) -> AsyncIterator[SocketClient]:
    """Somebody signed in; still connected and served at the end."""
    async with SocketClient.connect(node.url) as talker:
        await talker.hello(await factory.token())
        yield talker
        assert await talker.is_alive()
        answer = await talker.cast(7, (show.first, "up"))
        assert answer["ballot"] == {str(show.first): "up"}


async def error_for(talker: SocketClient, text: str, request_id: int | None) -> str:
    """Sends a text as it is, and gives the code of the refusal."""
    await talker.socket.send_str(text)
    reply = await talker.reply_to(request_id)
    assert reply["error"]["message"]
    assert set(reply["error"]) == {"code", "message", "retry_after_ms"}
    return str(reply["error"]["code"])


async def test_what_is_no_request(fan: SocketClient, logged: list[Any]) -> None:
    """Malformed, nested, NUL, numbers without end: bad_request, and one line in the log for all of them."""
    for text in (
        "", "{", "null", "[]", "[1,2]", '"x"', "NaN", "\x00", "{'id':1}", '{"id":4,"op":"ping"', '{"id":"4","op":"ping"}',
        '{"op":"ping"}', '{"id":4.5,"op":"ping"}', '{"id":-4,"op":"ping"}', f'{{"id":{BIG},"op":"ping"}}',
        f'{{"id":{"9" * 10_000},"op":"ping"}}', '{"id":4,"op":"hello","token":"\\ud800"}',
        "[" * INBOUND_BYTES_MAX, "[" * 8_000 + "]" * 8_000, '{"a":' * 3_000, "{" * INBOUND_BYTES_MAX,
        '{"id":4,"op":"ping","x":' + "[" * 8_000 + "]" * 8_000 + "}",
    ):  # fmt: skip
        assert await error_for(fan, text, None) == "bad_request"
    assert len([entry for entry in logged if entry["event"] == "request.malformed"]) == 1


async def test_what_is_no_good_request(fan: SocketClient, show: Show) -> None:
    """Unknown ops, wrong types, too much of something: bad_request, under the request's id."""
    votes = [[show.first, "up"]]
    for fields in (
        {"op": "dance"}, {"op": None}, {"op": 5}, {}, {"op": "attend", "show": 7}, {"op": "attend", "show": 7, "going": 1}, {"op": "attend", "show": 0, "going": True},
        {"op": "follow", "artist": BIG, "following": True}, {"op": "follow", "artist": 1, "following": None},
        {"op": "cast"}, {"op": "cast", "show": 7}, {"op": "cast", "show": "7", "votes": votes},
        {"op": "cast", "show": 7.5, "votes": votes}, {"op": "cast", "show": BIG, "votes": votes},
        {"op": "cast", "show": -7, "votes": votes}, {"op": "cast", "show": 10**300, "votes": votes},
        {"op": "cast", "show": 7, "votes": []}, {"op": "cast", "show": 7, "votes": "up"},
        {"op": "cast", "show": 7, "votes": [[show.first, "sideways"]]},
        {"op": "cast", "show": 7, "votes": [[show.first, "up\x00"]]},
        {"op": "cast", "show": 7, "votes": [[show.first, 1]]},
        {"op": "cast", "show": 7, "votes": [[show.first]]},
        {"op": "cast", "show": 7, "votes": [[BIG, "up"]]},
        {"op": "cast", "show": 7, "votes": [[show.first, "up"], [show.first, "down"]]},
        {"op": "cast", "show": 7, "votes": [[show.first, "up"], [show.first, "up"]]},
        {"op": "cast", "show": 7, "votes": [[song, "up"] for song in range(1, 501)]},
        {"op": "ballot"}, {"op": "ballot", "show": None}, {"op": "ballot", "show": BIG},
        {"op": "subscribe"}, {"op": "subscribe", "channels": []}, {"op": "subscribe", "channels": "votes:7"},
        {"op": "subscribe", "channels": [7]}, {"op": "subscribe", "channels": ["votes:7"] * 51},
        {"op": "subscribe", "channels": ["votes:7"], "since": {"votes:7": -1}},
        {"op": "subscribe", "channels": ["votes:7"], "since": {"votes:7": BIG}},
        {"op": "unsubscribe", "channels": {"votes:7": 1}}, {"op": "hello", "token": 5},
    ):  # fmt: skip
        assert await error_for(fan, json.dumps({"id": 4, **fields}), 4) == "bad_request", fields


async def test_what_is_not_there(fan: SocketClient, factory: RowFactory, show: Show) -> None:
    """Shows, songs and channels that do not exist, or not here: not_found."""
    other = await factory.show(23)
    for show_id, song in ((999, show.first), (BIG - 1, 1), (7, BIG - 1), (7, other.first), (23, show.first)):
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
    states = await fan.watch(*names, "votes:7")
    assert {states[name]["error"]["code"] for name in names} == {"not_found"}
    assert "state" in states["votes:7"]


async def test_a_cast_without_a_session(node: Node, show: Show, logged: list[Any]) -> None:
    """A reader may watch but not vote, nor ask for a ballot."""
    async with SocketClient.connect(node.url) as reader:
        assert await reader.refusal("cast", show=7, votes=[[show.first, "up"]]) == "unauthenticated"
        assert await reader.refusal("ballot", show=7) == "unauthenticated"
        assert "state" in (await reader.watch("votes:7"))["votes:7"]


async def test_a_cast_of_an_account_that_is_gone(
    node: Node, factory: RowFactory, show: Show, logged: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token is good, the user is not there any more; the cast is refused before the connection is closed."""
    (user_id,) = await factory.users(1)
    await factory.sql.execute("delete from users where id = $1", user_id)
    monkeypatch.setattr(node.rooms.access_monitor, "_connected", set)
    async with SocketClient.connect(node.url) as ghost:
        await ghost.hello(mint_token(SECRET, user_id, "user"))
        assert await ghost.refusal("cast", show=7, votes=[[show.first, "up"]]) == "unauthenticated"
        assert await ghost.is_alive()


@pytest.mark.parametrize("kind", ["expired", "forged", "algorithm none", "no token", "NUL", "wrong audience"])
async def test_a_bad_token_ends_the_connection(node: Node, kind: str, logged: list[Any]) -> None:
    """An error reply says why, then the connection is closed with 4401: do not come back like this."""
    claims = {"sub": "1", "role": "admin", "aud": "mysetlist", "exp": int(time.time()) + 60}
    token = {
        "expired": mint_token(SECRET, 1, "user", ttl_s=-1),
        "forged": mint_token("another secret, just as long as ours", 1, "admin"),
        "algorithm none": jwt.encode(claims, None, algorithm="none"),
        "no token": "",
        "NUL": "\x00",
        "wrong audience": jwt.encode(claims | {"aud": "elsewhere"}, SECRET, algorithm="HS256"),
    }[kind]
    async with SocketClient.connect(node.url) as talker:
        assert await talker.refusal("hello", token=token) == "unauthenticated"
        assert await talker.close_code() == 4401


@pytest.mark.parametrize("token", ["rubbish", "expired"])
async def test_a_bad_token_at_the_upgrade(node: Node, token: str, logged: list[Any]) -> None:
    """A header's token was meant, so the upgrade is refused as a problem; there is no websocket to say it on."""
    if token == "expired":
        token = mint_token(SECRET, 1, "user", ttl_s=-1)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        async with SocketClient.connect(node.url, headers={"Authorization": f"Bearer {token}"}):
            pass
    assert refusal.value.status == 401


@pytest.mark.parametrize("size", [INBOUND_BYTES_MAX, INBOUND_BYTES_MAX + 1, 100_000, 1024 * 1024])
async def test_a_frame_that_is_too_large(node: Node, size: int, logged: list[Any]) -> None:
    """Up to 16 KiB it is read; one byte more closes with 1009, and others are served on."""
    async with SocketClient.connect(node.url) as talker, SocketClient.connect(node.url) as other:
        head = '{"id":4,"op":"ping","x":"'
        await talker.socket.send_str(head + "x" * (size - len(head) - 2) + '"}')
        if size > INBOUND_BYTES_MAX:
            assert await talker.close_code() == 1009
        else:
            assert "ok" in await talker.reply_to(4)
        assert await other.is_alive()


async def test_nesting_beyond_the_limit(node: Node, logged: list[Any]) -> None:
    """A hundred thousand brackets are too large before anybody looks at them."""
    async with SocketClient.connect(node.url) as talker:
        await talker.socket.send_str("[" * 100_000)
        assert await talker.close_code() == 1009


async def test_binary_frames(fan: SocketClient) -> None:
    """Only text is understood, whatever the bytes say."""
    for data in (b"", b"\x00\xff", b'{"id":4,"op":"ping"}', b"x" * 16_000):
        await fan.socket.send_bytes(data)
        assert (await fan.reply_to(None))["error"]["code"] == "bad_request"


@pytest.mark.parametrize("data", [b"\xff\xfe", b'{"id":4,"op":"hello","token":"\xed\xa0\x80"}', b"\xc0\x80"])
async def test_text_that_is_no_utf_8(node: Node, data: bytes, logged: list[Any]) -> None:
    """RFC 6455 has the connection closed with 1007; others are served on."""
    async with SocketClient.connect(node.url) as talker, SocketClient.connect(node.url) as other:
        await talker.socket.send_frame(data, WSMsgType.TEXT)
        assert await talker.close_code() == 1007
        assert await other.is_alive()


async def test_what_breaks_the_framing(node: Node, logged: list[Any]) -> None:
    """Bits that mean nothing, and a continuation of nothing, close the connection; others are served on."""
    async with SocketClient.connect(node.url) as other:
        for head in (b"\xc1\x80", b"\x83\x80", b"\x80\x80"):
            async with SocketClient.connect(node.url) as talker:
                transport = talker.socket.get_extra_info("socket")
                assert transport is not None
                talker.socket._response.connection.transport.write(head + b"\x00\x00\x00\x00")
                assert await talker.close_code() == 1002
        assert await other.is_alive()


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:1", "null", "http://[", "file://", "evil"]
)
async def test_a_foreign_origin(node: Node, origin: str, logged: list[Any]) -> None:
    """A page of another site may not use a visitor's cookie: the upgrade is refused as forbidden."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await session.ws_connect(f"{node.url}/ws", headers={"Origin": origin})
        assert refusal.value.status == 403
        async with session.ws_connect(f"{node.url}/ws", headers={"Origin": node.url}) as own:
            await own.send_str('{"id":4,"op":"ping"}')
            assert "ok" in await own.receive_json()


async def test_a_client_that_asks_too_much_at_once(
    database_url: str, redis_url: str, factory: RowFactory, show: Show, logged: list[Any]
) -> None:
    """Past 256 unanswered votes a connection is told to wait; the ones it had are answered, and it goes on after."""
    limits = Limits(requests_per_s=1_000, requests_per_s_of_user=1_000)
    async with (
        running_node(database_url, redis_url, limits=limits) as node,
        SocketClient.connect(node.url) as fan,
    ):
        await fan.hello(await factory.token())
        frames = [json.dumps({"id": n, "op": "cast", "show": 7, "votes": [[show.first, "up"]]}) for n in range(1, 1001)]
        for frame in frames:
            await fan.socket.send_str(frame)
        replies = {}
        while len(replies) < len(frames):
            message = await fan.receive()
            if "re" in message:
                replies[message["re"]] = message
        refused = [reply["error"] for reply in replies.values() if "error" in reply]
        assert {error["code"] for error in refused} <= {"overloaded"}
        assert all(error["retry_after_ms"] > 0 for error in refused)
        assert sum("ok" in reply for reply in replies.values()) >= 256
        assert (await factory.tally(7))[0] == [show.first, 1, 0]


async def test_memory_does_not_grow(
    database_url: str, redis_url: str, factory: RowFactory, show: Show, logged: list[Any]
) -> None:
    """Ten thousand bad frames leave nothing behind: no channel, no cast, no log line each."""
    bad = [
        "{", "[" * 200, '{"id":4,"op":"dance"}', '{"id":4,"op":"ballot","show":999}',
        '{"id":4,"op":"cast","show":7,"votes":[[999999,"up"]]}', '{"id":4,"op":"cast","show":7,"votes":[[1,"up"],[1,"up"]]}',
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
            tracemalloc.start()
            try:
                before, _ = tracemalloc.get_traced_memory()
                await send(fan, range(1_000, 2_000))
                after, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert await fan.is_alive()
        assert after - before < 1_000_000
        assert node.rooms.hub._channels == {}
        assert node.rooms.intake.pending_acks.cast_count == 0
        assert len(logged) < 50


async def test_sockets_that_come_and_go_leave_nothing(node: Node, show: Show, logged: list[Any]) -> None:
    """Fifty visitors who vanish, politely or not, leave no subscription and no socket."""

    async def visit(number: int) -> None:
        async with SocketClient.connect(node.url) as visitor:
            await visitor.watch("votes:7", "status:7")
            if number % 2:
                visitor.socket._response.connection.transport.abort()

    await asyncio.gather(*map(visit, range(50)))
    async with asyncio.timeout(20):
        while len(node.rooms.sockets) or node.rooms.hub._channels:
            await asyncio.sleep(0.01)
