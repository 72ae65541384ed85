"""Refused clients cost no memory: a node that refuses thousands of them keeps nothing of any."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from server.people.sessions import mint_token
from tests.faults.conftest import Place
from tests.support.node_process import SECRET

pytestmark = pytest.mark.timeout(60)

CLIENTS = 480  # in each half
AT_ONCE = 40
# What a shared exception kept was 9 to 12 KB for each client. A flat node moves by about 1 MB.
GROWTH_MAX_BYTES = 2_500_000


def resident_bytes(pid: int) -> int:
    """The memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


async def close_code(session: aiohttp.ClientSession, url: str, *frames: str) -> int | None:
    """Connects, sends these frames, and gives the code with which the node closes."""
    async with session.ws_connect(f"{url}/ws", protocols=["mysetlist.v1"]) as socket:
        for frame in frames:
            await socket.send_str(frame)
        async for _ in socket:
            pass
        return socket.close_code


async def test_refused_clients_leave_nothing_behind(place: Place) -> None:
    """Bad tokens (4401), too many connections of a user (4003) and bad requests: the second half adds no memory."""
    node = await place.start_node(MYSETLIST_CONNECTS_PER_MINUTE="1")
    forged = mint_token("another secret, 32 characters long", 1, "user")
    user = mint_token(SECRET, place.users[0].id, "user")
    chance = random.Random(5)

    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0)
    ) as session:

        async def bad_token() -> None:
            token = chance.choice([forged, "", "x.y.z", forged[:-3], "é" * 40])
            assert await close_code(session, node.url, f'{{"id":1,"op":"hello","token":"{token}"}}') == 4401

        async def too_many() -> None:
            assert await close_code(session, node.url, f'{{"id":1,"op":"hello","token":"{user}"}}') == 4003

        async def bad_header() -> None:
            headers = {"Authorization": f"Bearer {forged}"}
            async with session.get(f"{node.url}/api/me", headers=headers) as response:
                assert response.status == 401

        async def refuse(count: int) -> None:
            ways: list[Callable[[], Awaitable[None]]] = [bad_token, too_many, bad_header]
            for _ in range(count // AT_ONCE):
                await asyncio.gather(*(way() for way in chance.choices(ways, weights=(4, 4, 1), k=AT_ONCE)))

        async with session.ws_connect(f"{node.url}/ws", protocols=["mysetlist.v1"]) as first:
            await first.send_str(f'{{"id":1,"op":"hello","token":"{user}"}}')
            assert "ok" in await first.receive_json()
            await refuse(CLIENTS)
            half_bytes = resident_bytes(node.pid)
            await refuse(CLIENTS)
            assert resident_bytes(node.pid) - half_bytes < GROWTH_MAX_BYTES
