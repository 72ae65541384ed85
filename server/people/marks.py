"""What fans say of shows and artists: they go, they follow. Both travel through the log of votes (docs/adr/0012)."""

from __future__ import annotations

import asyncio
from typing import Protocol

from server.clock import Clock
from server.errors import Refused
from server.people.relation_counts import queries
from server.protocol.codes import Code
from server.protocol.outcomes import Marked, Waiter
from server.store.database import Database

# How long it is believed that a show or an artist is there, of how many.
BELIEVED_S = 60.0
BELIEVED_MAX = 10_000


class Submit(Protocol):
    """voting.Intake.submit_mark."""

    def __call__(self, marked: Marked, subject_id: int, user_id: int, waiter: Waiter, /, *, wanted: bool) -> None:
        """Raises Refused: overloaded, unavailable."""


class Marks:
    """Takes: submit, hands a mark to the log."""

    def __init__(self, db: Database, clock: Clock, submit: Submit) -> None:
        self._db = db
        self._clock = clock
        self._submit = submit
        self._believed_until_s: dict[tuple[Marked, int], float] = {}  # in the order of asking

    async def submit(self, marked: Marked, subject_id: int, user_id: int, waiter: Waiter, *, wanted: bool) -> None:
        """Hands a mark on, if what it is about is there.

        Raises: Refused: not_found, overloaded, unavailable; StoreUnavailable
        Cost:   no I/O for what somebody marked within the last minute
        """
        if not await self._is_there(marked, subject_id):
            raise Refused(Code.NOT_FOUND, f"No such {marked}.")
        self._submit(marked, subject_id, user_id, waiter, wanted=wanted)

    async def put(self, marked: Marked, subject_id: int, user_id: int, *, wanted: bool) -> None:
        """The same, and returns once it is committed, or accepted.

        Raises: as submit
        """
        waiter = _Outcome()
        await self.submit(marked, subject_id, user_id, waiter, wanted=wanted)
        await waiter.outcome

    async def _is_there(self, marked: Marked, subject_id: int) -> bool:
        now_s = self._clock.monotonic_s()
        if self._believed_until_s.get((marked, subject_id), 0.0) > now_s:
            return True
        async with self._db.connection() as connection:
            is_there: bool = await queries.is_there(connection, marked=marked, id=subject_id)
        if is_there:
            self._believed_until_s.pop((marked, subject_id), None)
            self._believed_until_s[marked, subject_id] = now_s + BELIEVED_S
            if len(self._believed_until_s) > BELIEVED_MAX:
                del self._believed_until_s[next(iter(self._believed_until_s))]
        return is_there


class _Outcome:
    """Turns the waiter's calls into one future."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answered(self, _at: int, _durability: str, _ballot: str, _remaining: int | None) -> None:
        if not self.outcome.done():
            self.outcome.set_result(None)

    def refused(self, error: Refused) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)

    def committed(self, subject_id: int, at: int) -> None:
        """An HTTP client has its answer and hears no more."""
