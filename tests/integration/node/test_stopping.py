"""The order in which a node stops, as a client sees it."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from server.node.node import Node
from tests.support.row_factory import RowFactory
from tests.support.running_node import PATIENCE_S, settings
from tests.support.socket_client import SocketClient


async def test_a_stopping_node_is_not_ready_first(
    database_url: str, redis_url: str, factory: RowFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While casts wait for their answers, a load balancer still reads that the node is not ready, and new clients are
    refused; then the sockets are sent away, then the node stops listening.
    """
    await factory.show(7)
    node = await Node.start(settings(database_url, redis_url))
    answered = asyncio.Event()
    stopping: asyncio.Task[None] | None = None
    monkeypatch.setattr(node, "_wait_for_casts", answered.wait)
    try:
        async with (
            asyncio.timeout(PATIENCE_S),
            aiohttp.ClientSession() as http,
            SocketClient.connect(node.url) as client,
        ):
            await node.wait_until_ready()
            stopping = asyncio.create_task(node.stop())
            await asyncio.sleep(0)
            async with http.get(f"{node.url}/readyz") as response:
                assert (response.status, (await response.json())["reasons"]) == (503, ["the node is stopping"])
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await http.ws_connect(f"{node.url}/ws", protocols=["mysetlist.v1"])
            assert refusal.value.status == 503
            async with http.get(f"{node.url}/api/shows/7/events") as response:
                assert response.status == 503
            assert await client.is_alive()
            answered.set()
            assert await client.close_code() == 4000
            assert "drain" in client.heard[-1]
            await stopping
            with pytest.raises(aiohttp.ClientConnectorError):
                await http.get(f"{node.url}/readyz")
    finally:
        answered.set()
        await (node.stop() if stopping is None else stopping)
