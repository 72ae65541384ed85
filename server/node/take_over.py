"""Takes over the sockets of the node before this one, in a process of the same or another version."""

from __future__ import annotations

import asyncio
import os
import socket
from functools import partial

import msgspec
import structlog

from server import __version__
from server.errors import SetupError
from server.live.handed_socket import FORMAT, HandedSocket
from server.node.descriptor_channel import ChannelClosed, DescriptorChannel
from server.node.handover_messages import FROM_OLD, Done, Finish, Listen, Ready, Take, Unable, Warm
from server.node.node import Node

log = structlog.get_logger()


async def take_over(node: Node, connected: socket.socket) -> None:
    """Serves the sockets that come, until no more do. The node is ready and does not listen yet.

    Takes:  connected, to the process before this one; it is closed at the end
    Raises: SetupError: that process went on itself, or has died
    """
    channel = DescriptorChannel(connected)
    try:
        await channel.send(Ready(__version__, FORMAT))
        while True:
            message, descriptors = await channel.receive(FROM_OLD)
            if isinstance(message, Finish):
                break
            await _obey(node, channel, message, descriptors)
    except ChannelClosed as error:
        # That node listens again.
        await node.stop_listening()
        raise SetupError(f"the node before this one did not hand over: {error}") from error
    finally:
        channel.close()
    log.info("node.took_over", sockets=len(node.rooms.sockets))


async def _obey(node: Node, channel: DescriptorChannel, message: Warm | Listen | Take, descriptors: list[int]) -> None:
    match message:
        case Warm(channels, opened_count):
            node.rooms.sockets.opened_count = opened_count
            await node.rooms.hub.prepare(channels, channels)
            await channel.send(Done())
        case Listen():
            node.start_writing()
            await node.listen_on([socket.socket(fileno=descriptor) for descriptor in descriptors])
            await channel.send(Done())
        case Take(packed):
            try:
                handed = [msgspec.msgpack.decode(one, type=HandedSocket) for one in packed]
            except msgspec.MsgspecError as error:
                for descriptor in descriptors:
                    os.close(descriptor)
                await channel.send(Unable(f"a websocket cannot be read: {error}"))
                return
            # Before anything is read or written: from this word on the sockets are this process's.
            await channel.send(Done())
            # Side by side: one after the other, each would wait for its turn among the pushes.
            sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
            await asyncio.gather(*map(partial(_adopt, node), sockets, handed))


async def _adopt(node: Node, connected: socket.socket, handed: HandedSocket) -> None:
    try:
        await node.adopt(connected, handed)
    except OSError as error:
        # Its client has gone meanwhile.
        log.info("socket.not_adopted", error=str(error))
        connected.close()
