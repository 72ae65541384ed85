"""Chores: work that the database needs now and then, done by one node at a time.

The node whose connection holds an advisory lock has the turn: it does the chores. It keeps the turn as long as its
connection lasts; then the next node that asks gets the lock. No chore relies on this: each may be done twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from server.clock import Clock
from server.errors import StoreError
from server.store.database import connect, translated_all
from server.store.hosts import check_takes_writes

log = structlog.get_logger()

ASK_EVERY_S = 5.0
# Longer than any pause between two chores. A stopped process would otherwise keep the turn for ever.
IDLE_S_MAX = 300.0

Work = Callable[[Any], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Chore:
    """One chore. Takes: every_s, from the end of one run to the start of the next; work, done on a given connection."""

    name: str
    every_s: float
    work: Work


class Chores:
    """Does the chores while the node runs, on a dedicated connection. Takes: begin_after_s, from the start of `run` on."""

    def __init__(self, url: str, clock: Clock, chores: Sequence[Chore], *, begin_after_s: float = 0.0) -> None:
        self._url = url
        self._clock = clock
        self._chores = chores
        self._begin_after_s = begin_after_s

    async def run(self) -> None:
        """Waits for this node's turn, then does due chores, until cancelled."""
        await asyncio.sleep(self._begin_after_s)
        while True:
            try:
                await self._take_turn()
            except StoreError as error:
                log.warning("chores.turn_lost", error=str(error))
            await asyncio.sleep(ASK_EVERY_S)

    async def _take_turn(self) -> None:
        connection = await connect(self._url, idle_max_s=IDLE_S_MAX)
        try:
            with translated_all():
                # Polled: a statement that waits for the lock would reach the timeout of statements.
                while not await connection.fetchval("select pg_try_advisory_lock(hashtext('mysetlist.chores'))"):
                    await asyncio.sleep(ASK_EVERY_S)
                    check_takes_writes(connection)
            due_s = dict.fromkeys(self._chores, 0.0)
            while True:
                check_takes_writes(connection)
                for chore in self._chores:
                    if due_s[chore] <= self._clock.monotonic_s():
                        await self._do(connection, chore)
                        due_s[chore] = self._clock.monotonic_s() + chore.every_s
                await asyncio.sleep(max(0.0, min(due_s.values()) - self._clock.monotonic_s()))
        finally:
            connection.terminate()

    async def _do(self, connection: Any, chore: Chore) -> None:
        """Does one chore. A failed chore waits for its next time, unless the connection is lost, and the turn with it.

        Raises: StoreUnavailable
        """
        try:
            with translated_all():
                await chore.work(connection)
        except StoreError as error:
            if connection.is_closed():
                raise
            log.warning("chore.not_done", chore=chore.name, error=str(error))
