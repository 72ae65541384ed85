"""Marks: a fan goes to a show, or follows an artist. Both go through the log of votes (docs/adr/0012)."""

from __future__ import annotations

from typing import Protocol

from server.clock import Clock
from server.errors import Refused
from server.people.queries import relation_counts as queries
from server.protocol.codes import Code
from server.protocol.outcomes import FutureWaiter, Marked, Waiter
from server.store.database import Database

# A show or an artist that PostgreSQL found is taken to exist for so long, without asking again; and how many are remembered.
BELIEVED_S = 60.0
BELIEVED_MAX = 10_000


class Submit(Protocol):
    """Hands a mark to the log (voting.Intake.submit_mark)."""

    def __call__(self, marked: Marked, subject_id: int, user_id: int, waiter: Waiter, /, *, wanted: bool) -> None:
        """Raises: Refused: overloaded, unavailable."""


class Marks:
    """Checks that the subject of a mark exists, and hands the mark to the log."""

    def __init__(self, db: Database, clock: Clock, submit: Submit) -> None:
        self._db = db
        self._clock = clock
        self._submit = submit
        self._believed_until_s: dict[tuple[Marked, int], float] = {}  # oldest first

    async def submit(self, marked: Marked, subject_id: int, user_id: int, waiter: Waiter, *, wanted: bool) -> None:
        """Hands a mark to the log if its subject exists; the waiter gets the outcome later.

        Raises: Refused: not_found, overloaded, unavailable; StoreUnavailable
        Cost:   no I/O for a subject that was found within the last minute
        """
        if not await self._exists(marked, subject_id):
            raise Refused(Code.NOT_FOUND, f"No such {marked}.")
        self._submit(marked, subject_id, user_id, waiter, wanted=wanted)

    async def put(self, marked: Marked, subject_id: int, user_id: int, *, wanted: bool) -> None:
        """Like `submit`, but returns when the mark is committed or accepted.

        Raises: as submit
        """
        waiter = FutureWaiter()
        await self.submit(marked, subject_id, user_id, waiter, wanted=wanted)
        await waiter.outcome

    async def _exists(self, marked: Marked, subject_id: int) -> bool:
        now_s = self._clock.monotonic_s()
        if self._believed_until_s.get((marked, subject_id), 0.0) > now_s:
            return True
        async with self._db.connection() as connection:
            is_there = bool(await queries.is_there(connection, marked=marked, id=subject_id))
        if is_there:
            self._believed_until_s.pop((marked, subject_id), None)
            self._believed_until_s[marked, subject_id] = now_s + BELIEVED_S
            if len(self._believed_until_s) > BELIEVED_MAX:
                del self._believed_until_s[next(iter(self._believed_until_s))]
        return is_there
