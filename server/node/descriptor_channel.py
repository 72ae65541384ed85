"""Messages between two processes of one machine, over a pair of Unix sockets, with open files beside them (SCM_RIGHTS)."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from server.errors import MysetlistError

Message = TypeVar("Message")

# The kernel passes at most so many descriptors at once.
DESCRIPTORS_MAX = 253
MESSAGE_BYTES_MAX = 64_000_000
_HEADER = struct.Struct("!IH")  # bytes of the message, descriptors
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class ChannelClosed(MysetlistError):
    """The other process has ended, or speaks another language."""


class DescriptorChannel:
    """One end. One task sends and one receives. Takes: connected, which it owns."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self._socket = connected

    def close(self) -> None:
        """Closes this end: the other one learns it."""
        self._socket.close()

    async def send(self, message: msgspec.Struct, descriptors: Sequence[int] = ()) -> None:
        """Sends a message. The descriptors stay open here, too.

        Raises: ChannelClosed
        """
        body = msgspec.msgpack.encode(message)
        header = _HEADER.pack(len(body), len(descriptors))
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    socket.send_fds(self._socket, [header], descriptors)
                    break
                except BlockingIOError:
                    await self._wait(loop.add_writer, loop.remove_writer)
            await loop.sock_sendall(self._socket, body)
        except OSError as error:
            raise ChannelClosed(f"the other process does not listen any more: {error.strerror}") from error

    async def receive(self, decoder: msgspec.msgpack.Decoder[Message]) -> tuple[Message, list[int]]:
        """The next message and its descriptors, which the caller has to close.

        Raises: ChannelClosed
        Cancel: between two messages nothing is lost
        """
        descriptors: list[int] = []
        try:
            header, descriptors = await self._begin()
            length, count = _HEADER.unpack(header + await self._read(_HEADER.size - len(header)))
            body = await self._read(min(length, MESSAGE_BYTES_MAX))
            if count != len(descriptors):
                raise OSError(f"{len(descriptors)} of {count} files came")  # noqa: TRY301
            return decoder.decode(body), descriptors
        except (OSError, msgspec.MsgspecError, ChannelClosed) as error:
            for descriptor in descriptors:
                os.close(descriptor)
            if isinstance(error, ChannelClosed):
                raise
            raise ChannelClosed(f"the other process cannot be understood: {error}") from error

    async def _begin(self) -> tuple[bytes, list[int]]:
        """The first bytes of a message, with its descriptors."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                header, descriptors, _, _ = socket.recv_fds(self._socket, _HEADER.size, DESCRIPTORS_MAX, _CLOSE_ON_EXEC)
            except BlockingIOError:
                await self._wait(loop.add_reader, loop.remove_reader)
            else:
                return header, descriptors

    async def _read(self, count: int) -> bytes:
        parts = []
        while count:
            part = await asyncio.get_running_loop().sock_recv(self._socket, count)
            if not part:
                raise ChannelClosed("the other process has ended")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    async def _wait(self, add: Callable[..., object], remove: Callable[[socket.socket], object]) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_turn() -> None:
            if not turn.done():
                turn.set_result(None)

        add(self._socket, on_turn)
        try:
            await turn
        finally:
            remove(self._socket)
