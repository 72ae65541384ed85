"""A reader of server-sent events that keeps what a browser's EventSource would: events, the last id, the time to return."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.support.running_node import PATIENCE_S

Message = dict[str, Any]


class EventStream:
    """Reads only while it is asked to. events: (type, data) of all so far; comments: how many."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.events: list[tuple[str, Message]] = []
        self.last_id = ""
        self.retry_ms = 0
        self.comment_count = 0

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str, path: str, **headers: str) -> AsyncIterator[EventStream]:
        """Opens a stream, which must begin."""
        timeout = aiohttp.ClientTimeout(total=None)
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout) as session,
            session.get(url + path, headers=headers) as response,
        ):
            assert response.status == 200, await response.text()
            yield cls(response)

    async def event(self) -> tuple[str, Message] | None:
        """The next event; None: the stream has ended."""
        kind, data = "message", ""
        while line := (await self.response.content.readline()).decode():
            line = line.removesuffix("\n")
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                kind = value
            elif field == "data":
                data += value
            elif field == "id":
                self.last_id = value
            elif field == "retry":
                self.retry_ms = int(value)
            elif line.startswith(":"):
                self.comment_count += 1
            elif not line and data:
                self.events.append((kind, json.loads(data)))
                return self.events[-1]
        return None

    async def push(self, channel: str, is_wanted: Callable[[Message], bool] = lambda _: True) -> Message:
        """The next push of a channel of which this holds."""
        async with asyncio.timeout(PATIENCE_S):
            while (event := await self.event()) is not None:
                if event[1].get("ch") == channel and is_wanted(event[1]):
                    return event[1]
        raise AssertionError("the stream ended")

    async def until_end(self) -> None:
        """Reads on until the server hangs up."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.event() is not None:
                pass
