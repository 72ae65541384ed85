"""What the database needs done now and then, by one node at a time.

Whose turn it is: the node whose connection holds an advisory lock. It keeps the turn for as long as it lives; when it
dies, PostgreSQL gives the lock to the next one that asks. Nothing depends on there being only one: every chore may be
done twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from server.clock import Clock
from server.errors import StoreError
from server.store.database import complaints, connect

log = structlog.get_logger()

ASK_EVERY_S = 5.0

Work = Callable[[Any], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Chore:
    """Takes: every_s, from one end to the next beginning; work, done on the connection it is given, when it is due."""

    name: str
    every_s: float
    work: Work


class Chores:
    """Does the chores for as long as the node runs. One connection of its own."""

    def __init__(self, url: str, clock: Clock, chores: Sequence[Chore]) -> None:
        self._url = url
        self._clock = clock
        self._chores = chores

    async def run(self) -> None:
        """Waits for this node's turn, then does what is due, until cancelled."""
        while True:
            try:
                await self._take_turn()
            except StoreError as error:
                log.warning("chores.turn_lost", error=str(error))
            await asyncio.sleep(ASK_EVERY_S)

    async def _take_turn(self) -> None:
        connection = await connect(self._url)
        try:
            with complaints():
                # Asked for again and again: a statement that waited for the lock would be cut off.
                while not await connection.fetchval("select pg_try_advisory_lock(hashtext('mysetlist.chores'))"):  # noqa: ASYNC110
                    await asyncio.sleep(ASK_EVERY_S)
            due_s = dict.fromkeys(self._chores, 0.0)
            while True:
                for chore in self._chores:
                    if due_s[chore] <= self._clock.monotonic_s():
                        await self._do(connection, chore)
                        due_s[chore] = self._clock.monotonic_s() + chore.every_s
                await asyncio.sleep(max(0.0, min(due_s.values()) - self._clock.monotonic_s()))
        finally:
            connection.terminate()

    async def _do(self, connection: Any, chore: Chore) -> None:
        """Does one; a failure leaves it for the next time, unless the connection is gone and the turn with it.

        Raises: StoreUnavailable
        """
        try:
            with complaints():
                await chore.work(connection)
        except StoreError as error:
            if connection.is_closed():
                raise
            log.warning("chore.not_done", chore=chore.name, error=str(error))
