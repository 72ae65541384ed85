"""presence: how many connections watch a show, over all nodes.

Owns:      this node's counts in Valkey, which expire when it no longer refreshes them; the last exchange with Valkey
Threads:   event loop only; one exchange at a time
Limits:    EXCHANGE_INTERVAL_S, TTL_MS, SHOWS_MAX (docs/limits.md)
Never:     keeps a list of watchers; holds up a push
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog

from server.cache.connection import Ask
from server.clock import Clock
from server.errors import CacheError
from server.live.hub import Hub
from server.live.watchers import WatcherCounts
from server.protocol.positions import SEQ_BITS

log = structlog.get_logger()

EXCHANGE_INTERVAL_S = 1.0
# The counts of a node that died count for this time.
TTL_MS = 30_000
# Every so many exchanges this node writes its counts even if they are unchanged, in case Valkey has lost them.
REWRITE_EVERY = 10
# Shows in one exchange; of the other shows each node only knows its own watchers.
SHOWS_MAX = 5_000
NODES_KEY = "watching"

_SCRIPT = Path(__file__).with_name("presence.lua").read_bytes()
_reply_decoder = msgspec.msgpack.Decoder(tuple[int, list[int]])


class Presence:
    """Takes: watchers, the counts of this node; node, its name; ask, of a connection to Valkey."""

    def __init__(self, watchers: WatcherCounts, clock: Clock, node: str, ask: Ask) -> None:
        self._watchers = watchers
        self._clock = clock
        self._node = node
        self._ask = ask
        self._written: dict[int, int] | None = None  # this node's counts in Valkey; None: unknown
        self._exchange_count = 0
        self._is_away = False
        self._ahead_ms: int | None = None  # Valkey's clock minus this node's monotonic one; None: not read yet

    async def count(self, show_id: int) -> tuple[int, int]:
        """The position and the number of a show's watchers now; while Valkey is away, of this node alone."""
        try:
            (total,) = await self._exchange([show_id])
        except CacheError:
            await self._read_clock()
            total = self._watchers.of(show_id)
        return self._position(), total

    async def run(self, hub: Hub, *, interval_s: float = EXCHANGE_INTERVAL_S) -> None:
        """Exchanges counts until cancelled, and removes this node's counts at the end."""
        try:
            while True:
                await asyncio.sleep(interval_s)
                await self._refresh(hub)
        finally:
            await asyncio.shield(self._leave())

    async def _refresh(self, hub: Hub) -> None:
        """One exchange; publishes the counts of the shows whose attendance is watched."""
        watched = list(hub.watched("attendance"))[:SHOWS_MAX]
        try:
            counts = await self._exchange(watched)
            self._is_away = False
        except CacheError as error:
            if not self._is_away:
                log.warning("presence.away", error=str(error))
            self._is_away = True
            await self._read_clock()
            counts = [self._watchers.of(show_id) for show_id in watched]
        for show_id, total in zip(watched, counts, strict=True):
            hub.publish_watching(show_id, self._position(), total)

    def _position(self) -> int:
        """Now, by Valkey's clock, the only one that all nodes share; while Valkey is away, by its assumed course."""
        if self._ahead_ms is None:
            return 0
        return (int(self._clock.monotonic_s() * 1000) + self._ahead_ms) << SEQ_BITS

    async def _read_clock(self) -> None:
        """Reads the clock of another server, if it is unknown: in a cluster, the one with the counts may be away at the start."""
        if self._ahead_ms is None:
            with suppress(CacheError):
                ((seconds, microseconds),) = await self._ask([("TIME",)])
                now_ms = int(seconds) * 1000 + int(microseconds) // 1000
                self._ahead_ms = now_ms - int(self._clock.monotonic_s() * 1000)

    async def _exchange(self, asked: list[int]) -> list[int]:
        watchers = self._watchers.first(SHOWS_MAX)
        self._exchange_count += 1
        is_known = watchers == self._written and self._exchange_count % REWRITE_EVERY
        counts = None if is_known else [number for pair in watchers.items() for number in pair]
        request = msgspec.msgpack.encode((self._node, TTL_MS, counts, asked))
        try:
            (reply,) = await self._ask([("EVAL", _SCRIPT, 1, NODES_KEY, request)])
        except CacheError:
            self._written = None
            raise
        self._written = watchers
        now_ms, sums = _reply_decoder.decode(reply)
        self._ahead_ms = now_ms - int(self._clock.monotonic_s() * 1000)
        return sums

    async def _leave(self) -> None:
        try:
            await self._ask([("ZREM", NODES_KEY, self._node), ("DEL", f"{{{NODES_KEY}}}:{self._node}")])
        except CacheError as error:
            # The counts expire by themselves.
            log.info("presence.not_left", error=str(error))
