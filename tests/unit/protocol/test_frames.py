"""Frames as the server builds them, read by aiohttp's reader."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.base_protocol import BaseProtocol

from server.protocol.frames import close_frame, ping_frame, pong_frame, short_frame_end, text_frame, unmasked

SIZES = [0, 1, 125, 126, 127, 65_535, 65_536, 100_000]


async def read(data: bytes) -> list[tuple[WSMsgType, object, object]]:
    loop = asyncio.get_running_loop()
    queue = WebSocketDataQueue(BaseProtocol(loop), 2**20, loop=loop)
    # Positional, because the compiled reader takes nothing else: no compression, text decoded.
    reader = WebSocketReader(queue, 2**20, False, True)
    reader.feed_data(data)
    messages: list[tuple[WSMsgType, object, object]] = []
    while queue._buffer:
        message = await queue.read()
        messages.append((message.type, message.data, message.extra))
    return messages


@pytest.mark.parametrize("size", SIZES)
async def test_a_text_frame_is_read_back(size: int) -> None:
    """In every form of the length field, and on both sides of its edges."""
    assert await read(text_frame(b"x" * size)) == [(WSMsgType.TEXT, "x" * size, "")]


async def test_frames_may_follow_one_another() -> None:
    """A reader finds the end of each frame by its length."""
    first, second = "a" * 125, "b" * 65_536
    data = text_frame(first.encode()) + ping_frame(b"p") + text_frame(second.encode())
    assert [message[:2] for message in await read(data)] == [
        (WSMsgType.TEXT, first),
        (WSMsgType.PING, b"p"),
        (WSMsgType.TEXT, second),
    ]


async def test_lengths_count_bytes_and_not_characters() -> None:
    """A name with umlauts has more bytes than characters."""
    text = "Björk ⚡" * 20
    assert await read(text_frame(text.encode())) == [(WSMsgType.TEXT, text, "")]


@pytest.mark.parametrize("payload", [b"", b"abc", b"x" * 125])
async def test_pings_and_pongs_carry_their_payload(payload: bytes) -> None:
    """A pong must have the payload of its ping."""
    assert [message[:2] for message in await read(ping_frame(payload) + pong_frame(payload))] == [
        (WSMsgType.PING, payload),
        (WSMsgType.PONG, payload),
    ]


async def test_a_close_frame_carries_code_and_reason() -> None:
    """Clients decide by the code whether to come back."""
    assert await read(close_frame(4002, "no pong")) == [(WSMsgType.CLOSE, 4002, "no pong")]


@pytest.mark.parametrize("size", SIZES)
def test_a_frame_is_whole_and_unmasked(size: int) -> None:
    """The header of RFC 6455: final, no mask, the shortest form of the length."""
    frame = text_frame(b"x" * size)
    assert frame[0] == 0x81
    assert frame[1] & 0x80 == 0
    header = 2 if size < 126 else 4 if size < 65_536 else 10
    assert len(frame) == header + size
    if header > 2:
        assert int.from_bytes(frame[2:header], "big") == size


@pytest.mark.parametrize("size", [0, 1, 4, 125])
def test_a_short_frame_of_a_client_is_unmasked(size: int) -> None:
    """Any mask, any length up to 125; a piece of a frame, a frame and a half, and other headers are not whole frames."""
    payload = bytes(range(size))
    mask = b"\x00\xff\x37\x80"
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    frame = bytes([0x81, 0x80 | size]) + mask + masked
    assert short_frame_end(frame, 0) == len(frame)
    assert unmasked(frame) == payload
    assert not any(short_frame_end(frame[:end], 0) for end in range(len(frame)))
    assert short_frame_end(frame + b"\x81", 0) == len(frame)
    assert short_frame_end(b"before" + frame + frame, 6) == 6 + len(frame)
    assert not short_frame_end(frame + b"\x81", len(frame))
    assert not short_frame_end(bytes([0x01]) + frame[1:], 0), "a part of a message"
    assert not short_frame_end(text_frame(payload), 0), "not masked"
