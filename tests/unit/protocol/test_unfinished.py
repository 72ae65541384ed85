"""What is kept of a websocket message that has not come whole yet."""

from __future__ import annotations

import struct

import pytest

from server.protocol.unfinished import Unfinished

TEXT, CONTINUATION, PING, FINAL = 0x01, 0x00, 0x09, 0x80
MASK = b"\x01\x02\x03\x04"


def frame(opcode: int, size: int, *, mask: bytes = MASK) -> bytes:
    """A frame of a client; its payload says nothing."""
    masked = 0x80 if mask else 0
    if size < 126:
        header = bytes((opcode, masked | size))
    elif size < 65536:
        header = struct.pack("!BBH", opcode, masked | 126, size)
    else:
        header = struct.pack("!BBQ", opcode, masked | 127, size)
    return header + mask + b"p" * size


WHOLE = [frame(FINAL | TEXT, size) for size in (0, 1, 125, 126, 127, 300, 65535, 65536)]
FIRST, MORE, LAST = frame(TEXT, 10), frame(CONTINUATION, 200), frame(FINAL | CONTINUATION, 5)


@pytest.mark.parametrize("whole", WHOLE, ids=lambda whole: str(len(whole)))
def test_nothing_is_kept_of_a_whole_message(whole: bytes) -> None:
    """Whatever form its length has."""
    unfinished = Unfinished()
    unfinished.add(whole + whole)
    assert unfinished.kept == b""


@pytest.mark.parametrize("whole", WHOLE[:6], ids=lambda whole: str(len(whole)))
def test_every_part_of_a_message_is_kept(whole: bytes) -> None:
    """At each byte, in the header, the mask and the payload, and behind other messages."""
    unfinished = Unfinished()
    for end in range(1, len(whole)):
        unfinished.add(whole[end - 1 : end])
        assert unfinished.kept == whole[:end]
        at_once = Unfinished()
        at_once.add(WHOLE[2] + whole[:end])
        assert at_once.kept == whole[:end]
    unfinished.add(whole[-1:] + whole[:1])
    assert unfinished.kept == whole[:1]


def test_a_message_in_several_frames_is_kept_until_its_last() -> None:
    """A ping between its frames is not: it was answered."""
    unfinished = Unfinished()
    ping = frame(FINAL | PING, 3)
    for piece in (FIRST, ping, MORE[:7], MORE[7:], ping, LAST[:-1]):
        unfinished.add(piece)
    assert unfinished.kept == FIRST + MORE + LAST[:-1]
    unfinished.add(LAST[-1:])
    assert unfinished.kept == b""


def test_a_frame_without_a_mask_is_measured_too() -> None:
    """The reader refuses it; nothing may fail before."""
    unfinished = Unfinished()
    unfinished.add(frame(FINAL | TEXT, 200, mask=b"") + b"\x81")
    assert unfinished.kept == b"\x81"
