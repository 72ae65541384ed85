"""Connections that have left HTTP. aiohttp keeps its parser, the request and the frames of all its handlers as long as a handler
runs: 10 KB a websocket. So the handler of a websocket returns, and the connection goes on with a protocol and a task of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import WebSocketReader

from server.protocol.frames import WHOLE_TEXT, close_frame, short_frame_end, unmasked
from server.protocol.unfinished import Unfinished


class Registry(Protocol):
    """Counts connections (listening.OpenConnections)."""

    def lost(self, upgraded: Upgraded) -> None:
        """Counts a connection less."""


class Upgraded(BaseProtocol):
    """The protocol of such a connection: hands what comes to the reader of frames. aiohttp's base class has the flow control.

    Takes: before, which has the connection until now; tail, bytes that the reader has and that were behind the request
    task: serves the websocket, and is cancelled when the connection is lost; unfinished: the message that has not come whole yet, if any
    take_at_once: gets each short text message before aiohttp reads it; what it refuses, aiohttp reads
    address: as counted by the registry
    """

    __slots__ = ("_is_over", "_reader", "_registry", "address", "take_at_once", "task", "unfinished")

    def __init__(
        self, before: BaseProtocol, reader: WebSocketReader, tail: bytes, registry: Registry, address: str
    ) -> None:
        super().__init__(asyncio.get_running_loop())
        assert before.transport is not None
        self.transport = before.transport
        # To the base class: there is no parser of HTTP that reads on after a pause.
        self._upgraded = True
        self._paused = before.writing_paused
        self._reading_paused = before._reading_paused  # noqa: SLF001  the reader's queue is full already
        self._reader = reader
        self._is_over = False
        self._registry = registry
        self.address = address
        self.unfinished: Unfinished | None = None
        self._keep(tail)
        self.take_at_once: Callable[[bytes], bool] | None = None
        self.task: asyncio.Task[None] | None = None
        self.transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """Hands bytes on, until the reader refuses some."""
        if self._is_over:
            return
        start = 0
        if self.unfinished is None and (take := self.take_at_once) is not None:
            while (
                (end := short_frame_end(data, start)) and data[start] == WHOLE_TEXT and take(unmasked(data[start:end]))
            ):
                start = end
            if start == len(data):
                return
            data = data[start:]
        # aiohttp does not say what it has read of the next frame.
        self._is_over, _ = self._reader.feed_data(data)
        if self.unfinished is not None or short_frame_end(data, 0) != len(data):
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        unfinished = self.unfinished or Unfinished()
        unfinished.add(data)
        self.unfinished = unfinished if unfinished.kept else None

    async def close(self, code: int, message: bytes) -> None:
        """Sends a close frame: the one thing that aiohttp's own writer, which is 650 bytes, would be kept for."""
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError("The transport is closing.")
        self.transport.write(close_frame(code, message.decode()))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Ends the task, and lets go of everything: no search for circles of references has to free it."""
        super().connection_lost(exc)
        self._is_over = True
        self._reader.feed_eof()
        del self._reader
        self.take_at_once = None
        self._registry.lost(self)
        if self.task is not None:
            self.task.cancel()


async def end_all(upgraded: set[Upgraded], wait_s: float) -> None:
    """Waits until these connections have ended, and ends those that have not."""
    tasks = [one.task for one in upgraded if one.task is not None]
    if tasks:
        await asyncio.wait(tasks, timeout=wait_s)
    for one in list(upgraded):
        if one.task is not None:
            one.task.cancel()
        if one.transport is not None:
            one.transport.close()
    await asyncio.gather(*tasks, return_exceptions=True)
