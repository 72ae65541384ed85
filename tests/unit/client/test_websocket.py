"""The client's websocket: its address, a cancelled attempt, and messages that arrive together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import orjson
import pytest

from server.client.client import Client
from server.client.websocket import ReconnectingWebsocket, websocket_url
from server.load.counts import Counts


@pytest.mark.parametrize(
    ("url", "expected"),
    [("http://a:1", "ws://a:1/ws"), ("https://a/", "wss://a/ws"), ("http://a/base", "ws://a/base/ws")],
)
def test_the_websocket_address_follows_from_the_server_address(url: str, expected: str) -> None:
    """Http becomes ws, https becomes wss, and the path stays."""
    assert websocket_url(url) == expected


def test_an_address_without_a_scheme_is_refused() -> None:
    """An address must say whether it is http or https."""
    with pytest.raises(ValueError, match="http"):
        websocket_url("localhost:8080")


async def test_a_refusal_does_not_hide_a_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both come in the same moment: the attempt ends, and there is no other one."""
    attempts = 0

    async def refuse(*_: object, **__: object) -> None:
        nonlocal attempts
        attempts += 1
        assert attempts == 1, "it tried again"
        opening.cancel()
        raise OSError

    monkeypatch.setattr("server.client.websocket.ws_connect", refuse)
    websocket = ReconnectingWebsocket("ws://nowhere/ws", None, Random(1), Counts())
    opening = asyncio.create_task(websocket.open_with_retries())
    await asyncio.wait([opening])
    assert opening.cancelled()


class _OneRead:
    """A connection whose server sends the reply to a subscribe and the next push in one packet."""

    def __init__(self, websocket: ReconnectingWebsocket) -> None:
        self._websocket = websocket

    def send(self, _: object, frame: bytes) -> None:
        """Takes a request. All messages that follow from it are read before any task runs."""
        request = orjson.loads(frame)
        ok: dict[str, object] = {}
        messages: list[dict[str, object]] = [{"re": request["id"], "ok": ok}]
        if request["op"] == "subscribe":
            ok["channels"] = {"votes:7": {"at": 5, "state": {"tally": [[1, 3, 1], [2, 0, 0]], "total": 4}}}
            messages.append({"ch": "votes:7", "at": 6, "tally": [[1, 2, 3]], "total": 5})
        for message in messages:
            self._websocket.on_message(orjson.dumps(message))

    def send_close(self) -> None:
        """Closes."""

    def disconnect(self, *, graceful: bool = True) -> None:
        """Closes."""


@pytest.fixture
def one_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every websocket of the client gets a `_OneRead`."""

    async def connect(make: object, *_: object, **__: object) -> tuple[_OneRead, None]:
        assert callable(make)
        return _OneRead(make()), None

    monkeypatch.setattr("server.client.websocket.ws_connect", connect)


class _Recording(ReconnectingWebsocket):
    def __init__(self) -> None:
        super().__init__("ws://nowhere/ws", None, Random(1), Counts())
        self.seen: list[str] = []

    def channels(self) -> Sequence[str]:
        return ["votes:7"]

    def on_subscribed(self, reply: bytes) -> None:
        self.seen.append("state")

    def on_push(self, payload: bytes) -> None:
        self.seen.append("push")


@pytest.mark.usefixtures("one_read")
async def test_a_state_is_taken_before_the_push_that_follows_it() -> None:
    """Otherwise the state, which is older, would undo the push."""
    websocket = _Recording()
    await websocket.open()
    assert websocket.seen == ["state", "push"]


@pytest.mark.usefixtures("one_read")
@pytest.mark.parametrize("is_first", [True, False])
async def test_no_push_is_lost_when_a_watch_begins(is_first: bool) -> None:
    """On a new connection, and on one that is open already."""
    async with Client("http://nowhere") as client:
        if not is_first:
            await client._websocket.open_with_retries()
        async for update in client.watch("votes:7"):
            assert (update.at, update.state["tally"]) == (6, [[1, 2, 3], [2, 0, 0]])
            break


class _Unreadable(_Recording):
    def on_subscribed(self, reply: bytes) -> None:
        raise ConnectionError("the reply does not name votes:7")


@pytest.mark.usefixtures("one_read")
async def test_an_unreadable_reply_ends_the_attempt() -> None:
    """The error reaches the caller, and the connection is closed."""
    websocket = _Unreadable()
    with pytest.raises(ConnectionError, match="does not name"):
        await websocket.open()
    assert websocket.transport is None
