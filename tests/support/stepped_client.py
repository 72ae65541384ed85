"""One client that speaks when it is told to, for scenarios that are told step by step."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.support.node_process import until
from tests.support.open_shows import User

SUBPROTOCOL = "mysetlist.v1"
ANSWER_TIMEOUT_S = 20.0


class SteppedClient:
    """A websocket with its answers sorted. Build it with `connected`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.durable: set[tuple[int, int]] = set()  # (show, position) of `committed` messages
        self.pushes: list[dict[str, Any]] = []
        self.drains: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self.is_closed = False

    @classmethod
    @asynccontextmanager
    async def connected(cls, url: str, user: User | None = None) -> AsyncIterator[SteppedClient]:
        """Connected to the node at `url`, and signed in when there is a user."""
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}/ws", protocols=[SUBPROTOCOL]) as socket:
            client = cls(socket)
            listening = asyncio.create_task(client._listen(), name="voice")
            try:
                if user is not None:
                    assert "ok" in await client.ask(op="hello", token=user.token)
                yield client
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    def send(self, **request: Any) -> asyncio.Future[dict[str, Any]]:
        """Sends a request; gives its reply to come. Requests go out in the order of the calls."""
        number = next(self._ids)
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        if self.is_closed:
            reply.set_exception(ConnectionError("the connection was lost"))
            reply.exception()  # as below
            return reply
        self._replies[number] = reply
        # aiohttp writes at once; only a full buffer would make it wait, and ours never is.
        coroutine = self._socket.send_json({"id": number, **request})
        task = asyncio.ensure_future(coroutine)
        task.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        return reply

    async def ask(self, **request: Any) -> dict[str, Any]:
        """Sends a request and waits for its reply."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await self.send(**request)

    def send_cast(self, show: int, votes: Mapping[int, str]) -> asyncio.Future[dict[str, Any]]:
        """Sends a cast; gives its reply to come."""
        return self.send(op="cast", show=show, votes=list(votes.items()))

    async def cast(self, show: int, votes: Mapping[int, str]) -> dict[str, Any]:
        """Casts and waits for the acknowledgement: the `ok` or the `error` object."""
        reply = await self.ask(op="cast", show=show, votes=list(votes.items()))
        return dict(reply.get("ok") or reply["error"])

    async def watch(self, channel: str) -> dict[str, Any]:
        """Subscribes; gives the channel's state."""
        reply = await self.ask(op="subscribe", channels=[channel])
        return dict(reply["ok"]["channels"][channel])

    async def until_durable(self, show: int, at: int) -> None:
        """Returns once the server has said that what it had accepted is committed."""
        await until(lambda: (show, at) in self.durable, f"{at} of show {show} is committed")

    async def _listen(self) -> None:
        async for message in self._socket:
            self._hear(json.loads(message.data))
        self.close_code = self._socket.close_code
        self.is_closed = True
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(ConnectionError("the connection was lost"))
                reply.exception()  # whoever waits gets it; if nobody does, nothing is wrong

    def _hear(self, message: dict[str, Any]) -> None:
        if "re" in message:
            if message["re"] is None:
                return  # why the connection ends; that it has, `is_closed` says
            reply = self._replies.pop(message["re"])
            if not reply.done():
                reply.set_result(message)
        elif "committed" in message:
            self.durable.add((message["committed"]["show"], message["committed"]["at"]))
        elif "drain" in message:
            self.drains.append(message["drain"])
        else:
            self.pushes.append(message)
