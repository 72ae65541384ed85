"""What comes on a websocket is read once and in order, whichever of its two readers takes it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.http import WebSocketReader
from hypothesis import given
from hypothesis import strategies as st

from server.web.upgraded import Upgraded

MASK = b"\x07\x00\xff\x31"
TEXT, PING = 0x81, 0x89


class Wire:
    """The transport, the protocol before and the registry, as far as a connection that only reads asks for them."""

    writing_paused = _reading_paused = False

    def __init__(self) -> None:
        self.transport = self

    def set_protocol(self, _protocol: object) -> None:
        """Nothing reads from it."""

    def pause_reading(self) -> None:
        """Nothing reads from it."""


def frame(first: int, payload: bytes) -> bytes:
    """A frame of a client."""
    size = len(payload)
    head = bytes((first, 0x80 | size)) if size < 126 else bytes((first, 0x80 | 126)) + size.to_bytes(2)
    return head + MASK + bytes(byte ^ MASK[place % 4] for place, byte in enumerate(payload))


class Connection:
    """A websocket whose first reader takes texts that begin with `a`, unless the other one has texts that are not answered."""

    def __init__(self) -> None:
        wire: Any = Wire()
        self.queue = WebSocketDataQueue(wire, 1 << 20, loop=asyncio.get_running_loop())
        reader = WebSocketReader(self.queue, 1 << 16, compress=False, decode_text=True)
        self.upgraded = Upgraded(wire, reader, b"", wire, "")
        self.upgraded.take_at_once = self.take
        self.taken_count = 0
        self.read: list[bytes] = []

    def take(self, payload: bytes) -> bool:
        """The first reader."""
        if self.queue._buffer or not payload.startswith(b"a"):
            return False
        self.taken_count += 1
        self.read.append(payload)
        return True

    def receive(self, data: bytes) -> None:
        """Bytes come; then the other reader answers what it has."""
        self.upgraded.data_received(data)
        while self.queue._buffer:
            message = cast("Any", self.queue._buffer.popleft()[0])
            assert message.type in {WSMsgType.TEXT, WSMsgType.PING}
            self.read.append(message.data.encode() if message.type is WSMsgType.TEXT else message.data)


@given(
    st.lists(
        st.tuples(st.sampled_from([TEXT, TEXT, TEXT, PING]), st.sampled_from([b"a", b"b"]), st.sampled_from([0, 1, 9, 124, 200])),
        max_size=12,
    ),
    st.lists(st.integers(0, 900), max_size=8),
)  # fmt: skip
def test_messages_are_read_once_and_in_order(messages: list[tuple[int, bytes, int]], cuts: list[int]) -> None:
    """Whatever pieces they come in."""
    payloads = [
        letter + str(number).encode().rjust(size if first == TEXT else min(size, 124), b".")
        for number, (first, letter, size) in enumerate(messages)
    ]
    data = b"".join(frame(first, payload) for (first, _, _), payload in zip(messages, payloads, strict=True))

    async def read_all() -> list[bytes]:
        connection = Connection()
        starts = sorted({0, *(cut for cut in cuts if cut < len(data))})
        for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
            connection.receive(data[start:end])
        assert connection.upgraded.unfinished is None
        return connection.read

    assert asyncio.run(read_all()) == payloads


async def test_short_texts_that_come_together_are_taken_at_once() -> None:
    """Each costs half of what it costs by the other reader."""
    connection = Connection()
    connection.receive(frame(TEXT, b"a1") + frame(TEXT, b"a2") + frame(TEXT, b"b3") + frame(TEXT, b"a4"))
    assert connection.read == [b"a1", b"a2", b"b3", b"a4"]
    assert connection.taken_count == 2
