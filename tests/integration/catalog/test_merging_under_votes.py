"""Songs are merged, parted and merged again while fans vote on both through two nodes: no vote is lost or counted twice."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from functools import partial

import asyncpg

from server.node.node import Node
from server.voting import reconcile
from tests.support.audit import until_drained
from tests.support.people import People
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.socket_client import SocketClient

FANS = 12
ROUNDS = 4


class Fan:
    """Votes on one of two songs, again and again.

    last: the choice that changed something last. A choice that a song had already may have changed nothing: then both count.
    """

    def __init__(self, client: SocketClient, user_id: int, songs: tuple[int, int], seed: int) -> None:
        self.user_id = user_id
        self.last: set[str] = set()
        self.held: dict[int, str] = {}
        self.refusals: set[str] = set()
        self._client = client
        self._songs = songs
        self._random = random.Random(seed)

    async def vote(self, is_over: asyncio.Event) -> None:
        """Votes until it is over."""
        while not is_over.is_set():
            song, choice = self._random.choice(self._songs), self._random.choice(("up", "down"))
            reply = await self._client.ask("cast", show=7, votes=[[song, choice]])
            if "ok" in reply:
                self.last = self.last | {choice} if self.held.get(song) == choice else {choice}
                self.held[song] = choice
            else:
                self.refusals.add(reply["error"]["code"])


async def test_votes_go_on_while_songs_are_merged(
    node: Node, other: Node, people: People, database_url: str, redis_url: str
) -> None:
    """Tallies equal rows at every commit; at the end each fan has the choice that was acknowledged last, also in Valkey."""
    factory = people.factory
    show = await factory.show(7, song_count=3)
    songs = (show.songs[0], show.songs[1])
    boss = await people.person("admin")
    is_over = asyncio.Event()
    checked = 0

    async def check() -> None:
        nonlocal checked
        connection = await asyncpg.connect(database_url)
        try:
            while not is_over.is_set():
                assert await connection.fetch("select * from miscounts()") == []
                checked += 1
        finally:
            await connection.close()

    async with AsyncExitStack() as stack:
        fans = []
        for number in range(FANS):
            client = await stack.enter_async_context(SocketClient.connect((node, other)[number % 2].url))
            signed_in = await client.hello(await factory.token())
            fans.append(Fan(client, signed_in["user"]["id"], songs, number))
        watcher = await stack.enter_async_context(SocketClient.connect(other.url))
        await watcher.watch("votes:7")
        async with asyncio.TaskGroup() as group:
            for task in (check(), *(fan.vote(is_over) for fan in fans)):
                group.create_task(task)
            try:
                for merged in range(ROUNDS):
                    before = await factory.sql.fetchval("select count(*) from vote_analytics")
                    await until(partial(_more, factory, before + FANS))
                    merge = await boss.ok("POST", "/api/admin/songs/1/merge", {"duplicate": 2})
                    await until(partial(_more, factory, before + 2 * FANS))
                    if merged < ROUNDS - 1:
                        await boss.ok("POST", f"/api/admin/merges/{merge['id']}/undo")
            finally:
                is_over.set()
        await until_drained(database_url, redis_url)
        votes = await factory.sql.fetch("select user_id, choice::text from votes where setlist_song_id = $1", songs[0])
        stored = {row["user_id"]: row["choice"] for row in votes}
        assert [fan for fan in fans if stored[fan.user_id] not in fan.last] == []
        assert await factory.sql.fetch("select * from integrity_check()") == []
        assert await reconcile.run(database_url, redis_url, repair=False) == []
        (final, *_) = await factory.tally(7)
        state = (await watcher.watch("votes:7"))["votes:7"]["state"]
        assert final in state["tally"]
        assert set().union(*(fan.refusals for fan in fans)) <= {"not_found"}
    assert checked > ROUNDS


async def _more(factory: RowFactory, count: int) -> bool:
    changes: int = await factory.sql.fetchval("select count(*) from vote_analytics")
    return changes >= count
