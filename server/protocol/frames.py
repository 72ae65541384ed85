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


def short_frame_end(data: bytes, start: int) -> int:
    """Where the frame at `start` of a client's bytes ends, if it is whole, has less than 126 bytes and ends a message; else 0."""
    # Nearly all of them are such frames, alone or after others. A frame of a client has a mask of 4 bytes.
    if len(data) - start < 6 or data[start] < 0x80 or not 0x80 <= (size := data[start + 1]) < 0x80 + 126:
        return 0
    end = start + 6 + size - 0x80
    return end if end <= len(data) else 0


def unmasked(data: bytes) -> bytes:
    """The payload of one frame of a client, see short_frame_end()."""
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
