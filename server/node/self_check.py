"""Looks, while the node runs, at what may change around it: the schema, the keys of other nodes, and the three clocks."""

from __future__ import annotations

import asyncio
import math

import structlog

from server.cache.cluster import connection_to
from server.cache.engine import clocks_ahead_ms
from server.errors import CacheError, CacheUnavailable, StoreError
from server.settings import data_folder
from server.store.database import Database, translated_all
from server.store.engine import clock_ahead_ms as postgres_ahead_ms
from server.store.migrations import why_schema_differs
from server.telemetry import CLOCK_AHEAD_SECONDS, VALKEY_MEMORY_BYTES
from server.voting.leases import has_other_keys

log = structlog.get_logger()

CHECK_EVERY_S = 5.0
# Valkey's clock decides voting windows and vote budgets; PostgreSQL's clock decides days and history.
CLOCK_DIFFERENCE_MAX_MS = 1_000.0


def clocks_differ(ahead_ms: dict[str, float]) -> bool:
    """Whether the clocks of this machine and of the engines differ too much. Takes: each engine's clock minus ours."""
    readings = [0.0, *ahead_ms.values()]
    return max(readings) - min(readings) > CLOCK_DIFFERENCE_MAX_MS


class SelfCheck:
    """Checks every CHECK_EVERY_S. why_not_ready: why this node should get no traffic; empty: no reason is known."""

    def __init__(self, owner: Database, redis_url: str, secret: str) -> None:
        self._owner = owner
        self._valkey = connection_to(redis_url)
        self._secret = secret
        self._folder = data_folder("migrations")
        self._do_clocks_differ = False
        self.why_not_ready = ""

    async def run(self) -> None:
        """Checks until cancelled."""
        try:
            while True:
                try:
                    await self.check()
                except (StoreError, CacheError) as error:
                    # An engine is away, and other parts say so; what was found before still holds.
                    log.info("self_check.not_done", error=str(error))
                await asyncio.sleep(CHECK_EVERY_S)
        finally:
            await self._valkey.close()

    async def check(self) -> None:
        """Checks once.

        Raises: StoreError, CacheError
        """
        with translated_all():
            async with self._owner.connection() as connection:
                schema = await why_schema_differs(connection, self._folder)
                has_others = await has_other_keys(connection, self._secret)
                postgres_ms = await postgres_ahead_ms(connection)
        keys = "another node of this database signs tokens with another MYSETLIST_SECRET" if has_others else ""
        self._note("; ".join(reason for reason in (schema, keys) if reason))
        await self._measure_memory()
        self._compare_clocks({"PostgreSQL": postgres_ms, **await clocks_ahead_ms(self._valkey)})

    async def _measure_memory(self) -> None:
        try:
            answers = await self._valkey.ask_servers(("INFO", "memory"))
        except CacheUnavailable:
            raise
        except CacheError:
            # This user may not ask, so the metric is missing.
            return
        memory = [_memory(answer) for answer in answers.values() if not isinstance(answer, CacheError)]
        if memory:
            # The fullest server of a cluster refuses votes first.
            used, limit = max(memory, key=lambda one: one[0] / (one[1] or math.inf))
            VALKEY_MEMORY_BYTES.labels("used").set(used)
            VALKEY_MEMORY_BYTES.labels("limit").set(limit)

    def _note(self, reason: str) -> None:
        if reason != self.why_not_ready:
            self.why_not_ready = reason
            if reason:
                log.error("node.misfits", reason=reason)
            else:
                log.info("node.fits")

    def _compare_clocks(self, ahead_ms: dict[str, float]) -> None:
        for name, ms in ahead_ms.items():
            CLOCK_AHEAD_SECONDS.labels(name).set(ms / 1000)
        do_differ = clocks_differ(ahead_ms)
        if do_differ != self._do_clocks_differ:
            self._do_clocks_differ = do_differ
            fields = {f"{name.lower()}_ahead_ms": round(ms) for name, ms in ahead_ms.items()}
            if do_differ:
                log.warning("clocks.differ", **fields)
            else:
                log.info("clocks.agree", **fields)


def _memory(info: bytes) -> tuple[float, float]:
    """The used bytes and the limit, 0: none."""
    found = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
    return float(found["used_memory"]), float(found["maxmemory"])
