"""One websocket that is kept: it says hello, subscribes, and comes back by itself after a loss."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, Protocol, cast

import msgspec
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from server.client import wire
from server.errors import Refused
from server.protocol.codes import CLOSE_PROTOCOL, Code

if TYPE_CHECKING:
    from picows.picows import WSCloseHandshake

BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 10.0
CONNECT_TIMEOUT_S = 15.0
REPLY_TIMEOUT_S = 15.0
TEXT = WSMsgType.TEXT

# What an attempt to connect can end with besides success; each is a reason to try again later.
_UNREACHABLE = (OSError, WSError, TimeoutError, EOFError)


class LineCounts(Protocol):
    """Where lines count their losses."""

    reconnects: int

    def fault(self, code: str) -> None:
        """Counts one error reply, or one connection that ended for good."""


def websocket_url(url: str) -> str:
    """`http://host:8080/` as `ws://host:8080/ws`."""
    scheme, separator, rest = url.rstrip("/").partition("://")
    if not separator or scheme not in {"http", "https"}:
        raise ValueError(f"{url!r} is not an http:// or https:// address")
    return f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws"


class Line(WSListener):
    """A connection and what is to be restored when it is lost.

    Takes:  url, of the websocket; token, None for a reader; rng, for the jitter of coming back
    Owns:   at most one transport and at most one task that brings it back
    quiet_s: after so long without a frame the other side is asked whether it is there, and given up when it is silent for
             as long again; None: never, a crowd must not ping
    """

    quiet_s: float | None = None

    def __init__(self, url: str, token: str | None, rng: Random, counts: LineCounts) -> None:
        self.token = token
        self.transport: WSTransport | None = None
        self.is_ready = False  # hello and subscriptions are answered
        self.is_finished = False  # closed by us, or told never to return
        self._url = url
        self._rng = rng
        self._line_counts = counts
        self._request_id = 0
        self._replies: dict[int, asyncio.Future[bytes]] = {}
        self._drain: wire.Drain | None = None
        self._returning: asyncio.Task[None] | None = None

    # ── what a kind of client adds

    def channels(self) -> Sequence[str]:
        """What to subscribe to after every hello."""
        return ()

    def since(self) -> dict[str, int]:
        """Positions already held, by channel."""
        return {}

    def joined(self, reply: bytes) -> None:
        """Takes the reply to the subscribe."""

    def pushed(self, payload: bytes) -> None:
        """Takes a push."""

    def announced(self, message: wire.Inbound) -> None:
        """Takes a message that is neither a reply nor a push."""

    def entered(self) -> None:
        """The line is ready: for the first time, or again."""

    def dropped(self) -> None:
        """The line was lost."""

    def finished(self) -> None:
        """The server said not to return."""

    # ── opening and closing

    async def open(self) -> None:
        """Connects, says hello and subscribes.

        Raises: OSError, WSError, TimeoutError: nobody answered; Refused: the hello or the subscribe was refused
        Cancel: the half-open connection is closed
        """
        transport, _ = await asyncio.wait_for(
            ws_connect(
                lambda: self,
                self._url,
                extra_headers={"Sec-WebSocket-Protocol": wire.SUBPROTOCOL},
                websocket_handshake_timeout=CONNECT_TIMEOUT_S,
                enable_auto_ping=self.quiet_s is not None,
                auto_ping_idle_timeout=self.quiet_s or 0.0,
                auto_ping_reply_timeout=self.quiet_s or 0.0,
            ),
            CONNECT_TIMEOUT_S,
        )
        self.transport = transport
        try:
            await self.ask(lambda request_id: wire.hello_frame(request_id, self.token))
            channels = self.channels()
            if channels:
                self.joined(await self.ask(lambda request_id: wire.subscribe_frame(request_id, channels, self.since())))
        except BaseException:
            self._forget(transport)
            transport.disconnect(graceful=False)
            raise
        self.is_ready = True
        self.entered()

    async def keep_open(self) -> None:
        """Opens, and tries again with full jitter until it succeeds or is told never to return.

        Cancel: not connected
        """
        delay_s = BACKOFF_FIRST_S
        while not self.is_finished:
            try:
                await self.open()
            except Refused as error:
                self._line_counts.fault(error.code)
                if error.retry_after_ms is None and error.code != Code.UNAVAILABLE:
                    self.is_finished = True
                    self.finished()
                    return
                await asyncio.sleep((error.retry_after_ms or 0) / 1000 + self._rng.random() * delay_s)
            except _UNREACHABLE:
                await asyncio.sleep(self._rng.random() * delay_s)
            else:
                return
            delay_s = min(BACKOFF_MAX_S, delay_s * 2)

    def close(self) -> None:
        """Closes for good; nothing is restored."""
        self.is_finished = True
        if self._returning is not None:
            self._returning.cancel()
        transport = self.transport
        if transport is not None:
            self._forget(transport)
            transport.send_close()
            transport.disconnect()

    def reset(self) -> None:
        """Closes the present connection without coming back by itself: the caller opens the next one."""
        transport = self.transport
        if transport is not None:
            self._forget(transport)
            transport.send_close()
            transport.disconnect()

    # ── asking

    def next_request_id(self) -> int:
        """A number no earlier request of this line had."""
        self._request_id += 1
        return self._request_id

    async def ask(self, frame: Callable[[int], bytes]) -> bytes:
        """Sends one request and waits for its reply.

        Takes:  frame, makes the request from its id
        Gives:  the reply, undecoded
        Raises: Refused: an error reply; ConnectionError: the line was lost; TimeoutError: no reply
        Cancel: the reply is dropped when it comes
        """
        transport = self.transport
        if transport is None:
            raise ConnectionError("not connected")
        request_id = self.next_request_id()
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._replies[request_id] = reply
        try:
            transport.send(TEXT, frame(request_id))
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                return await reply
        finally:
            self._replies.pop(request_id, None)

    # ── what arrives

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Every frame but pings, which picows answers."""
        if frame.msg_type != TEXT:
            self.not_text(transport, frame)
            return
        self.message(frame.get_payload_as_bytes())

    def not_text(self, transport: WSTransport, frame: WSFrame) -> None:
        """A close is answered; anything else is not for us."""
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()

    def message(self, payload: bytes) -> None:
        """Any message, given to whoever waits for it."""
        try:
            message = wire.decode_inbound(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._line_counts.fault("undecodable")
            return
        if message.ch is not None:
            self.pushed(payload)
        elif message.re is None:
            if message.drain is not None:
                self._drain = message.drain
            self.announced(message)
        else:
            self.replied(message.re, message, payload)

    def replied(self, request_id: int, message: wire.Inbound, payload: bytes) -> None:
        """A reply to `ask`."""
        reply = self._replies.get(request_id)
        if reply is None or reply.done():
            return
        if message.error is None:
            reply.set_result(payload)
        else:
            reply.set_exception(message.error.refused())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Comes back, unless the close code forbids it."""
        if transport is not self.transport:
            return
        was_ready = self.is_ready
        self._forget(transport)
        if not was_ready or self.is_finished:
            return
        self.dropped()
        close_code = _close_code(transport)
        if close_code >= CLOSE_PROTOCOL:
            self._line_counts.fault(f"close_{close_code}")
            self.is_finished = True
            self.finished()
            return
        self._line_counts.reconnects += 1
        self._returning = asyncio.get_running_loop().create_task(self._return(), name="line.return")

    async def _return(self) -> None:
        drain, self._drain = self._drain, None
        if drain is not None:
            wait_s = (drain.min_ms + (drain.max_ms - drain.min_ms) * self._rng.random()) / 1000
        else:
            wait_s = self._rng.random() * BACKOFF_FIRST_S
        await asyncio.sleep(wait_s)
        await self.keep_open()

    def _forget(self, transport: WSTransport) -> None:
        if self.transport is not transport:
            return
        self.transport = None
        self.is_ready = False
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(ConnectionError("the connection was lost"))


def _close_code(transport: WSTransport) -> int:
    """The code the server closed with; 0 when the connection just broke."""
    # picows' annotations leave out the None of a connection without a closing handshake.
    handshake: WSCloseHandshake | None = transport.close_handshake
    received = handshake.recv if handshake is not None else None
    return 0 if received is None else cast("int", received.code)
