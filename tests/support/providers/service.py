"""Common parts of the four providers: a record of requests, enforced quotas, ordered faults."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Asked:
    """One request; the query is without the key."""

    path: str
    query: dict[str, str]
    at_s: float
    status: int


@dataclass(frozen=True)
class Rate:
    """A quota: so many requests in any period, and in a day."""

    count_max: int
    period_s: float
    day_max: int


@dataclass
class Fault:
    """A wrong response. `is_cut`: the connection ends in the middle of the real one; `delay_s`: it comes late."""

    status: int = 200
    body: bytes | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False
    delay_s: float = 0.0
    change: Callable[[Any], Any] | None = None  # of the JSON: a schema that changed


@dataclass
class Service:
    """One provider: its requests, its ordered faults, and the violations of its rules.

    Takes: refuse, makes its own response to a request over a limit: (name of the limit) -> response
    """

    name: str
    rate: Rate
    refuse: Callable[[str], web.Response]
    asked: list[Asked] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    violations: list[str] = field(default_factory=list)
    day_count: int = 0
    is_revoked: bool = False
    _times: deque[float] = field(default_factory=deque)

    def fail(self, count: int = 1, **fault: Any) -> None:
        """Orders faults for the next requests."""
        self.faults.extend(Fault(**fault) for _ in range(count))

    def paths(self) -> list[str]:
        """The paths of all requests, in order."""
        return [asked.path for asked in self.asked]

    def wrapped(self, handler: Handler) -> Handler:
        """Puts a handler behind the quota and the faults, and records every request."""

        async def handle(request: web.Request) -> web.StreamResponse:
            response = await self._answer(request, handler)
            query = {name: value for name, value in request.query.items() if name != "apikey"}
            self.asked.append(Asked(request.path, query, time.monotonic(), response.status))
            return response

        return handle

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        over = self._over()
        if over is not None:
            self.violations.append(f"{self.name}: over its {over} limit at {request.path}")
            return self.refuse(over)
        fault = self.faults.popleft() if self.faults else None
        if fault is None:
            return await handler(request)
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault.body is not None or fault.status != 200:
            headers = {"Content-Type": fault.content_type} | fault.headers
            return web.Response(status=fault.status, body=fault.body or b"", headers=headers)
        answer = await handler(request)
        assert isinstance(answer, web.Response)
        if fault.change is not None:
            assert isinstance(answer.body, bytes)
            return web.json_response(fault.change(json.loads(answer.body)))
        if fault.is_cut:
            assert isinstance(answer.body, bytes)
            cut = web.StreamResponse(
                headers={"Content-Length": str(len(answer.body)), "Content-Type": "application/json"}
            )
            await cut.prepare(request)
            await cut.write(answer.body[: len(answer.body) // 2])
            assert request.transport is not None
            request.transport.close()
            return cut
        return answer

    def _over(self) -> str | None:
        now_s = time.monotonic()
        while self._times and self._times[0] <= now_s - self.rate.period_s:
            self._times.popleft()
        if self.day_count >= self.rate.day_max:
            return "day"
        if len(self._times) >= self.rate.count_max:
            return "rate"
        self._times.append(now_s)
        self.day_count += 1
        return None
