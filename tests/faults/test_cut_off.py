"""A fan's connection is cut before the answer, and the fan casts the opposite on another node: the opposite stands."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

import aiohttp
import asyncpg
import pytest

from tests.faults.conftest import Place
from tests.support.audit import differences, until_drained
from tests.support.open_shows import Show, User, make_users

pytestmark = pytest.mark.timeout(60)

FANS = 30
CASTS = 4


async def connect(http: aiohttp.ClientSession, url: str, user: User) -> aiohttp.ClientWebSocketResponse:
    """A websocket of a signed-in fan."""
    socket = await http.ws_connect(f"{url}/ws", protocols=["mysetlist.v1"])
    await socket.send_json({"id": 1, "op": "hello", "token": user.token})
    assert "ok" in await socket.receive_json()
    return socket


def cut(websocket: aiohttp.ClientWebSocketResponse) -> None:
    """Ends the connection at once; an abort would wait for the next turn of the loop."""
    # uvloop gives a socket that cannot shut down, so a second one with the same connection does.
    with socket.socket(fileno=os.dup(websocket.get_extra_info("socket").fileno())) as connection:
        connection.shutdown(socket.SHUT_RDWR)


async def change_of_mind(
    http: aiohttp.ClientSession, urls: tuple[str, str], user: User, show: Show, *, has_order: bool
) -> list[Any]:
    """Casts `up` on one node, cuts the connection, and casts `down` on the other; gives the replies to the second casts."""
    second = await connect(http, urls[1], user)
    replies = []
    for number, song in enumerate(show.songs[:CASTS]):
        first = await connect(http, urls[0], user)
        cast = {"id": 2, "op": "cast", "show": show.id}
        orders = [{"order": 2 * number + 1}, {"order": 2 * number + 2}] if has_order else [{}, {}]
        await first.send_json({**cast, "votes": [[song, "up"]], **orders[0]})
        cut(first)
        await second.send_json({**cast, "votes": [[song, "down"]], **orders[1]})
        replies.append(await second.receive_json())
    await second.close()
    return replies


async def test_the_last_acknowledged_cast_stands(place: Place) -> None:
    """With orders and without, every ballot has the casts that were acknowledged, and none of those that were cut off."""
    one, other = await place.start_node(), await place.start_node()
    fans = await make_users(place.database_url, FANS)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        for show, has_order in zip(place.shows, (True, False), strict=True):
            replies = await asyncio.gather(
                *(change_of_mind(http, (one.url, other.url), user, show, has_order=has_order) for user in fans)
            )
            assert [reply for of_fan in replies for reply in of_fan if "ok" not in reply] == []
    await until_drained(place.database_url, place.redis_url)
    connection = await asyncpg.connect(place.database_url)
    try:
        rows = await connection.fetch("select show_id, choice::text, count(*) from votes group by 1, 2 order by 1, 2")
    finally:
        await connection.close()
    assert [tuple(row) for row in rows] == [(show.id, "down", FANS * CASTS) for show in place.shows]
    assert await differences(place.database_url, place.redis_url) == []
