"""A real TCP proxy that behaves as networks and phones do: delays, trickles, stops reading, cuts, vanishes."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

# Small, so that who does not read is felt at once.
RECEIVE_BUFFER_BYTES = 4096
PIECE_BYTES = 4096
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_DROP_EVERYTHING = (0x06, 0, 0, 0)  # BPF_RET | BPF_K: keep 0 bytes of each packet


class Flow:
    """One direction of every connection through a proxy, as it is from now on.

    delay_s: each piece comes later by so much; bytes_per_s: 0 = as fast as it can
    """

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.bytes_per_s = 0
        self._runs = asyncio.Event()
        self._runs.set()

    def stall(self) -> None:
        """Reads no more: once the buffers are full, the sender meets a window of zero."""
        self._runs.clear()

    def resume(self) -> None:
        """Reads on."""
        self._runs.set()

    async def carry(self, source: socket.socket, sink: socket.socket) -> None:
        """Carries until the source has no more, and says so to the sink."""
        loop = asyncio.get_running_loop()
        piece_bytes = PIECE_BYTES
        while True:
            await self._runs.wait()
            if self.bytes_per_s:
                piece_bytes = min(PIECE_BYTES, max(1, self.bytes_per_s // 10))
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
    """Carries every connection to the first of its targets that answers, in turns. Build it with `running`.

    targets: ports on this machine, may change at any time; down: from the targets to the clients; up: back
    """

    def __init__(self, *targets: int) -> None:
        self.targets = list(targets)
        self.down = Flow()
        self.up = Flow()
        self.port = 0
        self.accepted_count = 0
        self._turn = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._pairs: dict[tuple[socket.socket, socket.socket], asyncio.Task[None]] = {}

    @classmethod
    @asynccontextmanager
    async def running(cls, *targets: int) -> AsyncIterator[TcpProxy]:
        """A proxy on a port of its own."""
        proxy = cls(*targets)
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
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
        """Where clients connect to."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Resets every connection on both sides, as a router does that has forgotten them."""
        for pair, carrying in self._pairs.items():
            for end in pair:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # Closed under its loop, a socket would be waited for for ever: whoever carries closes it.
            carrying.cancel()

    def vanish(self) -> None:
        """Takes no packet of any connection any more and sends none: nobody is told, as when a phone loses its signal.

        Nothing is acknowledged from here on, not even by this machine's kernel.
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
                        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    await self._both_ways(client, target)
            except OSError:
                # One side is gone, or was cut; leaving the blocks tells the other.
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
        """A connection to the next target that takes one; None: none does."""
        for _ in range(len(self.targets)):
            port = self.targets[self._turn % len(self.targets)]
            self._turn += 1
            target = socket.socket()
            target.setblocking(False)
            target.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            try:
                await asyncio.get_running_loop().sock_connect(target, ("127.0.0.1", port))
            except OSError:
                target.close()
                continue
            return target
        return None
