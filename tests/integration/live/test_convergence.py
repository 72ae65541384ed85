"""The central promise of the live side: a state and the pushes after it give a fresh state.

Random votes, watchers that come, go and come back with and without `since`, and a listener whose connection is cut:
every watcher ends with the same tally as a new client, in Python and through the page's own reducer.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from server.node.node import Node
from server.people.sessions import mint_token
from tests.support import one_node
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import SECRET, until
from tests.support.socket_client import Message, SocketClient
from tests.unit.test_page_state import node_binary

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory = one_node.node, one_node.emptied

REDUCER = Path(__file__).parents[2] / "unit" / "js" / "apply_stream.mjs"
CHANNEL = "votes:7"


class Screen:
    """The counts of show 7 that a watcher holds, over one connection after another.

    streams: for each state that was sent, {"at", "state"} and the pushes after it
    """

    def __init__(self) -> None:
        self.at = 0
        self.total = 0
        self.tally: dict[int, list[int]] = {}
        self.streams: list[list[Message]] = []

    def take_state(self, answer: Message) -> None:
        """Takes over the reply to a subscription."""
        assert answer["at"] >= self.at
        self.at = answer["at"]
        if "state" in answer:
            self.total = answer["state"]["total"]
            self.tally = {song: [up, down] for song, up, down in answer["state"]["tally"]}
            self.streams.append([answer])

    def take_pushes(self, pushes: Iterable[Message]) -> None:
        """Takes over the pushes after it."""
        for push in pushes:
            assert push["at"] >= self.at
            self.at = push["at"]
            self.total = push["total"]
            self.tally.update({song: [up, down] for song, up, down in push["tally"]})
            self.streams[-1].append(push)

    def rows(self) -> list[list[int]]:
        """[[song, up, down], …]."""
        return [[song, *counts] for song, counts in sorted(self.tally.items())]


class Watching:
    """A screen and its current connection."""

    def __init__(self, client: SocketClient) -> None:
        self.client = client
        self.screen = Screen()

    async def join(self, *, with_since: bool) -> None:
        """Subscribes, with or without the position that the screen holds."""
        since = {CHANNEL: self.screen.at} if with_since and self.screen.streams else {}
        request_id = await self.client.send("subscribe", channels=[CHANNEL], since=since)
        reply = await self.client.reply_to(request_id)
        # Pushes before the reply still belong to the earlier subscription.
        self.read()
        self.screen.take_state(reply["ok"]["channels"][CHANNEL])

    def read(self) -> None:
        """Takes over the messages heard so far."""
        self.screen.take_pushes(self.client.pushes(CHANNEL))
        self.client.heard.clear()

    async def catch_up(self, tally: list[list[int]]) -> None:
        """Reads until the screen shows this tally."""
        async with asyncio.timeout(20):
            while self.screen.rows() != tally:
                await self.client.receive()
                self.read()


async def cast_randomly(rng: random.Random, fans: list[SocketClient], show: Show, count: int) -> None:
    """Sends casts of random fans, all at once, and waits for every answer."""
    asked = [
        (
            fan,
            await fan.send("cast", show=show.id, votes=[[rng.choice(show.songs), rng.choice(["up", "down", "none"])]]),
        )
        for fan in (rng.choice(fans) for _ in range(count))
    ]
    for fan, request_id in asked:
        if not any(message.get("re") == request_id for message in fan.heard):
            await fan.reply_to(request_id)
    assert all("error" not in message for fan in fans for message in fan.heard)


async def cut_listener(factory: RowFactory) -> None:
    """Terminates PostgreSQL's backend of the listener."""
    assert await factory.cut_listeners() == 1


def through_the_page(stream: list[Message]) -> list[list[int]]:
    """The tally that the page's reducer makes from a stream."""
    lines = "\n".join(json.dumps(message) for message in stream)
    command = [str(node_binary()), "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", str(REDUCER)]
    result = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 0, result.stderr
    tally: list[list[int]] = json.loads(result.stdout)["tally"]
    return tally


@pytest.mark.parametrize("seed", range(3))
async def test_state_and_pushes_give_a_fresh_state(node: Node, factory: RowFactory, seed: int) -> None:
    """After any sequence of events a watcher holds the state that a new client gets."""
    rng = random.Random(seed)
    show, neighbour = await factory.show(7, song_count=8), await factory.show(23)
    async with AsyncExitStack() as stack:
        fans = [await stack.enter_async_context(SocketClient.connect(node.url)) for _ in range(6)]
        for fan in fans:
            await fan.hello(await factory.token())
        watching = [Watching(await stack.enter_async_context(SocketClient.connect(node.url))) for _ in range(5)]
        for one in watching:
            await one.join(with_since=False)
        for step in range(12):
            await cast_randomly(rng, fans, show, 12)
            await cast_randomly(rng, fans, neighbour, 3)
            if step == 6:
                await cut_listener(factory)
            one = rng.choice(watching)
            match rng.choice(["subscribe again", "leave and join", "reconnect", "reconnect", "listen"]):
                case "subscribe again":
                    await one.join(with_since=rng.random() < 0.5)
                case "leave and join":
                    await one.client.ok("unsubscribe", channels=[CHANNEL])
                    one.read()
                    await one.join(with_since=rng.random() < 0.5)
                case "reconnect":
                    await one.client.socket.close()
                    one.read()
                    one.client = await stack.enter_async_context(SocketClient.connect(node.url))
                    await one.join(with_since=rng.random() < 0.5)
                case "listen":
                    await one.client.ok("ping")
                    one.read()
        final = await factory.counted(7)
        assert final == await factory.tally(7)
        for one in watching:
            await one.catch_up(final)
        fresh = await stack.enter_async_context(SocketClient.connect(node.url))
        answer = (await fresh.watch(CHANNEL))[CHANNEL]
        assert sorted(answer["state"]["tally"]) == final
        for one in watching:
            assert one.screen.total == answer["state"]["total"]
    streams = [one.screen.streams[-1] for one in watching]
    assert [sorted(through_the_page(stream)) for stream in streams[:2]] == [final, final]


async def test_a_cut_listener_loses_nothing(node: Node, factory: RowFactory) -> None:
    """A vote that is committed while the listener is away is pushed and acknowledged all the same."""
    show = await factory.show(7)
    async with SocketClient.connect(node.url) as fan, SocketClient.connect(node.url) as watcher:
        await fan.hello(await factory.token())
        await watcher.watch(CHANNEL)
        await cut_listener(factory)
        answer = await fan.cast(7, (show.first, "up"))
        assert answer["durability"] in ("committed", "accepted")
        await watcher.push(CHANNEL, lambda push: [show.first, 1, 0] in push["tally"])
        if answer["durability"] == "accepted":
            await fan.next(lambda message: message.get("committed") == {"show": 7, "at": answer["at"]})

        async def listens_again() -> bool:
            return node.rooms.listener.is_listening

        await until(listens_again)
        assert (await fan.cast(7, (show.first, "down")))["ballot"] == {str(show.first): "down"}
        await watcher.push(CHANNEL, lambda push: [show.first, 0, 1] in push["tally"])


async def test_at_most_ten_pushes_a_second(node: Node, factory: RowFactory) -> None:
    """Under a load of hundreds of commits a second a watcher still gets at most ten pushes in any second."""
    show = await factory.show(7)
    tokens = [mint_token(SECRET, user, "user") for user in await factory.users(4)]
    loop = asyncio.get_running_loop()
    arrivals: list[float] = []

    async def listen(watcher: SocketClient) -> None:
        # One by one, because the test reads the list while it grows.
        async for _ in watcher.socket:
            arrivals.append(loop.time())  # noqa: PERF401

    async def vote(token: str) -> None:
        async with SocketClient.connect(node.url) as fan:
            await fan.hello(token)
            for n in range(25):
                await fan.cast(7, (show.first, ("up", "down")[n % 2]))

    async with SocketClient.connect(node.url) as watcher:
        await watcher.watch(CHANNEL)
        listening = asyncio.create_task(listen(watcher))
        await asyncio.gather(*map(vote, tokens))
        await until(lambda: _is_settled(factory, arrivals))
        listening.cancel()
    assert arrivals
    # A late frame may be followed closely by the next one, so only the whole time has the bound.
    lasted_s = arrivals[-1] - arrivals[0]
    assert len(arrivals) <= lasted_s * 10 + 2


async def _is_settled(factory: RowFactory, arrivals: list[Any]) -> bool:
    return bool(arrivals) and await factory.counted(7) == await factory.tally(7)
