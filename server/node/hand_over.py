"""Hands the sockets of a running node to its successor, a process of the same or another version."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import TypeVar

import msgspec
import structlog

from server.live.departures import Departures
from server.live.handed_socket import FORMAT
from server.node.descriptor_channel import ChannelClosed, DescriptorChannel
from server.node.handover_messages import (
    FROM_NEW,
    Done,
    Finish,
    HandedOver,
    HandOverFailed,
    Listen,
    Ready,
    Take,
    Unable,
    Warm,
)
from server.node.node import Node

log = structlog.get_logger()

# Before it is ready, the successor may have to migrate a large database.
READY_TIMEOUT_S = 900.0
REPLY_TIMEOUT_S = 60.0
# For so long after the last accepted connection, this process waits for the first request of each.
FIRST_REQUEST_S = 1.0

Reply = TypeVar("Reply")


async def hand_over(node: Node, connected: socket.socket) -> HandedOver:
    """Hands a node's sockets over. Afterwards the node has to stop.

    Takes:  connected, to the successor; it is closed at the end
    Gives:  the counts. Websockets that the successor cannot read, or that do not come to rest, are drained and not moved
    Raises: HandOverFailed: the node goes on as before, with every socket that the successor has not taken
    Cancel: as after a failure
    """
    channel = DescriptorChannel(connected)
    attempt = _Attempt(node, channel)
    try:
        return await attempt.run()
    except (ChannelClosed, OSError, HandOverFailed) as error:
        await attempt.take_back()
        reason = "the new process does not answer" if isinstance(error, TimeoutError) else str(error)
        if isinstance(error, ChannelClosed):
            reason = f"the new process failed, and its message is in the node's log ({reason})"
        raise HandOverFailed(reason) from error
    except BaseException:
        await attempt.take_back()
        raise
    finally:
        attempt.close()


class _Attempt:
    def __init__(self, node: Node, channel: DescriptorChannel) -> None:
        self._node = node
        self._channel = channel
        self._is_writing = True
        self._listening: list[socket.socket] = []  # copies, until the successor is the node
        rooms = node.rooms
        self._departures = Departures(rooms.sockets, rooms.hub, lambda: rooms.intake.pending_acks.owes_notices)

    async def run(self) -> HandedOver:
        node, rooms = self._node, self._node.rooms
        ready = await self._reply(Ready, READY_TIMEOUT_S)
        log.info("successor.ready", version=ready.version)
        began_s = time.monotonic()
        positions = {c.name: c.state.at for c in rooms.hub.channels() if c.state is not None and c.subscribers}
        await self._ask(Warm(positions, rooms.sockets.opened_count))
        listening = node.listening()
        self._listening = [copy.dup() for copy in listening]
        # This comes first, while the successor has nothing else to do: from here on, votes wait for its writer.
        await node.stop_writing()
        self._is_writing = False
        await self._ask(Listen(), [copy.fileno() for copy in listening])
        await node.stop_listening()
        stopped_s = time.monotonic()
        moved_count = 0
        if ready.format == FORMAT:
            moved_count = await self._move()
        else:
            log.warning("websockets.not_moved", format=ready.format, wanted=FORMAT)
        await asyncio.sleep(max(0.0, stopped_s + FIRST_REQUEST_S - time.monotonic()))
        await self._channel.send(Finish())
        took_s = time.monotonic() - began_s
        return HandedOver(
            version=ready.version, moved_count=moved_count, drained_count=len(rooms.sockets), took_s=round(took_s, 3)
        )

    async def _move(self) -> int:
        moved_count = 0
        while batch := await self._departures.batch():
            handed = [msgspec.msgpack.encode(one) for _, one in batch]
            descriptors = [departure.connection.descriptor for departure, _ in batch]
            try:
                await self._ask(Take(handed), descriptors)
            except BaseException:
                await self._departures.stay(batch)
                raise
            self._departures.left(batch)
            moved_count += len(batch)
        await self._departures.stay([])
        return moved_count

    async def take_back(self) -> None:
        """Brings the node back to its former state, without the sockets that the successor has taken."""
        await self._departures.stay([])
        if not self._is_writing:
            self._node.start_writing()
        if self._listening and not self._node.listening():
            await self._node.listen_on([copy.dup() for copy in self._listening])

    def close(self) -> None:
        """Closes the copies of the listening sockets, and the channel."""
        for copy in self._listening:
            copy.close()
        self._channel.close()

    async def _ask(self, question: msgspec.Struct, descriptors: list[int] | None = None) -> None:
        async with asyncio.timeout(REPLY_TIMEOUT_S):
            await self._channel.send(question, descriptors or ())
        await self._reply(Done, REPLY_TIMEOUT_S)

    async def _reply(self, kind: type[Reply], timeout_s: float) -> Reply:
        async with asyncio.timeout(timeout_s):
            reply, descriptors = await self._channel.receive(FROM_NEW)
        for descriptor in descriptors:
            os.close(descriptor)
        if isinstance(reply, Unable):
            raise HandOverFailed(reply.reason)
        if not isinstance(reply, kind):
            raise HandOverFailed(f"the new process answered {type(reply).__name__}")
        return reply
