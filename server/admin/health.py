"""The health of the services: each node probes them once a minute, and adds the results to the hour's row.

While PostgreSQL does not answer, a node keeps its results and writes them later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Literal

import msgspec
import structlog

from server.admin.queries import health as queries
from server.clock import Clock, utc_now
from server.errors import CacheError, StoreError
from server.store.database import Database
from server.store.named_queries import columns

log = structlog.get_logger()

SAMPLE_EVERY_S = 60.0
PROBE_TIMEOUT_S = 5.0
DEGRADED_MS = 500.0
STALE_S = 300.0
# While PostgreSQL is down, a node keeps four weeks of hours for each service, and drops older ones.
HOURS_KEPT_MAX = 672
_DETAIL_CHARS_MAX = 500

Status = Literal["ok", "degraded", "down"]
# Returns when the service has answered.
Probe = Callable[[], Awaitable[object]]


class ServiceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A service now and over the last 24 hours; status null: no recent probe."""

    service: str
    status: Status | None
    detail: str
    seen_at: datetime
    sample_count: int
    availability_24h: float | None
    latency_mean_ms: float | None
    latency_max_ms: float


class _Hour(msgspec.Struct):
    """Results of one service and hour that this node has not written yet."""

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
    """Every service with a probe within the last 24 hours.

    Raises: StoreUnavailable
    """
    async with db.connection() as connection:
        return [ServiceHealth(**columns(row)) async for row in queries.fetch_health(connection, stale_s=STALE_S)]


class HealthSampler:
    """Probes every service once a minute.

    Takes: db, connected as the owner of the schema; probes, by service: a probe that raises StoreError, CacheError or
           OSError means down
    """

    def __init__(self, db: Database, clock: Clock, probes: Mapping[str, Probe]) -> None:
        self._db = db
        self._clock = clock
        self._probes = probes
        self._unwritten: dict[tuple[str, datetime], _Hour] = {}

    async def run(self) -> None:
        """Samples until cancelled."""
        while True:
            await self.sample()
            await asyncio.sleep(SAMPLE_EVERY_S)

    async def sample(self) -> None:
        """Probes every service once, and writes all results that wait."""
        await asyncio.gather(*(self._probe(service, probe) for service, probe in self._probes.items()))
        while len(self._unwritten) > HOURS_KEPT_MAX * len(self._probes):
            del self._unwritten[next(iter(self._unwritten))]
        written, self._unwritten = self._unwritten, {}
        try:
            async with self._db.connection() as connection:
                await queries.add_health(connection, rows=msgspec.json.encode(list(written.values())).decode())
        except StoreError as error:
            # If PostgreSQL committed the rows before the connection broke, these results count twice.
            self._unwritten = written
            log.warning("health.not_written", error=str(error))

    async def _probe(self, service: str, probe: Probe) -> None:
        started_s = self._clock.monotonic_s()
        detail = ""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await probe()
        except (StoreError, CacheError, OSError) as error:
            # OSError covers TimeoutError.
            detail = str(error) or type(error).__name__
        took_ms = (self._clock.monotonic_s() - started_s) * 1000
        now = utc_now(self._clock)
        status: Status = "down" if detail else "degraded" if took_ms > DEGRADED_MS else "ok"
        hour = now.replace(minute=0, second=0, microsecond=0)
        row = self._unwritten.setdefault((service, hour), _Hour(service, hour, now, status))
        row.last_at, row.last_status, row.last_detail = now, status, detail[:_DETAIL_CHARS_MAX]
        if status == "down":
            row.down_count += 1
            log.warning("service.down", service=service, error=detail)
            return
        if status == "ok":
            row.ok_count += 1
        else:
            row.degraded_count += 1
        row.latency_sum_ms += took_ms
        row.latency_max_ms = max(row.latency_max_ms, took_ms)
