"""Whether the services answer, and how fast: each node asks once a minute and adds what it saw to the hour.

While PostgreSQL is away there is nowhere to write that down, so what was seen is kept and told when it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from server.clock import Clock
from server.errors import CacheError, StoreError
from server.protocol.instants import from_ms
from server.store.database import Database
from server.store.queries import load_queries

log = structlog.get_logger()

SAMPLE_EVERY_S = 60.0
PROBE_TIMEOUT_S = 5.0
DEGRADED_MS = 500.0
STALE_S = 300.0
# Hours of one service: four weeks; older ones are forgotten.
HOURS_KEPT_MAX = 672
_DETAIL_CHARS_MAX = 500

queries = load_queries(Path(__file__).with_name("health.sql"))

Status = Literal["ok", "degraded", "down"]
# Returns when the service has answered.
Probe = Callable[[], Awaitable[object]]


class ServiceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A service now, and over the last 24 hours; status null: nobody has asked it lately."""

    service: str
    status: Status | None
    detail: str
    seen_at: datetime
    sample_count: int
    availability_24h: float | None
    latency_mean_ms: float | None
    latency_max_ms: float


class _Hour(msgspec.Struct):
    """What this node saw of a service in one hour and has not told yet."""

    service: str
    hour: datetime
    last_at: datetime
    last_status: Status
    last_detail: str = ""
    ok_count: int = 0
    degraded_count: int = 0
    down_count: int = 0
    latency_sum_ms: float = 0.0
    latency_max_ms: float = 0.0


async def fetch_health(db: Database) -> list[ServiceHealth]:
    """Every service that was asked within the last 24 hours.

    Raises: StoreUnavailable
    """
    async with db.connection() as connection:
        return [ServiceHealth(**row) async for row in queries.fetch_health(connection, stale_s=STALE_S)]


class HealthSampler:
    """Asks every service once a minute.

    Takes: db, the owner's; probes, service -> how to ask it (StoreError, CacheError and OSError: it is down)
    """

    def __init__(self, db: Database, clock: Clock, probes: Mapping[str, Probe]) -> None:
        self._db = db
        self._clock = clock
        self._probes = probes
        self._untold: dict[tuple[str, datetime], _Hour] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.sample()
            await asyncio.sleep(SAMPLE_EVERY_S)

    async def sample(self) -> None:
        """Asks every service once, and writes down what is known so far."""
        await asyncio.gather(*(self._ask(service, probe) for service, probe in self._probes.items()))
        while len(self._untold) > HOURS_KEPT_MAX * len(self._probes):
            del self._untold[next(iter(self._untold))]
        told, self._untold = self._untold, {}
        try:
            async with self._db.connection() as connection:
                await queries.add_health(connection, rows=msgspec.json.encode(list(told.values())).decode())
        except StoreError as error:
            # The database may have taken it before the answer was lost; then these minutes count twice.
            self._untold = told
            log.warning("health.not_written", error=str(error))

    async def _ask(self, service: str, probe: Probe) -> None:
        started_s = self._clock.monotonic_s()
        detail = ""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await probe()
        except (StoreError, CacheError, OSError) as error:
            # OSError covers TimeoutError.
            detail = str(error) or type(error).__name__
        took_ms = (self._clock.monotonic_s() - started_s) * 1000
        now = from_ms(self._clock.now_ms())
        status: Status = "down" if detail else "degraded" if took_ms > DEGRADED_MS else "ok"
        at = now.replace(minute=0, second=0, microsecond=0)
        hour = self._untold.setdefault((service, at), _Hour(service, at, now, status))
        hour.last_at, hour.last_status, hour.last_detail = now, status, detail[:_DETAIL_CHARS_MAX]
        if status == "down":
            hour.down_count += 1
            log.warning("service.down", service=service, error=detail)
            return
        if status == "ok":
            hour.ok_count += 1
        else:
            hour.degraded_count += 1
        hour.latency_sum_ms += took_ms
        hour.latency_max_ms = max(hour.latency_max_ms, took_ms)
