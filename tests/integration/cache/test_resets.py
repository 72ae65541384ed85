"""Connections to Valkey that are reset between two writes: Valkey is away for a moment, and nothing dies of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from server.cache.cluster import connection_to
from server.cache.connection import Line
from server.cache.windows import AWAY_S, Window, Windows
from server.errors import CacheUnavailable, Refused
from tests.support.clock import FakeClock
from tests.support.proxy import TcpProxy
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.vote_path import VotePath


@asynccontextmanager
async def proxied(redis_url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    """A proxy in front of Valkey, and the address through it."""
    parts = urlsplit(redis_url)
    async with TcpProxy.running(Path(unquote(parts.path))) as proxy:
        yield proxy, f"redis://127.0.0.1:{proxy.port}/{parse_qs(parts.query)['db'][0]}"


async def reset(proxy: TcpProxy, writer: asyncio.StreamWriter) -> None:
    """Resets the connections through a proxy; returns when the loop has seen it at this end, and closed the transport."""
    proxy.cut()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_connection_that_is_reset_while_it_opens_is_away(redis_url: str) -> None:
    """The call hears that Valkey does not answer, and the next one connects again."""
    connects = 0

    async with proxied(redis_url) as (proxy, url):

        async def cut_first(line: Line) -> None:
            nonlocal connects
            connects += 1
            if connects == 1:
                await reset(proxy, line._line._writer)
            await line.ask_first([("PING",)])

        connection = connection_to(url, on_connect=cut_first)
        try:
            with pytest.raises(CacheUnavailable):
                await connection.ask([("PING",)])
            assert await connection.ask([("PING",)]) == [b"PONG"]
            assert connects == 2
        finally:
            await connection.close()


async def test_an_intake_outlives_a_connection_that_is_reset_while_it_opens(database_url: str, redis_url: str) -> None:
    """It waits for PostgreSQL to open the shards when its connection to Valkey is reset. It connects again and takes votes."""
    async with RowFactory.open(database_url) as factory, proxied(redis_url) as (proxy, url):
        show = await factory.show(7)
        (user,) = await factory.users(1)
        async with factory.sql.transaction():
            await factory.sql.execute("select from log_positions for update")
            vote_path = VotePath.open(database_url, url)
            opened = await vote_path.__aenter__()

            async def is_opening() -> Any:
                return await factory.sql.fetchval(
                    "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())"
                )

            await until(is_opening)
            line: Any = opened.intake._connection
            await reset(proxy, line._line._writer)

        async def is_ready() -> bool:
            return not opened.intake.why_not_ready

        await until(is_ready)
        assert (await opened.cast(show.id, user, (show.first, "up"))).taken is not None
        await vote_path.__aexit__(None, None, None)


async def test_a_window_outlives_a_connection_that_was_reset(redis_url: str) -> None:
    """Its connection waits in a pool when it is reset. The request is refused as unavailable, and later ones are counted."""
    clock = FakeClock()
    async with proxied(redis_url) as (proxy, url):
        windows = Windows(url, clock)
        window = Window("test", 2, 60, "Too many.", is_strict=True)
        await windows.count(window, "ann")
        pool: Any = windows._disconnect.__self__  # type: ignore[attr-defined]
        (kept,) = pool._available_connections
        await reset(proxy, kept._writer)
        with pytest.raises(Refused, match="unavailable"):
            await windows.count(window, "ann")
        clock.advance(AWAY_S)
        await windows.count(window, "ann")
        with pytest.raises(Refused, match="Too many"):
            await windows.count(window, "ann")
        await windows.close()
