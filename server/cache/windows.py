"""Limits that all nodes share: sliding windows in Valkey, counted by the library `limits`.

A round trip for every request would cost more than most requests do, so each node lets a tenth of a window by without
asking: ordinary people never cost one, and of whoever takes more, everything further is counted in Valkey.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import redis.asyncio
import structlog
from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.exceptions import RedisError

from server.clock import Clock
from server.errors import Refused
from server.protocol.codes import Code
from server.telemetry import LIMITED

log = structlog.get_logger()

SPARE_SHARE = 0.1
SUBJECTS_MAX = 100_000
TIMEOUT_S = 1.0
CONNECTIONS_MAX = 4
AWAY_S = 1.0
RETRY_AFTER_MS_MIN = 100


@dataclass(frozen=True, slots=True)
class Window:
    """So many of something in so long, by one subject.

    Takes: message, for whoever has had them all; is_strict: every one is counted in Valkey, and none is let by without it
    """

    name: str
    count_max: int
    period_s: int
    message: str
    is_strict: bool = False


class Windows:
    """All windows of a node. While Valkey is away those that are not strict let everything by."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._clock = clock
        # Never for long: whoever waits here waits before their request has begun.
        self._pool: Any = redis.asyncio.BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS_MAX,
            timeout=TIMEOUT_S,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
        )
        # Its types know plain options only; its documentation knows a pool.
        options: dict[str, Any] = {"connection_pool": self._pool}
        storage = RedisStorage("async+redis://", implementation="redispy", key_prefix="limit", **options)
        self._strategy = SlidingWindowCounterRateLimiter(storage)
        self._spared: dict[str, tuple[float, dict[str, int]]] = {}  # window -> since when, and how many of whom
        self._away_until_s = -math.inf

    async def count(self, window: Window, subject: str) -> None:
        """One more of a subject's.

        Raises: Refused: rate_limited, the subject has had as many as it may, and this one was not counted;
                unavailable, Valkey is away and the window strict
        """
        if not window.is_strict and self._is_spared(window, subject):
            return
        if self._clock.monotonic_s() < self._away_until_s:
            _let_by(window)
            return
        item = RateLimitItemPerSecond(window.count_max, window.period_s, window.name)
        try:
            if await self._strategy.hit(item, subject):
                return
            free_at_s, _ = await self._strategy.get_window_stats(item, subject)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("windows.unreachable", error=str(error))
            self._away_until_s = self._clock.monotonic_s() + AWAY_S
            _let_by(window)
            return
        LIMITED.labels(window.name).inc()
        wait_ms = max(int((free_at_s - time.time()) * 1000), RETRY_AFTER_MS_MIN)
        raise Refused(Code.RATE_LIMITED, window.message, retry_after_ms=wait_ms)

    async def close(self) -> None:
        """Hangs up."""
        await self._pool.disconnect()

    def _is_spared(self, window: Window, subject: str) -> bool:
        now_s = self._clock.monotonic_s()
        since_s, counts = self._spared.get(window.name, (-math.inf, {}))
        if now_s - since_s >= window.period_s or len(counts) >= SUBJECTS_MAX:
            counts = {}
            self._spared[window.name] = (now_s, counts)
        count = counts.get(subject, 0)
        if count >= int(window.count_max * SPARE_SHARE):
            return False
        counts[subject] = count + 1
        return True


def _let_by(window: Window) -> None:
    if window.is_strict:
        raise Refused(Code.UNAVAILABLE, "This is unavailable for a moment. Try again.", retry_after_ms=1_000)
