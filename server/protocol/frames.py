"""WebSocket frames as a server sends them (RFC 6455, section 5.2): whole, unmasked.

A frame is built once and the same bytes are written to every socket.
"""

from __future__ import annotations

import struct

_TEXT = 0x81
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


def text_frame(payload: bytes) -> bytes:
    """One text message."""
    return _frame(_TEXT, payload)


def ping_frame(payload: bytes = b"") -> bytes:
    """A ping; the payload has at most 125 bytes."""
    return _frame(_PING, payload)


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping, with the same payload."""
    return _frame(_PONG, payload)


def close_frame(code: int, reason: str) -> bytes:
    """A close frame; the reason has at most 123 bytes."""
    return _frame(_CLOSE, struct.pack("!H", code) + reason.encode())
