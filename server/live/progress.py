"""What the kernel does with a connection: how much it holds for it, and whether the other side takes any of it.

A client that reads nothing has a window of zero, one that vanished acknowledges nothing; neither is an error until
somebody gives up. Options are set on the listening socket, whose connections inherit them (docs/adr/0018).
"""

from __future__ import annotations

import socket
import struct
from typing import Any

# The kernel doubles it for its own bookkeeping. Without a number it grows to 4 MiB a connection.
SEND_BUFFER_BYTES = 64 * 1024
# What the kernel takes before it has been sent: whatever waits there is a state that is out of date when it arrives.
UNSENT_BYTES_MAX = 16 * 1024
# The sweep looks first, because it tells in the log; the kernel ends what it does not see.
SWEEP_FIRST_S = 5.0

# `tcpi_bytes_acked` of Linux (linux/tcp.h): u64, after 8 bytes, 24 u32 and two u64.
_ACKED = struct.Struct("Q")
_ACKED_OFFSET = 8 + 24 * 4 + 2 * 8


def bound_connections(listening: socket.socket, *, stalled_s: float) -> None:
    """Bounds what the kernel holds for each connection to come, and how long it waits for somebody who vanished.

    Elsewhere than on Linux only the first holds, and pings find who vanished (sockets.py).
    """
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES_MAX)
        # Counts for what is sent and not acknowledged, and for what cannot be sent because of a window of zero.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int((stalled_s + SWEEP_FIRST_S) * 1000))


class Progress:
    """Since when the other side has taken nothing of what waits for it. Cost: one system call a look, while some waits."""

    __slots__ = ("_since_s", "_taken_bytes")

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._taken_bytes = 0

    def stalled_s(self, transport: Any, now_s: float) -> float:
        """How long nothing was taken, as of now; 0 when nothing waits."""
        waiting_bytes = transport.get_write_buffer_size()
        if not waiting_bytes:
            self._since_s = None
            return 0.0
        taken_bytes = _taken_bytes(transport, waiting_bytes)
        if self._since_s is None or taken_bytes > self._taken_bytes:
            self._since_s = now_s
        self._taken_bytes = taken_bytes
        return now_s - self._since_s


def _taken_bytes(transport: Any, waiting_bytes: int) -> int:
    """What the other side's kernel has acknowledged; where ours does not say, only a shorter buffer shows it."""
    plain = transport.get_extra_info("socket")
    if plain is None or not hasattr(socket, "TCP_INFO"):
        return -waiting_bytes
    told = plain.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED_OFFSET + _ACKED.size)
    (acknowledged_bytes,) = _ACKED.unpack_from(told, _ACKED_OFFSET)
    return int(acknowledged_bytes)
