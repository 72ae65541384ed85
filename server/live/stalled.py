"""Stalled and lost clients: limits the kernel's buffers, measures for how long a peer has taken nothing, and asks whether it
has hung up.

A client that reads nothing has a window of zero; a client that vanished acknowledges nothing. TCP reports neither as an
error for many minutes. The options are set on the listening socket, and its connections inherit them (docs/adr/0018).
"""

from __future__ import annotations

import select
import socket
import struct

from server.live.channel import Transport

# The kernel doubles this value for its bookkeeping. Without a limit a buffer grows to 4 MiB a connection.
SEND_BUFFER_BYTES = 64 * 1024
# The kernel takes only so many unsent bytes, because a state that waits there is out of date when it arrives.
UNSENT_BYTES_MAX = 16 * 1024
# The kernel's timeout is longer than the sweep's by this, because only the sweep writes to the log. The kernel ends
# the connections that the sweep misses.
SWEEP_FIRST_S = 5.0

# `tcpi_bytes_acked` in tcp_info (linux/tcp.h): a u64 after 8 bytes, 24 u32 and two u64.
_ACKED = struct.Struct("Q")
_ACKED_OFFSET = 8 + 24 * 4 + 2 * 8


def bound_connections(listening: socket.socket, *, stalled_s: float) -> None:
    """Limits the kernel's send buffer of each new connection, and how long the kernel waits for a peer that vanished.

    Systems other than Linux have the first limit only. There, pings find the peers that vanished (sockets.py).
    """
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES_MAX)
        # The timeout covers bytes that are sent and not acknowledged, and bytes that a window of zero holds back.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int((stalled_s + SWEEP_FIRST_S) * 1000))


class StallTimer:
    """Measures for how long the peer has taken none of the waiting bytes. Cost: one system call a check, if bytes wait."""

    __slots__ = ("_since_s", "_taken_bytes")

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._taken_bytes = 0

    def stalled_s(self, transport: Transport, now_s: float) -> float:
        """The time in which the peer took nothing, up to now; 0 when nothing waits."""
        waiting_bytes = transport.get_write_buffer_size()
        if not waiting_bytes:
            self._since_s = None
            return 0.0
        taken_bytes = _taken_bytes(transport, waiting_bytes)
        if self._since_s is None or taken_bytes > self._taken_bytes:
            self._since_s = now_s
        self._taken_bytes = taken_bytes
        return now_s - self._since_s


def descriptor_of(transport: Transport) -> int:
    """The descriptor that may be written to past the transport; -1: there is none, or it is encrypted."""
    connected = transport.get_extra_info("socket")
    return -1 if connected is None or transport.get_extra_info("sslcontext") else int(connected.fileno())


def has_hung_up(transport: Transport | None) -> bool:
    """Whether the peer has ended the connection, also if this node has not read so far yet. Cost: about 2 us."""
    if transport is None or transport.is_closing():
        return True
    connected = transport.get_extra_info("socket")
    if connected is None or not hasattr(select, "POLLRDHUP"):
        return False
    question = select.poll()
    question.register(connected.fileno(), select.POLLRDHUP)
    return bool(question.poll(0))


def _taken_bytes(transport: Transport, waiting_bytes: int) -> int:
    """The bytes that the peer's kernel has acknowledged. Without TCP_INFO: a number that grows when the buffer shrinks."""
    connected = transport.get_extra_info("socket")
    if connected is None or not hasattr(socket, "TCP_INFO"):
        return -waiting_bytes
    info = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED_OFFSET + _ACKED.size)
    (acknowledged_bytes,) = _ACKED.unpack_from(info, _ACKED_OFFSET)
    return int(acknowledged_bytes)
