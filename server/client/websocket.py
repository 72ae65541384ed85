"""A websocket that says hello, subscribes, and reconnects by itself after a loss."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Protocol, cast

import msgspec
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from server.client import wire
from server.errors import MysetlistError, Refused
from server.protocol.codes import CLOSE_PROTOCOL, Code

if TYPE_CHECKING:
    from picows.picows import WSCloseHandshake

BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 10.0
CONNECT_TIMEOUT_S = 15.0
REPLY_TIMEOUT_S = 15.0
TEXT = WSMsgType.TEXT

# Errors while connecting. After one of these, another attempt may succeed.
_UNREACHABLE = (OSError, WSError, TimeoutError, EOFError)


class ConnectionCounts(Protocol):
    """Counts the losses and errors of connections."""

    reconnects: int

    def count_error(self, code: str) -> None:
        """Counts one error reply, or one connection that is closed for good."""


def websocket_url(url: str) -> str:
    """The websocket address of a server: `http://host:8080/` gives `ws://host:8080/ws`.

    Raises: ValueError: `url` is no http:// or https:// address
    """
    scheme, separator, rest = url.rstrip("/").partition("://")
    if not separator or scheme not in {"http", "https"}:
        raise ValueError(f"{url!r} is not an http:// or https:// address")
    return f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws"


class ReconnectingWebsocket(WSListener):
    """A connection to a server, and the subscriptions it restores after a loss. Subclasses override the hooks.

    Takes:   url, of the websocket; token, None for a reader; rng, for the jitter of delays; counts
    Owns:    at most one transport, and at most one task that reconnects
    quiet_s: after so long without a frame the client sends a ping; after so long again without an answer it gives the
             connection up. None: it sends no pings, because the pings of a crowd would be extra load
    """

    quiet_s: float | None = None

    def __init__(self, url: str, token: str | None, rng: Random, counts: ConnectionCounts) -> None:
        self.token = token
        self.transport: WSTransport | None = None
        self.is_ready = False  # hello and subscribe are answered
        self.is_finished = False  # closed by us, or refused for good by the server
        self._url = url
        self._rng = rng
        self._connection_counts = counts
        self._request_id = 0
        self._replies: dict[int, tuple[asyncio.Future[bytes], Callable[[bytes], None] | None]] = {}
        self._drain: wire.Drain | None = None
        self._reconnecting: asyncio.Task[None] | None = None

    # ── hooks for subclasses

    def channels(self) -> Sequence[str]:
        """The channels to subscribe to after each hello."""
        return ()

    def positions(self) -> dict[str, int]:
        """The positions the client already has, by channel."""
        return {}

    def on_subscribed(self, reply: bytes) -> None:
        """Takes the reply to the subscribe."""

    def on_push(self, payload: bytes) -> None:
        """Takes a push."""

    def on_notice(self, message: wire.Inbound) -> None:
        """Takes a message that is neither a reply nor a push."""

    def on_ready(self) -> None:
        """The connection is ready, for the first time or again."""

    def on_lost(self) -> None:
        """The connection is lost."""

    def on_finished(self) -> None:
        """The server refused or closed the connection for good."""

    # ── opening and closing

    async def open(self) -> None:
        """Connects, says hello and subscribes.

        Raises: OSError, WSError, TimeoutError: no answer; Refused: the server refused the hello or the subscribe
        Cancel: the half-open connection is closed
        """
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            transport, _ = await ws_connect(
                lambda: self,
                self._url,
                extra_headers={"Sec-WebSocket-Protocol": wire.SUBPROTOCOL},
                websocket_handshake_timeout=CONNECT_TIMEOUT_S,
                enable_auto_ping=self.quiet_s is not None,
                auto_ping_idle_timeout=self.quiet_s or 0.0,
                auto_ping_reply_timeout=self.quiet_s or 0.0,
            )
        self.transport = transport
        try:
            await self.ask(lambda request_id: wire.hello_frame(request_id, self.token))
            channels = self.channels()
            if channels:
                await self.subscribe(channels, self.positions())
        except BaseException:
            self._forget(transport)
            transport.disconnect(graceful=False)
            raise
        self.is_ready = True
        self.on_ready()

    async def open_with_retries(self) -> None:
        """Opens the connection. Tries again with full jitter until it succeeds or the server refuses for good.

        Cancel: the connection is not open
        """
        delay_s = BACKOFF_FIRST_S
        while not self.is_finished:
            try:
                await self.open()
            except Refused as error:
                self._connection_counts.count_error(error.code)
                if error.retry_after_ms is None and error.code != Code.UNAVAILABLE:
                    self.is_finished = True
                    self.on_finished()
                    return
                await asyncio.sleep((error.retry_after_ms or 0) / 1000 + self._rng.random() * delay_s)
            except _UNREACHABLE:
                await asyncio.sleep(self._rng.random() * delay_s)
            else:
                return
            delay_s = min(BACKOFF_MAX_S, delay_s * 2)

    def close(self) -> None:
        """Closes for good; nothing reconnects."""
        self.is_finished = True
        if self._reconnecting is not None:
            self._reconnecting.cancel()
        self.disconnect()

    def disconnect(self) -> None:
        """Closes the present connection without reconnecting; the caller may open another one."""
        transport = self.transport
        if transport is not None:
            self._forget(transport)
            transport.send_close()
            transport.disconnect()

    # ── requests

    def next_request_id(self) -> int:
        """A number that no earlier request on this websocket has."""
        self._request_id += 1
        return self._request_id

    async def subscribe(self, channels: Sequence[str], since: Mapping[str, int]) -> None:
        """Subscribes to channels; `on_subscribed` takes the reply.

        Takes:  since, the positions the client already has, by channel
        Raises: as ask
        """
        # A push often comes in the same packet as the reply that it follows, before the waiting task runs again: the state
        # must be taken first, or it would undo the push.
        await self.ask(
            lambda request_id: wire.subscribe_frame(request_id, channels, since), on_reply=self.on_subscribed
        )

    async def ask(self, frame: Callable[[int], bytes], *, on_reply: Callable[[bytes], None] | None = None) -> bytes:
        """Sends one request and waits for its reply.

        Takes:  frame, builds the request from its id; on_reply, takes the reply before any later message; what it raises,
                this raises
        Gives:  the reply, undecoded
        Raises: Refused: an error reply; ConnectionError: the connection is lost; TimeoutError: no reply
        Cancel: the reply is ignored when it comes
        """
        transport = self.transport
        if transport is None:
            raise ConnectionError("not connected")
        request_id = self.next_request_id()
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._replies[request_id] = reply, on_reply
        try:
            transport.send(TEXT, frame(request_id))
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                return await reply
        finally:
            self._replies.pop(request_id, None)

    # ── received frames

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Takes a frame. picows answers pings itself."""
        if frame.msg_type == TEXT:
            self.on_message(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()

    def on_message(self, payload: bytes) -> None:
        """Passes a message to the hook of its kind, or to the request it answers."""
        try:
            message = wire.decode_inbound(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._connection_counts.count_error("undecodable")
            return
        if message.ch is not None:
            self.on_push(payload)
        elif message.re is None:
            if message.drain is not None:
                self._drain = message.drain
            self.on_notice(message)
        else:
            self._resolve_reply(message.re, message, payload)

    def _resolve_reply(self, request_id: int, message: wire.Inbound, payload: bytes) -> None:
        reply, on_reply = self._replies.get(request_id, (None, None))
        if reply is None or reply.done():
            return
        if message.error is not None:
            reply.set_exception(message.error.refused())
            return
        try:
            if on_reply is not None:
                on_reply(payload)
        except (MysetlistError, ConnectionError, msgspec.MsgspecError) as error:
            reply.set_exception(error)
        else:
            reply.set_result(payload)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Reconnects, unless the close code forbids it."""
        if transport is not self.transport:
            return
        was_ready = self.is_ready
        self._forget(transport)
        if not was_ready or self.is_finished:
            return
        self.on_lost()
        close_code = _close_code(transport)
        if close_code >= CLOSE_PROTOCOL:
            self._connection_counts.count_error(f"close_{close_code}")
            self.is_finished = True
            self.on_finished()
            return
        self._connection_counts.reconnects += 1
        self._reconnecting = asyncio.get_running_loop().create_task(self._reconnect(), name="websocket.reconnect")

    async def _reconnect(self) -> None:
        drain, self._drain = self._drain, None
        if drain is not None:
            wait_s = (drain.min_ms + (drain.max_ms - drain.min_ms) * self._rng.random()) / 1000
        else:
            wait_s = self._rng.random() * BACKOFF_FIRST_S
        await asyncio.sleep(wait_s)
        await self.open_with_retries()

    def _forget(self, transport: WSTransport) -> None:
        if self.transport is not transport:
            return
        self.transport = None
        self.is_ready = False
        for reply, _ in self._replies.values():
            if not reply.done():
                reply.set_exception(ConnectionError("the connection is lost"))


def _close_code(transport: WSTransport) -> int:
    """The close code of the server; 0 when the connection broke without one."""
    # picows' annotations omit the None of a connection without a closing handshake.
    handshake: WSCloseHandshake | None = transport.close_handshake
    received = handshake.recv if handshake is not None else None
    return 0 if received is None else cast("int", received.code)
