"""A TCP proxy that fails as networks and phones do: it delays, slows down, stops reading, cuts and vanishes."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

# Small, so that a sender feels at once that the other side does not read.
RECEIVE_BUFFER_BYTES = 4096
PIECE_BYTES = 4096
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_DROP_EVERYTHING = (0x06, 0, 0, 0)  # BPF_RET | BPF_K: keep 0 bytes of each packet


class Flow:
    """One direction of every connection through a proxy; changes have effect at once.

    delay_s: the delay of each piece; bytes_per_s: 0: unlimited
    """

    def __init__(self, piece_bytes: int = PIECE_BYTES) -> None:
        self._piece_bytes = piece_bytes
        self.delay_s = 0.0
        self.bytes_per_s = 0
        self._runs = asyncio.Event()
        self._runs.set()

    def stall(self) -> None:
        """Stops reading: when the buffers are full, the sender sees a window of zero."""
        self._runs.clear()

    def resume(self) -> None:
        """Reads again."""
        self._runs.set()

    async def carry(self, source: socket.socket, sink: socket.socket) -> None:
        """Copies until the source ends, then ends the sink."""
        loop = asyncio.get_running_loop()
        piece_bytes = self._piece_bytes
        while True:
            await self._runs.wait()
            if self.bytes_per_s:
                piece_bytes = min(self._piece_bytes, max(1, self.bytes_per_s // 10))
            piece = await loop.sock_recv(source, piece_bytes)
            if not piece:
                break
            await self._runs.wait()
            if self.delay_s or self.bytes_per_s:
                await asyncio.sleep(self.delay_s + (len(piece) / self.bytes_per_s if self.bytes_per_s else 0))
            await loop.sock_sendall(sink, piece)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


class TcpProxy:
    """Forwards each connection to the next target, in turns, or to another one that answers. Build it with `running`.

    targets: ports or sockets on this machine, which may change at any time; down: from targets to clients; up: from clients to
    targets; piece_bytes: read at once
    """

    def __init__(self, *targets: int | Path, piece_bytes: int = PIECE_BYTES) -> None:
        self.targets = list(targets)
        self.down = Flow(piece_bytes)
        self.up = Flow(piece_bytes)
        self._buffer_bytes = max(RECEIVE_BUFFER_BYTES, piece_bytes)
        self.port = 0
        self.accepted_count = 0
        self._turn = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._pairs: dict[tuple[socket.socket, socket.socket], asyncio.Task[None]] = {}

    @classmethod
    @asynccontextmanager
    async def running(cls, *targets: int | Path, piece_bytes: int = PIECE_BYTES) -> AsyncIterator[TcpProxy]:
        """Runs a proxy on a port of its own."""
        proxy = cls(*targets, piece_bytes=piece_bytes)
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, proxy._buffer_bytes)
            listening.setblocking(False)
            proxy.port = listening.getsockname()[1]
            accepting = asyncio.create_task(proxy._accept(listening), name="proxy")
            try:
                yield proxy
            finally:
                tasks = [accepting, *proxy._tasks]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def connection_count(self) -> int:
        """The connections that go through it now."""
        return len(self._pairs)

    def cut(self) -> None:
        """Resets every connection on both sides, as a router does after it loses its state."""
        for pair, carrying in self._pairs.items():
            for end in pair:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # The task that copies closes its sockets: a loop waits for ever for a socket that was closed under it.
            carrying.cancel()

    def vanish(self) -> None:
        """Drops all packets of every connection in silence, as when a phone loses its signal.

        From now on nothing is acknowledged, not even by the kernel of this machine.
        """
        filtering = (ctypes.c_ubyte * 8)(*struct.pack("HBBI", *_DROP_EVERYTHING))
        program = struct.pack("HP", 1, ctypes.addressof(filtering))
        self.down.stall()
        self.up.stall()
        for pair in self._pairs:
            for end in pair:
                end.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(listening)
            self.accepted_count += 1
            task: asyncio.Task[None] = asyncio.create_task(self._carry(client), name="proxied")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, client: socket.socket) -> None:
        with client:
            target = await self._connect()
            if target is None:
                return
            pair = client, target
            carrying = asyncio.current_task()
            assert carrying is not None
            self._pairs[pair] = carrying
            try:
                with target:
                    for end in pair:
                        if end.family == socket.AF_INET:
                            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    await self._both_ways(client, target)
            except OSError:
                # One side is gone or was cut; the end of the blocks closes the other.
                return
            finally:
                del self._pairs[pair]

    async def _both_ways(self, client: socket.socket, target: socket.socket) -> None:
        down = asyncio.create_task(self.down.carry(target, client), name="proxied-down")
        up = asyncio.create_task(self.up.carry(client, target), name="proxied-up")
        try:
            await asyncio.gather(down, up)
        finally:
            down.cancel()
            up.cancel()
            await asyncio.gather(down, up, return_exceptions=True)

    async def _connect(self) -> socket.socket | None:
        """Connects to the next target that accepts; None: no target does."""
        for _ in range(len(self.targets)):
            place = self.targets[self._turn % len(self.targets)]
            self._turn += 1
            target = socket.socket(socket.AF_UNIX if isinstance(place, Path) else socket.AF_INET)
            target.setblocking(False)
            target.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer_bytes)
            try:
                await asyncio.get_running_loop().sock_connect(
                    target, str(place) if isinstance(place, Path) else ("127.0.0.1", place)
                )
            except OSError:
                target.close()
                continue
            except asyncio.CancelledError:
                target.close()
                raise
            return target
        return None
