"""Measures the floor of fan-out: a bare `send()` loop to the same watchers.

bench/fanout.py starts it as a process of its own: a server that understands just enough websocket for a watcher to connect
(upgrade, hello, subscribe). Ten times a second it writes one prebuilt frame to every socket. The loop is C
(bench/send_loop.py). It measures the CPU of this process, user and system, during the loops only.

    python bench/floor.py SOCKETS SECONDS FRAME_BYTES     prints the port, and at the end one JSON object
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
import sys
import time

import measure  # noqa: F401  # makes this checkout importable
import orjson
import uvloop
from send_loop import Broadcast, send_loop

from server.cli.terminal import raise_file_limit
from server.protocol.frames import text_frame

ROUNDS_PER_S = 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SHOW = 1


def main() -> None:
    """Waits for all watchers, broadcasts, and prints the result."""
    socket_count, seconds, frame_bytes = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    raise_file_limit()
    language, broadcast = send_loop()
    sys.stdout.write(
        orjson.dumps(
            {"language": language, **uvloop.run(_measure(broadcast, socket_count, seconds, frame_bytes))}
        ).decode()
    )


async def _measure(broadcast: Broadcast, socket_count: int, seconds: float, frame_bytes: int) -> dict[str, float]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.setblocking(False)
    event_loop = asyncio.get_running_loop()
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    sockets: list[socket.socket] = []
    welcomes: set[asyncio.Task[None]] = set()
    while len(sockets) < socket_count:
        arrived, _ = await event_loop.sock_accept(listener)
        arrived.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets.append(arrived)
        welcomes.add(asyncio.create_task(_welcome(arrived)))
    await asyncio.gather(*welcomes)
    cpu_s, sends, whole = 0.0, 0, 0
    began_s = time.monotonic()
    for number in range(int(seconds * ROUNDS_PER_S)):
        await asyncio.sleep(max(0.0, began_s + number / ROUNDS_PER_S - time.monotonic()))
        frame = _frame(number + 1, frame_bytes)
        before_s = time.process_time()
        whole += broadcast(sockets, frame)
        cpu_s += time.process_time() - before_s
        sends += len(sockets)
    return {
        "sockets": socket_count,
        "sends": sends,
        "sends_whole": whole,
        "frame_bytes": frame_bytes,
        "cpu_us_per_send": round(cpu_s / max(1, sends) * 1e6, 3),
    }


async def _welcome(arrived: socket.socket) -> None:
    """Answers the upgrade, the hello and the subscribe without reading them: a watcher always sends the same."""
    event_loop = asyncio.get_running_loop()
    request = b""
    while b"\r\n\r\n" not in request:
        request += await event_loop.sock_recv(arrived, 4096)
    key = next(
        line.partition(b":")[2].strip()
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key:")
    )
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    await event_loop.sock_sendall(
        arrived,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\nSec-WebSocket-Protocol: mysetlist.v1\r\n\r\n",
    )
    await event_loop.sock_recv(arrived, 4096)
    await event_loop.sock_sendall(arrived, text_frame(b'{"re":1,"ok":{"user":null,"role":"reader"}}'))
    await event_loop.sock_recv(arrived, 4096)
    state = {f"votes:{_SHOW}": {"at": 0, "state": {"tally": [], "total": 0}}}
    await event_loop.sock_sendall(arrived, text_frame(orjson.dumps({"re": 2, "ok": {"channels": state}})))


def _frame(position: int, frame_bytes: int) -> bytes:
    """A push with a length of `frame_bytes`, header included."""
    head = b'{"ch":"votes:%d","at":%d,"tally":[],"total":1,"filler":"' % (_SHOW, position)
    header_bytes = 2 if frame_bytes < 128 else 4
    return text_frame(head + b"x" * max(0, frame_bytes - header_bytes - len(head) - 2) + b'"}')


if __name__ == "__main__":
    main()
