"""WebSocket frames (RFC 6455, section 5.2): as a server sends them, whole and unmasked, and short ones of clients.

A frame is built once and the same bytes are written to every socket.
"""

from __future__ import annotations

import struct

WHOLE_TEXT = 0x81  # the first byte of a text message of one frame
_CLOSE = 0x88
_PING = 0x89
_PONG = 0x8A


def _frame(first_byte: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes((first_byte, length)) + payload
    if length < 65536:
        return struct.pack("!BBH", first_byte, 126, length) + payload
    return struct.pack("!BBQ", first_byte, 127, length) + payload


def is_whole_frame(data: bytes) -> bool:
    """Whether bytes of a client are one frame of less than 126 bytes, which ends a message."""
    return 5 < (count := len(data)) < 132 and data[1] == count + 122 and data[0] > 127


def unmasked(data: bytes) -> bytes:
    """The payload of a frame of a client that is_whole_frame()."""
    count = len(data) - 6
    mask = int.from_bytes((data[2:6] * 32)[:count], "little")
    return (int.from_bytes(data[6:], "little") ^ mask).to_bytes(count, "little")


def text_frame(payload: bytes) -> bytes:
    """One text message."""
    return _frame(WHOLE_TEXT, payload)


def ping_frame(payload: bytes = b"") -> bytes:
    """A ping; the payload has at most 125 bytes."""
    return _frame(_PING, payload)


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping, with the same payload."""
    return _frame(_PONG, payload)


def close_frame(code: int, reason: str) -> bytes:
    """A close frame; the reason has at most 123 bytes."""
    return _frame(_CLOSE, struct.pack("!H", code) + reason.encode())
