"""Watches, for the intake, whether Valkey takes votes, also while nobody votes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from server.cache.connection import Connection
from server.errors import CacheError, CacheUnavailable, StoreError, WritesRefused

log = structlog.get_logger()

PROBE_S = 1.0


class ValkeyWatch:
    """Probes once a second, which also connects again after a restart of Valkey.

    Takes: connection, the intake's. trouble: why no cast can be decided; paused: the shards of a cluster that take no casts, and
    why; both empty: all is well
    """

    def __init__(self, connection: Connection, *, shard_count: int) -> None:
        self._connection = connection
        self._shards = range(shard_count)
        self.trouble = "Valkey does not answer"
        self.paused = ""

    async def run(self) -> None:
        """Probes until cancelled."""
        while True:
            try:
                paused = await self._connection.probe(self._shards)
            except (CacheError, StoreError) as error:
                self.note(error)
            else:
                self.note(None)
                self._note_paused(paused)
            await asyncio.sleep(PROBE_S)

    def note(self, error: CacheError | StoreError | None) -> None:
        """Notes why casts could not be decided; None: they can be."""
        if error is None:
            trouble = ""
        elif isinstance(error, StoreError):
            trouble = "PostgreSQL does not answer"
        elif isinstance(error, CacheUnavailable):
            trouble = "Valkey does not answer"
        else:
            trouble = f"Valkey refuses {'writes' if isinstance(error, WritesRefused) else 'commands'}: {error}"
        if trouble != self.trouble:
            self.trouble = trouble
            if error is None:
                log.info("intake.ready")
            else:
                log.warning("intake.not_ready", reason=trouble, error=str(error))

    def _note_paused(self, errors: Mapping[int, CacheError]) -> None:
        by_reason: dict[str, list[str]] = {}
        for shard, error in errors.items():
            by_reason.setdefault(str(error), []).append(str(shard))
        paused = "; ".join(
            f"shards {', '.join(shards)} take no votes: Valkey {why}" for why, shards in by_reason.items()
        )
        if paused != self.paused:
            self.paused = paused
            if paused:
                log.warning("intake.paused", reason=paused)
            else:
                log.info("intake.resumed")
