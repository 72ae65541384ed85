"""The outcome of a cast or a mark, and the waiters that get it."""

from __future__ import annotations

import asyncio
from typing import Literal, NamedTuple, Protocol

from server.errors import Refused

# The subject of a mark: a fan goes to a show, or follows an artist.
Marked = Literal["show", "artist"]


class Waiter(Protocol):
    """Waits for the outcome of one cast or mark.

    Each method is called at most once, in this order: answered or refused, then committed. "It" is the cast or mark.
    """

    def answered(self, at: int, durability: str, ballot: str, remaining: int | None) -> None:
        """It is in the log at position `at`; durability is "committed" or "accepted"."""

    def refused(self, error: Refused) -> None:
        """It was refused, and nothing of it counts."""

    def committed(self, subject_id: int, at: int) -> None:
        """It was answered as accepted, and is in PostgreSQL now."""


class Outcome(NamedTuple):
    """The answer to a cast or mark. ballot: as cast.lua packs it, "101u102d"; remaining: votes left, None: no limit."""

    at: int
    durability: str
    ballot: str
    remaining: int | None


class FutureWaiter:
    """A waiter for a coroutine: `await waiter.outcome`. Raises there: Refused."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def answered(self, at: int, durability: str, ballot: str, remaining: int | None) -> None:
        """Gives the future its result, unless the coroutine was cancelled."""
        if not self.outcome.done():
            self.outcome.set_result(Outcome(at, durability, ballot, remaining))

    def refused(self, error: Refused) -> None:
        """Gives the future its exception, unless the coroutine was cancelled."""
        if not self.outcome.done():
            self.outcome.set_exception(error)

    def committed(self, subject_id: int, at: int) -> None:
        """Ignored: the coroutine has its answer."""
