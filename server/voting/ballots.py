"""Asking for a ballot where a coroutine waits for the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from server.errors import Refused
from server.voting.intake import Intake


class _Waiter:
    """Turns the calls of an intake (protocol.outcomes.Waiter) into one future: (position, durability, ballot, votes left)."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[tuple[int, str, str, int | None]] = asyncio.get_running_loop().create_future()

    def answered(self, at: int, durability: str, ballot: str, remaining: int | None) -> None:
        if not self.outcome.done():
            self.outcome.set_result((at, durability, ballot, remaining))

    def refused(self, error: Refused) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)

    def committed(self, show_id: int, at: int) -> None:
        """Whoever waited has the answer and hears no more."""


async def submitted(
    intake: Intake, show_id: int, user_id: int, votes: Sequence[tuple[int, str]] = ()
) -> tuple[int, str, str, int | None]:
    """The outcome of a cast; without votes, of asking for the ballot.

    Raises: Refused: whatever the cast is refused with
    """
    waiter = _Waiter()
    intake.submit(show_id, user_id, votes, waiter)
    return await waiter.outcome
