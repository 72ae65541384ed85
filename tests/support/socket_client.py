"""A websocket client that keeps everything it hears, in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.support.running_node import PATIENCE_S

Message = dict[str, Any]


class Closed(Exception):
    """The server hung up; `code` is the close code."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class SocketClient:
    """Reads only while it is asked to, so a test decides when things are heard.

    heard: every message so far; pushes: those of channels
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard: list[Message] = []
        self._unread: dict[str, list[Message]] = {}  # channel -> pushes that `push` has not given yet
        self._request_id = 0

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str, **options: Any) -> AsyncIterator[SocketClient]:
        """Connects to a node's `/ws`. Takes: url of the node; options of aiohttp's ws_connect."""
        options.setdefault("protocols", ("mysetlist.v1",))
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.ws_connect(f"{url}/ws", **options) as socket,
        ):
            yield cls(socket)

    async def send(self, op: str, **fields: Any) -> int:
        """Sends a request without waiting for its reply; gives its id."""
        self._request_id += 1
        await self.socket.send_str(json.dumps({"id": self._request_id, "op": op, **fields}))
        return self._request_id

    async def ask(self, op: str, **fields: Any) -> Message:
        """Sends a request and gives its reply: {"re", "ok"} or {"re", "error"}."""
        return await self.reply_to(await self.send(op, **fields))

    async def ok(self, op: str, **fields: Any) -> Message:
        """Sends a request that must succeed, and gives what its reply holds."""
        reply = await self.ask(op, **fields)
        assert "ok" in reply, reply
        answer: Message = reply["ok"]
        return answer

    async def refusal(self, op: str, **fields: Any) -> str:
        """Sends a request that must be refused, and gives the code."""
        reply = await self.ask(op, **fields)
        assert "error" in reply, reply
        return str(reply["error"]["code"])

    async def hello(self, token: str) -> Message:
        """Signs in."""
        return await self.ok("hello", token=token)

    async def cast(self, show: int, *votes: tuple[int, str]) -> Message:
        """Casts votes that must be taken."""
        return await self.ok("cast", show=show, votes=votes)

    async def watch(self, *channels: str, since: dict[str, int] | None = None) -> Message:
        """Subscribes, and gives each channel's {"at", "state"}."""
        answer = await self.ok("subscribe", channels=channels, since=since or {})
        states: Message = answer["channels"]
        return states

    async def reply_to(self, request_id: int | None) -> Message:
        """The reply to a request; what comes before it is kept."""
        return await self.next(lambda message: "re" in message and message["re"] == request_id)

    async def next(self, is_wanted: Callable[[Message], bool]) -> Message:
        """The next message from the wire of which this holds.

        Raises: Closed
        """
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.receive()
                if is_wanted(message):
                    return message

    async def push(self, channel: str, is_wanted: Callable[[Message], bool] = lambda _: True) -> Message:
        """The next push of a channel of which this holds; also one that came before the reply just read.

        Raises: Closed
        """
        async with asyncio.timeout(PATIENCE_S):
            while True:
                unread = self._unread.setdefault(channel, [])
                while unread:
                    if is_wanted(message := unread.pop(0)):
                        return message
                await self.receive()

    async def receive(self) -> Message:
        """The next message from the wire.

        Raises: Closed
        """
        frame = await self.socket.receive()
        if frame.type is aiohttp.WSMsgType.CLOSE:
            # What the socket itself remembers is 1006 when the server did not wait for the answer to its goodbye.
            raise Closed(frame.data)
        if frame.type is not aiohttp.WSMsgType.TEXT:
            raise Closed(self.socket.close_code)
        message: Message = json.loads(frame.data)
        self.heard.append(message)
        if "ch" in message:
            self._unread.setdefault(message["ch"], []).append(message)
        return message

    async def close_code(self) -> int | None:
        """Waits until the server hangs up, and gives its code."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while True:
                    await self.receive()
            except Closed as end:
                return end.code

    def pushes(self, channel: str) -> list[Message]:
        """Every push of a channel heard so far."""
        return [message for message in self.heard if message.get("ch") == channel]

    async def is_alive(self) -> bool:
        """Whether the connection still answers."""
        return "time_ms" in await self.ok("ping")
