"""What becomes of a text that somebody wrote: shown at once, or held back for a moderator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from server.moderation.screening import Reason, priority_of, screen
from server.store.queries import load_queries

if TYPE_CHECKING:
    from server.store.database import Connection

queries = load_queries(Path(__file__).with_name("text_review.sql"))

Status = Literal["pending", "approved", "rejected"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a text is until somebody says otherwise, and why it is held back."""

    status: Status
    reasons: list[Reason]


def judge(*texts: str, was: Status | None = None) -> Verdict:
    """What becomes of texts that are new or were changed.

    Takes: was, the status before the change; what a moderator has rejected does not come back by itself
    """
    if not any(texts):
        return Verdict("rejected" if was == "rejected" else "approved", [])
    reasons = screen(*texts)
    if was == "rejected":
        reasons.append("rejected_before")
    return Verdict("pending" if reasons else "approved", reasons)


async def file(
    connection: Connection, verdict: Verdict, *, review: int | None = None, profile: int | None = None
) -> None:
    """Takes the text that was there before out of the moderators' queue, and puts this one in if it is held back.

    Takes: connection, acting for the author and with the review's or profile's row locked; which of the two it is
    """
    async for _ in queries.leave_queue(connection, review=review, profile=profile):
        pass
    if verdict.status == "pending":
        await queries.enter_queue(
            connection,
            review=review,
            profile=profile,
            priority=priority_of(verdict.reasons),
            reasons=list(verdict.reasons),
        )
