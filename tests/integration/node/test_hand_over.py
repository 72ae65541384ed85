"""A node hands its listening sockets and websockets to another one: nothing is closed, lost or said twice."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from server.live import departures
from server.live.handed_socket import FORMAT
from server.node.descriptor_channel import DescriptorChannel
from server.node.hand_over import hand_over
from server.node.handover_messages import FROM_OLD, Done, HandedOver, HandOverFailed, Listen, Ready, Take, Unable
from server.node.node import Node
from server.node.take_over import take_over
from tests.support.row_factory import RowFactory
from tests.support.running_node import PATIENCE_S, settings, until
from tests.support.socket_client import SocketClient

VOTERS, WATCHERS, SONGS = 6, 4, 4
PACE_S = 0.02
Engines = tuple[str, str]


@pytest.fixture
def engines_of(database_url: str, redis_url: str) -> Engines:
    """The addresses of the engines that all nodes of a test share."""
    return database_url, redis_url


@asynccontextmanager
async def started(engines_of: Engines, *, is_successor: bool = False) -> AsyncIterator[Node]:
    """A node, ready; the test may have stopped it before the end."""
    node = await Node.start(settings(*engines_of), is_successor=is_successor)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await node.wait_until_ready()
        yield node
    finally:
        await node.stop()


async def move(old: Node, new: Node) -> HandedOver:
    """Hands everything over, and stops the old node."""
    ours, theirs = socket.socketpair()
    taking = asyncio.create_task(take_over(new, theirs))
    done = await hand_over(old, ours)
    await taking
    await stop_replaced(old)
    return done


async def stop_replaced(node: Node) -> None:
    """Stops a node in whose place another one serves."""
    await node.finish_requests()
    await node.stop()


class Successor:
    """The other end of a hand-over, as a test wants it to be."""

    def __init__(self) -> None:
        self.ours, theirs = socket.socketpair()
        self.channel = DescriptorChannel(theirs)

    async def take(self, kind: type[Any], answer: Any = None) -> tuple[Any, list[int]]:
        """The next message, which has to be of this kind; answers it."""
        message, descriptors = await self.channel.receive(FROM_OLD)
        assert isinstance(message, kind), message
        if answer is not None:
            await self.channel.send(answer)
        return message, descriptors

    async def until_listening(self, ready: Ready) -> list[int]:
        """Says that it is ready, and takes the listening sockets."""
        await self.channel.send(ready)
        await self.channel.receive(FROM_OLD)
        await self.channel.send(Done())
        return (await self.take(Listen, Done()))[1]


class RawClient:
    """A websocket whose bytes the test writes itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, port: int) -> RawClient:
        """Upgrades a connection, and sends a hello."""
        client = cls(*await asyncio.open_connection("127.0.0.1", port))
        client.writer.write(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mysetlist.v1\r\n\r\n"
        )
        await client.reader.readuntil(b"\r\n\r\n")
        return client

    @staticmethod
    def frame(payload: bytes, first: int = 0x81) -> bytes:
        """A masked frame."""
        mask = b"\x11\x22\x33\x44"
        size = len(payload)
        length = bytes((0x80 | size,)) if size < 126 else struct.pack("!BH", 0x80 | 126, size)
        return bytes((first,)) + length + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))

    async def message(self) -> Any:
        """The next message."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.readexactly(2)
            size = head[1] if head[1] < 126 else int.from_bytes(await self.reader.readexactly(2))
            return json.loads(await self.reader.readexactly(size))


async def has_seen(watcher: SocketClient, rows: list[list[int]]) -> None:
    """Hears pushes until their counts are those of the rows; their positions only grow."""
    shown: dict[int, list[int]] = {}
    while shown != {row[0]: row for row in rows if row[1] or row[2]}:
        push = await watcher.push("votes:7")
        shown |= {row[0]: row for row in push["tally"]}
    for channel in ("votes:7", "attendance:7", "status:7"):
        positions = [push["at"] for push in watcher.pushes(channel)]
        assert positions == sorted(set(positions))


async def test_votes_in_flight_and_watchers_go_on(engines_of: Engines, factory: RowFactory) -> None:
    """To the next process and back again, while everybody votes: no socket closes, each cast has one answer, each watcher sees
    positions that only grow and ends with the counts of the rows; ids stay.
    """
    show = await factory.show(7)
    songs = [show.first, *await factory.add_songs(7, SONGS - 1)]
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(started(engines_of))]
        voters = [await stack.enter_async_context(SocketClient.connect(nodes[0].url)) for _ in range(VOTERS)]
        watchers = [await stack.enter_async_context(SocketClient.connect(nodes[0].url)) for _ in range(WATCHERS)]
        for voter in voters:
            await voter.hello(await factory.token())
        for watcher in watchers:
            await watcher.watch("votes:7", "attendance:7", "status:7")
        stopped, casts, answers = asyncio.Event(), 0, 0

        async def vote(voter: SocketClient) -> None:
            nonlocal casts, answers
            while not stopped.is_set():
                # Three at once, so that some are always on their way.
                sent = [
                    await voter.send("cast", show=7, votes=[(song, ("up", "down")[casts % 2])]) for song in songs[:3]
                ]
                casts += len(sent)
                for number in sent:
                    reply = await voter.reply_to(number)
                    assert reply["ok"]["durability"] in {"committed", "accepted"}, reply
                    answers += 1
                await asyncio.sleep(PACE_S)

        async with asyncio.TaskGroup() as tasks:
            for voter in voters:
                tasks.create_task(vote(voter))
            before = {one.request_id: one.number for one in nodes[0].rooms.sockets.connections()}
            for _ in range(2):
                nodes.append(await stack.enter_async_context(started(engines_of, is_successor=True)))
                done = await move(nodes[-2], nodes[-1])
                assert (done.moved_count, done.drained_count) == (VOTERS + WATCHERS, 0)
                assert {one.request_id: one.number for one in nodes[-1].rooms.sockets.connections()} == before
                reached = answers + 3 * VOTERS

                async def have_voted(reached: int = reached) -> bool:
                    return answers >= reached

                await until(have_voted)
            stopped.set()
        assert answers == casts
        assert nodes[-1].rooms.watchers.take_visits() == {}, "a watcher that goes on is no new visit"
        final = await voters[0].watch("votes:7")
        rows = await factory.tally(7)
        assert sorted(final["votes:7"]["state"]["tally"]) == sorted(rows) == sorted(await factory.counted(7))
        for voter in voters:
            assert await voter.is_alive()
            answered = [message["re"] for message in voter.heard if "re" in message]
            assert len(answered) == len(set(answered))
        for watcher in watchers:
            await has_seen(watcher, rows)
        # New connections are let in, too.
        async with SocketClient.connect(nodes[0].url) as late:
            assert await late.is_alive()


async def test_a_half_read_message_is_read_on(engines_of: Engines) -> None:
    """Cut in its header, its mask, and its payload; also behind whole messages, and in the middle of a message of two frames."""
    async with AsyncExitStack() as stack:
        old = await stack.enter_async_context(started(engines_of))
        ping, long = b'{"id":1,"op":"ping"}', b'{"id":2,"op":"ping","more":"%b"}' % (b"x" * 300)
        whole = RawClient.frame(long)
        first, last = RawClient.frame(long[:20], 0x01), RawClient.frame(long[20:], 0x80)
        rests: list[tuple[RawClient, bytes]] = []
        for cut in (1, 2, 5, 6, 40, 200):
            for before, frame in ((b"", whole), (first, last)):
                client = await RawClient.connect(old.port)
                stack.callback(client.writer.close)
                client.writer.write(RawClient.frame(ping) + before + frame[:cut])
                rests.append((client, frame[cut:]))
        for client, _ in rests:
            assert (await client.message())["re"] == 1
        new = await stack.enter_async_context(started(engines_of, is_successor=True))
        assert (await move(old, new)).moved_count == len(rests)
        for client, rest in rests:
            client.writer.write(rest + RawClient.frame(ping))
        for client, _ in rests:
            assert (await client.message())["re"] == 2
            assert (await client.message())["re"] == 1


async def test_what_a_client_has_not_taken_comes_first(engines_of: Engines, factory: RowFactory) -> None:
    """A client that reads slowly gets every reply of the old node, whole and in order, and then those of the new one."""
    await factory.show(7)
    await factory.add_songs(7, 150)
    async with AsyncExitStack() as stack:
        old = await stack.enter_async_context(started(engines_of))
        client = await RawClient.connect(old.port)
        stack.callback(client.writer.close)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for number in range(1, 201):
            client.writer.write(RawClient.frame(b'{"id":%d,"op":"subscribe","channels":["votes:7"]}' % number))

        async def is_full() -> bool:
            return any(one.transport.get_write_buffer_size() for one in old.rooms.sockets.connections())

        await until(is_full)
        new = await stack.enter_async_context(started(engines_of, is_successor=True))
        moving = asyncio.create_task(move(old, new))
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        heard = [(await client.message())["re"] for _ in range(200)]
        assert heard == list(range(1, 201))
        assert (await moving).moved_count == 1
        client.writer.write(RawClient.frame(b'{"id":900,"op":"ping"}'))
        assert (await client.message())["re"] == 900


@pytest.mark.parametrize("end", ["early", "listening", "midway", "unable"])
async def test_a_successor_that_fails_changes_nothing(
    engines_of: Engines, factory: RowFactory, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends before it is ready, after it listens, or between two batches: the old node keeps the sockets that were not taken,
    with their channels, and takes new connections.
    """
    monkeypatch.setattr(departures, "BATCH_SOCKETS", 2)
    show = await factory.show(7)
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(started(engines_of))
        clients = [await stack.enter_async_context(SocketClient.connect(node.url)) for _ in range(5)]
        for client in clients:
            await client.watch("votes:7")
        successor = Successor()
        handing = asyncio.create_task(hand_over(node, successor.ours))
        taken: list[int] = []
        if end != "early":
            listening = await successor.until_listening(Ready("9.9", FORMAT))
            if end == "midway":
                taken = (await successor.take(Take, Done()))[1]
                await successor.take(Take)
            elif end == "unable":
                refused, _ = await successor.take(Take, Unable("a websocket cannot be read"))
                assert len(refused.handed) == 2
            for descriptor in (*listening, *taken):
                os.close(descriptor)
        successor.channel.close()
        with pytest.raises(HandOverFailed):
            await handing
        lost = len(taken)
        assert len(node.rooms.sockets) == 5 - lost
        async with SocketClient.connect(node.url) as fan:
            await fan.hello(await factory.token())
            await fan.cast(7, (show.first, "up"))
        # The successor's first two, whichever they were, ended with it.
        heard = [await asyncio.gather(client.push("votes:7"), return_exceptions=True) for client in clients]
        pushed = [push for (push,) in heard if not isinstance(push, BaseException)]
        assert [push["tally"] for push in pushed] == [[[show.first, 1, 0]]] * (5 - lost)


async def test_a_successor_that_cannot_read_websockets_gets_the_listening_sockets(
    engines_of: Engines, factory: RowFactory
) -> None:
    """Then the websockets are drained, and their clients come back to it."""
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(started(engines_of))
        client = await stack.enter_async_context(SocketClient.connect(node.url))
        assert await client.is_alive()
        successor = Successor()
        stack.callback(successor.channel.close)
        handing = asyncio.create_task(hand_over(node, successor.ours))
        listening = [socket.socket(fileno=one) for one in await successor.until_listening(Ready("9.9", FORMAT + 1))]
        done = await handing
        assert (done.moved_count, done.drained_count) == (0, 1)
        await stop_replaced(node)
        assert await client.close_code() == 4000
        with socket.create_connection(("127.0.0.1", node.port)):
            accepted, _ = listening[0].accept()
            accepted.close()
        for one in listening:
            one.close()


async def test_requests_under_way_are_answered(engines_of: Engines, factory: RowFactory) -> None:
    """A request that began before the hand-over gets its answer from the old process, which then closes; event streams are sent
    away; a request on a connection that is kept says that it is the last one.
    """
    await factory.show(7)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        old = await stack.enter_async_context(started(engines_of))
        stream = await stack.enter_async_context(http.get(f"{old.url}/api/shows/7/events"))
        reader, writer = await asyncio.open_connection("127.0.0.1", old.port)
        stack.callback(writer.close)
        body = b'{"email":"x"}'
        writer.write(
            b"POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % len(body)
        )
        writer.write(body[:3])

        idle, idle_writer = await asyncio.open_connection("127.0.0.1", old.port)
        stack.callback(idle_writer.close)
        idle_writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await idle.readuntil(b"\r\n\r\n")

        async def has_begun() -> bool:
            return old._runner.connection_count == 3

        await until(has_begun)
        new = await stack.enter_async_context(started(engines_of, is_successor=True))
        moving = asyncio.create_task(move(old, new))
        await idle.read()  # until it is closed: now the old process waits for nothing but the other request
        writer.write(body[3:])
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 201 ")
        assert b"Connection: close" in answer
        assert (await moving).drained_count == 1
        assert b"event: drain" in await stream.read()
