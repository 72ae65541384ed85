"""Many websocket clients in one process, as cheap as Python allows, for any server: a dialect says what a client sends and awaits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

PER_ADDRESS = 1_000
PATIENCE_S = 120.0
_TEXT = WSMsgType.TEXT


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a client of one kind of server gets its pushes.

    path, subprotocol: of the handshake
    steps:             what the client sends, and how the answer to it begins; b"" sends nothing
    ping, pong:        the text that asks whether the client is still there, and the answer
    """

    path: str
    subprotocol: str | None = None
    steps: tuple[tuple[bytes, bytes], ...] = ()
    ping: bytes | None = None
    pong: bytes = b""


class BenchClient(WSListener):
    """One client: it does the steps of its dialect when its connection is open, and then takes pushes. Subclasses count them."""

    __slots__ = ("_dialect", "_open", "_steps", "transport")

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._steps: tuple[tuple[bytes, bytes], ...] = ()  # those that are not answered yet
        self._open: asyncio.Future[None] | None = None
        self.transport: WSTransport | None = None

    async def open(self, url: str, address: str) -> None:
        """Connects from `address`; returns when the last step is answered.

        Takes:  url, `http://host:port`
        """
        dialect = self._dialect
        self._steps = dialect.steps
        self._open = asyncio.get_running_loop().create_future()
        headers = {} if dialect.subprotocol is None else {"Sec-WebSocket-Protocol": dialect.subprotocol}
        self.transport, _ = await ws_connect(
            lambda: self, f"ws{url.removeprefix('http')}{dialect.path}", extra_headers=headers, local_addr=(address, 0),
            websocket_handshake_timeout=PATIENCE_S,
        )  # fmt: skip
        if dialect.steps:
            self._say(self.transport, dialect.steps[0][0])
            async with asyncio.timeout(PATIENCE_S):
                await self._open

    @staticmethod
    def _say(transport: WSTransport, text: bytes) -> None:
        if text:
            transport.send(_TEXT, text)

    def close(self) -> None:
        """Cuts the connection."""
        if self.transport is not None:
            self.transport.disconnect(graceful=False)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Takes the answer to a step, a ping or a push. picows answers the pings of websockets itself."""
        if frame.msg_type != _TEXT:
            return
        payload = frame.get_payload_as_bytes()
        if self._steps:
            self._answer(transport, payload)
        elif payload == self._dialect.ping:
            transport.send(_TEXT, self._dialect.pong)
        else:
            self.on_push(payload)

    def _answer(self, transport: WSTransport, payload: bytes) -> None:
        if not payload.startswith(self._steps[0][1]):
            return
        self._steps = self._steps[1:]
        if self._steps:
            self._say(transport, self._steps[0][0])
        else:
            assert self._open is not None
            self.on_open(payload)
            self._open.set_result(None)

    def on_open(self, answer: bytes) -> None:
        """Takes the answer to the last step."""

    def on_push(self, payload: bytes) -> None:
        """Takes a push."""


async def open_all(clients: Sequence[BenchClient], url: str, at_once: int, network: str) -> float:
    """Opens all connections, `at_once` at a time.

    Takes:  network, the first three numbers of the clients' addresses
    Gives:  the time until the last client is open [s]
    """
    opening = asyncio.Semaphore(at_once)

    async def open_one(number: int, client: BenchClient) -> None:
        async with opening:
            await client.open(url, f"{network}.{1 + number // PER_ADDRESS}")

    began_s = time.monotonic()
    await asyncio.gather(*(open_one(number, client) for number, client in enumerate(clients)))
    return time.monotonic() - began_s
