"""A worker's line to its parent: whether to take over, and when to hand over."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

from server.errors import SetupError
from server.node.descriptor_channel import ChannelClosed, DescriptorChannel
from server.node.hand_over import hand_over
from server.node.handover_messages import TO_WORKER, Begin, HandedOver, HandOver, HandOverFailed
from server.node.node import Node


class Control:
    """Takes: descriptor, of the socket that the parent has handed down."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._channel = DescriptorChannel(socket.socket(fileno=descriptor))

    async def begin(self) -> tuple[Begin, socket.socket | None]:
        """The first word of the parent, and the line to the process whose sockets this one takes over.

        Raises: SetupError: the parent is gone
        """
        try:
            begin, descriptors = await self._channel.receive(TO_WORKER)
        except ChannelClosed as error:
            raise SetupError(f"the parent of this worker: {error}") from error
        assert isinstance(begin, Begin)
        # One who asks this process means the parent.
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, os.kill, os.getppid(), signal.SIGUSR2)
        return begin, socket.socket(fileno=descriptors[0]) if descriptors else None

    async def replaced(self, node: Node) -> None:
        """Hands the node over when the parent says so; returns when its successor serves."""
        while True:
            try:
                message, descriptors = await self._channel.receive(TO_WORKER)
            except ChannelClosed:
                # `end_with_parent` ends this process.
                await asyncio.Future()
            assert isinstance(message, HandOver)
            try:
                done = await hand_over(node, socket.socket(fileno=descriptors[0]))
            except HandOverFailed as error:
                await self._channel.send(HandedOver(reason=str(error)))
            else:
                await self._channel.send(done)
                return
