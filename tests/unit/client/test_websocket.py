"""The client's websocket: its address, and a cancelled attempt."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

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
