"""Rate limits that all nodes share: sliding windows in Valkey, counted by the library `limits`.

A round trip for every request would cost more than most requests do, so each node counts the first tenth of a window by
itself. Ordinary clients stay below that and never cost a round trip. Valkey counts everything beyond it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import redis.asyncio
import structlog
from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisClusterStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import SlotNotCoveredError

from server.cache.cluster import SCHEMES, ClusterAddress
from server.cache.connection import AWAY, resets_told
from server.clock import Clock
from server.errors import Refused
from server.protocol.codes import Code
from server.telemetry import LIMITED

log = structlog.get_logger()

LOCAL_SHARE = 0.1  # of a window's count_max, admitted by each node without asking Valkey
SUBJECTS_MAX = 100_000  # that a node counts by itself in one window
TIMEOUT_S = 1.0
CONNECTIONS_MAX = 4
AWAY_S = 1.0  # after a failure, the time in which a node does not ask Valkey
RETRY_AFTER_MS_MIN = 100


@dataclass(frozen=True, slots=True)
class Window:
    """A limit: count_max in period_s, for each subject (a user id or an address).

    Takes: message, for a client at the limit; is_strict, True: Valkey counts everything, and while it is away nothing passes
    """

    name: str
    count_max: int
    period_s: int
    message: str
    is_strict: bool = False

    def __post_init__(self) -> None:
        # An alert on an increase needs the series to exist before the first refusal.
        LIMITED.labels(self.name)


class Windows:
    """All windows of a node. While Valkey is away, each node counts alone in windows that are not strict."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._clock = clock
        self._cluster: Any = None
        if urlsplit(url).scheme in SCHEMES:
            storage: Any = _cluster_storage(url)
            self._cluster = storage.bridge.get_connection()
            self._disconnect: Callable[[], Awaitable[None]] = self._cluster.aclose
        else:
            # Timeouts are short: a client that waits here waits before its request begins.
            pool: Any = redis.asyncio.BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS_MAX,
                timeout=TIMEOUT_S,
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
                driver_info=None,  # as in connection.py
            )
            # The types of `limits` know plain options only; its documentation allows a pool.
            options: dict[str, Any] = {"connection_pool": pool}
            storage = RedisStorage("async+redis://", implementation="redispy", key_prefix="limit", **options)
            self._disconnect = pool.disconnect
        self._strategy = SlidingWindowCounterRateLimiter(storage)
        # Window name -> (start of the period, subject -> count), for what this node admits by itself.
        self._admitted: dict[str, tuple[float, dict[str, int]]] = {}
        self._away_until_s: dict[str, float] = {}  # by server

    async def count(self, window: Window, subject: str, count: int = 1) -> None:
        """Counts events of a subject, by default one.

        Raises: Refused: rate_limited, the subject is at its limit, and this event was not counted; unavailable, Valkey
                is away and the window is strict
        """
        if not window.is_strict and self._admits_locally(window, subject, count, int(window.count_max * LOCAL_SHARE)):
            return
        await self._decide(window, subject, count)

    async def check(self, window: Window, subject: str) -> None:
        """Refuses a subject that is at its limit, and counts nothing: for a window that counts only failures.

        Raises: as count
        """
        await self._decide(window, subject, 0)

    async def _decide(self, window: Window, subject: str, count: int) -> None:
        item = RateLimitItemPerSecond(window.count_max, window.period_s, window.name)
        server = "" if self._cluster is None else self._server_of(item.key_for(subject))
        if self._clock.monotonic_s() < self._away_until_s.get(server, -math.inf):
            self._count_alone(window, subject, count)
            return
        try:
            with resets_told():
                free_at_s = await self._hit(item, subject, count)
        except AWAY as error:
            log.warning("windows.unreachable", error=str(error))
            self._away_until_s[server] = self._clock.monotonic_s() + AWAY_S
            self._count_alone(window, subject, count)
            return
        if free_at_s is not None:
            raise _at_limit(window, free_at_s - time.time())

    async def _hit(self, item: RateLimitItemPerSecond, subject: str, count: int) -> float | None:
        """Counts in Valkey. Gives: None; at the limit, the time at which the subject is free again, as time.time()."""
        async with asyncio.timeout(None if self._cluster is None else TIMEOUT_S):
            if count == 0:
                is_free = await self._strategy.test(item, subject)
            else:
                is_free = await self._strategy.hit(item, subject, cost=count)
            if is_free:
                return None
            free_at_s, _ = await self._strategy.get_window_stats(item, subject)
            return free_at_s

    async def close(self) -> None:
        """Closes the connections to Valkey."""
        await self._disconnect()

    def _server_of(self, key: str) -> str:
        """The primary of a cluster that counts a subject; "" when the client does not know it, as before its first question."""
        try:
            return str(self._cluster.get_node_from_key(f"{{{key}}}").name)
        except SlotNotCoveredError:
            return ""

    def _count_alone(self, window: Window, subject: str, count: int) -> None:
        """Counts while Valkey is away: this node alone admits up to the whole limit."""
        if window.is_strict:
            raise Refused(Code.UNAVAILABLE, "This is unavailable for a moment. Try again.", retry_after_ms=1_000)
        if not self._admits_locally(window, subject, count, window.count_max):
            since_s, _ = self._admitted[window.name]
            raise _at_limit(window, since_s + window.period_s - self._clock.monotonic_s())

    def _admits_locally(self, window: Window, subject: str, count: int, count_max: int) -> bool:
        now_s = self._clock.monotonic_s()
        since_s, counts = self._admitted.get(window.name, (-math.inf, {}))
        if now_s - since_s >= window.period_s or len(counts) >= SUBJECTS_MAX:
            counts = {}
            self._admitted[window.name] = (now_s, counts)
        admitted = counts.get(subject, 0) + count
        if admitted > count_max:
            return False
        counts[subject] = admitted
        return True


def _cluster_storage(url: str) -> RedisClusterStorage:
    """Counts in a cluster. Its client may repeat a command and follow a moved key: a count that is off by one does no harm."""
    address = ClusterAddress.parse(url)
    options: dict[str, Any] = {**parse_url(address.url_of(address.seeds[0]))}
    for name in ("host", "port", "db"):
        options.pop(name, None)
    options["ssl"] = options.pop("connection_class", None) is not None
    options["retry"] = Retry(NoBackoff(), 1)
    options["driver_info"] = None  # as in connection.py
    return RedisClusterStorage(
        f"async+redis+cluster://{','.join(address.seeds)}",
        implementation="redispy",
        key_prefix="limit",
        max_connections=CONNECTIONS_MAX,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        require_full_coverage=False,
        reinitialize_steps=1,
        **options,
    )


def _at_limit(window: Window, wait_s: float) -> Refused:
    LIMITED.labels(window.name).inc()
    wait_ms = max(int(wait_s * 1000), RETRY_AFTER_MS_MIN)
    return Refused(Code.RATE_LIMITED, window.message, retry_after_ms=wait_ms)
