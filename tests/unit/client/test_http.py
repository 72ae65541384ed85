"""The HTTP client: how long it waits between attempts."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from server.client.http import ATTEMPTS_MAX, RETRY_AFTER_MAX_S, HttpClient, Unreachable


@pytest.mark.parametrize(
    ("asked", "waited_s"),
    [("3", 3.0), ("86400", RETRY_AFTER_MAX_S), ("inf", RETRY_AFTER_MAX_S), ("nan", 0.0), ("-5", 0.0)],
)
async def test_a_wait_that_the_server_asks_for_is_bounded(
    monkeypatch: pytest.MonkeyPatch, asked: str, waited_s: float
) -> None:
    """No answer makes the client sleep for hours, and it does not sleep after its last attempt."""
    slept: list[float] = []
    client_task, real_sleep = asyncio.current_task(), asyncio.sleep

    async def sleep(seconds: float) -> None:
        if asyncio.current_task() is client_task:
            slept.append(seconds)
        else:  # the engines of the run have a loop of their own
            await real_sleep(seconds)

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(503, headers={"Retry-After": asked})

    client = HttpClient("http://node.example")
    await client.close()
    client._http = httpx.AsyncClient(base_url="http://node.example", transport=httpx.MockTransport(answer))
    monkeypatch.setattr("server.client.http.asyncio.sleep", sleep)
    with pytest.raises(Unreachable, match="503"):
        await client.open_shows()
    monkeypatch.undo()
    await client.close()
    assert slept == [waited_s] * (ATTEMPTS_MAX - 1)
