"""The client's websocket: its address."""

from __future__ import annotations

import pytest

from server.client.websocket import websocket_url


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
