"""The outcome of a cast or a mark, and the object that waits for it."""

from __future__ import annotations

from typing import Literal, Protocol

from server.errors import Refused

# The subject of a mark: a fan goes to a show, or follows an artist.
Marked = Literal["show", "artist"]


class Waiter(Protocol):
    """Waits for the outcome of one cast or mark.

    Each method is called at most once, in this order: answered or refused, then committed.
    """

    def answered(self, at: int, durability: str, ballot: str, remaining: int | None) -> None:
        """It is in the log at position `at`; durability is "committed" or "accepted"."""

    def refused(self, error: Refused) -> None:
        """It was refused, and nothing of it counts."""

    def committed(self, subject_id: int, at: int) -> None:
        """It was answered as accepted, and is in PostgreSQL now."""
