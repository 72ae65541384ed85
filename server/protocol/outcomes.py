"""What goes through the log beside casts: marks and picks. The outcome of each, and the waiters that get it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from server.errors import Refused

# The subject of a mark: a fan goes to a show, or follows an artist.
Marked = Literal["show", "artist"]


class Picked(NamedTuple):
    """The songs that a fan expects in a show, and which of them open it, end it and are played in an encore."""

    songs: list[int]
    opener: int | None = None
    closer: int | None = None
    encore: int | None = None


class Waiter(Protocol):
    """Waits for the outcome of one cast, mark or pick.

    Each method is called at most once, in this order: answered or refused, then committed. "It" is the cast or mark.
    """

    @property
    def is_gone(self) -> bool:
        """Whether the client that waits has lost or closed its connection."""

    def answered(self, at: int, durability: str, ballot: str, remaining: int | None, order: int = 0) -> None:
        """It is in the log at position `at`; durability is "committed" or "accepted".

        Takes: order, only for a cast that asks for the ballot: the order of the ballot's last cast, 0: it had none
        """

    def refused(self, error: Refused) -> None:
        """It was refused, and nothing of it counts."""

    def committed(self, subject_id: int, at: int) -> None:
        """It was answered as accepted, and is in PostgreSQL now."""


class Outcome(NamedTuple):
    """The answer to a cast or mark. ballot: as cast.lua packs it, "101u102d"; remaining: votes left, None: no limit; order:
    see Waiter.answered.
    """

    at: int
    durability: str
    ballot: str
    remaining: int | None
    order: int = 0


class FutureWaiter:
    """A waiter for a coroutine: `await waiter.outcome`. Raises there: Refused.

    Takes: is_gone, whether the client of the request is gone
    """

    def __init__(self, is_gone: Callable[[], bool] = lambda: False) -> None:
        self._is_gone = is_gone
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    @property
    def is_gone(self) -> bool:
        """Whether the client of the request is gone."""
        return self._is_gone()

    def answered(self, at: int, durability: str, ballot: str, remaining: int | None, order: int = 0) -> None:
        """Gives the future its result, unless the coroutine was cancelled."""
        if not self.outcome.done():
            self.outcome.set_result(Outcome(at, durability, ballot, remaining, order))

    def refused(self, error: Refused) -> None:
        """Gives the future its exception, unless the coroutine was cancelled."""
        if not self.outcome.done():
            self.outcome.set_exception(error)

    def committed(self, subject_id: int, at: int) -> None:
        """Ignored: the coroutine has its answer."""
