"""A dedicated connection to Valkey: what keeps it, what drops it, and who may connect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import redis.asyncio

from server.cache.cluster import connection_to
from server.cache.connection import Command, Connection, Line
from server.errors import CacheError, CacheUnavailable
from tests.support.running_node import until


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    connection = connection_to(url)
    try:
        yield connection
    finally:
        await connection.close()


async def number_of(connection: Connection) -> int:
    """The number that Valkey gave to this connection."""
    (number,) = await connection.ask([("CLIENT", "ID")])
    return int(number)


async def test_an_error_reply_keeps_the_connection(redis_url: str) -> None:
    """The answers of all commands are read, and the next call uses the same connection."""
    async with connected(redis_url) as connection:
        before = await number_of(connection)
        wrong: Command = ("INCR", "text")
        with pytest.raises(CacheError, match="not an integer") as caught:
            await connection.ask([("SET", "text", "a"), wrong, ("SET", "after", "1"), wrong])
        assert not isinstance(caught.value, CacheUnavailable)
        assert connection.is_ready
        assert await connection.ask([("GET", "after"), ("PING",)]) == [b"1", b"PONG"]
        assert await number_of(connection) == before


async def test_a_flushed_script_drops_the_connection(redis_url: str) -> None:
    """What was done on connecting has to be done again."""
    async with connected(redis_url) as connection:
        before = await number_of(connection)
        with pytest.raises(CacheUnavailable, match="NOSCRIPT"):
            await connection.ask([("EVALSHA", "0" * 40, 0)])
        assert await number_of(connection) != before


async def test_a_connection_that_valkey_ended_is_made_anew(redis_url: str) -> None:
    """A Valkey that restarts while nobody asks is asked on a new connection: the first call after it does not fail."""
    async with connected(redis_url) as connection, redis.asyncio.Redis.from_url(redis_url) as valkey:
        before = await number_of(connection)
        await valkey.client_kill_filter(_id=str(before))

        async def is_gone() -> bool:
            return str(before) not in {client["id"] for client in await valkey.client_list()}

        await until(is_gone)
        assert await number_of(connection) != before


async def test_nothing_asked_is_nothing_answered(redis_url: str) -> None:
    """A server of a cluster may hold no shard, so there is nothing to ask it."""
    connection = connection_to(redis_url)
    try:
        assert await connection.ask([]) == []
    finally:
        await connection.close()


async def test_a_reserved_connection_never_connects(redis_url: str) -> None:
    """It is connected before it is given; when it is lost, its user hears so instead of waiting for a connection."""
    connects = 0

    async def count(_line: Line) -> None:
        nonlocal connects
        connects += 1

    connection = connection_to(redis_url, on_connect=count)
    try:
        async with connection.reserved("a") as (ask, _), redis.asyncio.Redis.from_url(redis_url) as valkey:
            ((number,), before) = await ask([("CLIENT", "ID")]), connects
            await valkey.client_kill_filter(_id=str(int(number)))
            for _ in range(2):
                with pytest.raises(CacheUnavailable):
                    await ask([("PING",)])
            assert (before, connects) == (1, 1)
        assert await connection.ask([("PING",)]) == [b"PONG"]
        assert connects == 2
    finally:
        await connection.close()
