"""Idle and slow connections end, are counted, and keep nobody out."""

from __future__ import annotations

import asyncio

from server.protocol.limits import Limits
from tests.support.running_node import running_node


async def test_a_body_that_never_comes_ends(database_url: str, redis_url: str) -> None:
    """The announced body is awaited for `body_s`; then the request is refused and its connection closed."""
    async with running_node(database_url, redis_url, limits=Limits(body_s=1)) as node:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
        writer.write(
            b"POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        )
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"bad_request"' in answer
    assert b"The rest of the body" in answer


async def test_an_idle_connection_ends(database_url: str, redis_url: str) -> None:
    """After an answer, a connection without another request is closed after `idle_s`."""
    async with running_node(database_url, redis_url, limits=Limits(idle_s=1, handshake_s=1)) as node:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
