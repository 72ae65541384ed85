"""Every process is killed while fans pick: an acknowledged pick is stored, or a newer one of the fan."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from server.embedded.engines import EngineName
from tests.faults.conftest import Place
from tests.support.audit import until_drained
from tests.support.node_process import NodeProcess, until
from tests.support.open_shows import Show, User

pytestmark = [pytest.mark.timeout(90), pytest.mark.asyncio(loop_scope="module")]


class Fan:
    """A fan who picks one song after the other, and what the fan was told."""

    def __init__(
        self, http: aiohttp.ClientSession, node: NodeProcess, show: Show, user: User, songs: list[int]
    ) -> None:
        self._http = http
        self._node = node
        self._path = f"/api/shows/{show.id}/picks"
        self._headers = {"Authorization": f"Bearer {user.token}"}
        self._songs = songs
        self.user = user.id
        self.sent = 0
        self.promised = 0  # the number of the newest pick that was acknowledged as committed

    def song(self, number: int) -> int:
        """The song of a pick."""
        return self._songs[number % len(self._songs)]

    async def pick(self) -> bool:
        """One pick; gives whether it is committed."""
        self.sent += 1
        number = self.sent
        try:
            async with self._http.put(
                self._node.url + self._path, headers=self._headers, json={"songs": [self.song(number)]}
            ) as response:
                document = await response.json()
                if response.status == 200 and document["durability"] == "committed":
                    self.promised = number
                    return True
        except aiohttp.ClientError:
            await asyncio.sleep(0.05)
        return False


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(shared_place: Place) -> NodeProcess:
    """The node that is killed."""
    return await shared_place.start_node()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fans(shared_place: Place, node: NodeProcess) -> AsyncIterator[list[Fan]]:
    """Six fans of a show that begins tomorrow."""
    connection = await asyncpg.connect(shared_place.database_url)
    show = shared_place.shows[0]
    await connection.execute("update shows set starts_at = now() + interval '1 day', status = 'upcoming'")
    rows = await connection.fetch("select distinct song_id from setlist_songs where show_id = $1", show.id)
    await connection.close()
    songs = [row["song_id"] for row in rows]
    async with aiohttp.ClientSession() as http:
        yield [Fan(http, node, show, user, songs) for user in shared_place.users[:6]]


async def more(fans: list[Fan], count: int = 5) -> None:
    """Every fan picks until so many picks of it are committed."""

    async def go_on(fan: Fan) -> None:
        left = count
        while left:
            left -= await fan.pick()

    await asyncio.gather(*map(go_on, fans))


async def check(place: Place, fans: list[Fan]) -> None:
    """What is stored of each fan is the newest promise, or a pick that was sent after it."""
    await until_drained(place.database_url, place.redis_url)
    connection = await asyncpg.connect(place.database_url)
    rows = await connection.fetch("select user_id, song_ids from picks")
    await connection.close()
    stored = {row["user_id"]: row["song_ids"][0] for row in rows}
    assert len(rows) == len(fans)
    for fan in fans:
        assert stored[fan.user] in {fan.song(number) for number in range(fan.promised, fan.sent + 1)}


async def under_way(fans: list[Fan]) -> list[asyncio.Task[None]]:
    """Every fan picks on; returns when each has sent some more."""
    tasks = [asyncio.create_task(more([fan], 15)) for fan in fans]
    sent = [fan.sent for fan in fans]
    await until(lambda: all(fan.sent > before + 2 for fan, before in zip(fans, sent, strict=True)), "fans pick")
    return tasks


async def test_the_node_is_killed(shared_place: Place, node: NodeProcess, fans: list[Fan]) -> None:
    """Between the script and the commit, too: what was acknowledged is there afterwards."""
    await more(fans)
    tasks = await under_way(fans)
    await node.kill()
    await node.start()
    await asyncio.gather(*tasks)
    await check(shared_place, fans)


@pytest.mark.parametrize("engine", ["valkey", "postgres"])
async def test_an_engine_is_killed(shared_place: Place, fans: list[Fan], engine: EngineName) -> None:
    """Picks go on when it is back, and none that was committed is gone."""
    tasks = await under_way(fans)
    shared_place.engines.kill(engine)
    shared_place.engines.revive(engine)
    await asyncio.gather(*tasks)
    await check(shared_place, fans)
