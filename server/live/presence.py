"""presence: how many connections watch a show, over all nodes.

Owns:      this node's numbers in Valkey, which expire when it is no longer heard of; the last sums
Threads:   event loop only; one exchange at a time
Limits:    EXCHANGE_INTERVAL_S, TTL_MS, SHOWS_MAX (docs/limits.md)
Never:     keeps a list of who watches; holds up a push
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import structlog

from server.clock import Clock
from server.errors import CacheError
from server.live.hub import Hub
from server.protocol.positions import SEQ_BITS

log = structlog.get_logger()

EXCHANGE_INTERVAL_S = 1.0
# A node that died is watched from for so long more.
TTL_MS = 30_000
# What Valkey has of this node is told anew so often, in case it has lost it.
RETELL_EVERY = 10
# Told and asked for in one exchange; who watches the rest is told by this node alone.
SHOWS_MAX = 5_000
NODES_KEY = "watching"

_SCRIPT = Path(__file__).with_name("presence.lua").read_bytes()
_reply_decoder = msgspec.msgpack.Decoder(tuple[int, list[int]])

# Commands to Valkey -> their answers; raises CacheError.
Ask = Callable[[list[tuple[Any, ...]]], Awaitable[list[Any]]]


class Presence:
    """Takes: hub, which counts this node's watchers; node, its name; ask, of a connection to Valkey."""

    def __init__(self, hub: Hub, clock: Clock, node: str, ask: Ask) -> None:
        self._hub = hub
        self._clock = clock
        self._node = node
        self._ask = ask
        self._told: dict[int, int] | None = None  # what Valkey has of this node; None: who knows
        self._exchange_count = 0
        self._is_away = False
        self._ahead_ms: int | None = None  # Valkey's clock is of this node's monotonic one; None: never heard of

    async def count(self, show_id: int) -> tuple[int, int]:
        """Position and number of a show's watchers, as of now; this node's alone while Valkey is away."""
        try:
            (total,) = await self._exchange([show_id])
        except CacheError:
            total = self._hub.watcher_count(show_id)
        return self._position(), total

    async def run(self) -> None:
        """Tells and asks once in EXCHANGE_INTERVAL_S, until cancelled; then this node watches no more."""
        try:
            while True:
                await asyncio.sleep(EXCHANGE_INTERVAL_S)
                await self.refresh()
        finally:
            await asyncio.shield(self._leave())

    async def refresh(self) -> None:
        """One exchange, and what came of it to whoever watches attendance."""
        watched = list(self._hub.watched("attendance"))[:SHOWS_MAX]
        try:
            counts = await self._exchange(watched)
            self._is_away = False
        except CacheError as error:
            if not self._is_away:
                log.warning("presence.away", error=str(error))
            self._is_away = True
            counts = [self._hub.watcher_count(show_id) for show_id in watched]
        for show_id, total in zip(watched, counts, strict=True):
            self._hub.publish_watching(show_id, self._position(), total)

    def _position(self) -> int:
        """Now, by the one clock that all nodes have: Valkey's, which is taken to go on while it is away."""
        if self._ahead_ms is None:
            return 0
        return (int(self._clock.monotonic_s() * 1000) + self._ahead_ms) << SEQ_BITS

    async def _exchange(self, asked: list[int]) -> list[int]:
        watchers = self._hub.watchers(SHOWS_MAX)
        self._exchange_count += 1
        is_known = watchers == self._told and self._exchange_count % RETELL_EVERY
        counts = None if is_known else [number for pair in watchers.items() for number in pair]
        request = msgspec.msgpack.encode((self._node, TTL_MS, counts, asked))
        try:
            (reply,) = await self._ask([("EVAL", _SCRIPT, 1, NODES_KEY, request)])
        except CacheError:
            self._told = None
            raise
        self._told = watchers
        now_ms, sums = _reply_decoder.decode(reply)
        self._ahead_ms = now_ms - int(self._clock.monotonic_s() * 1000)
        return sums

    async def _leave(self) -> None:
        try:
            await self._ask([("ZREM", NODES_KEY, self._node), ("DEL", f"{NODES_KEY}:{self._node}")])
        except CacheError as error:
            # It expires by itself.
            log.info("presence.not_left", error=str(error))
