"""The automatic review of a text that a user wrote: it is shown at once, or it is held for a moderator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from server.moderation.queries import text_review as queries
from server.moderation.screening import Reason, priority_of, screen

if TYPE_CHECKING:
    from server.store.database import Connection

Status = Literal["pending", "approved", "rejected"]


@dataclass(frozen=True, slots=True)
class Assessment:
    """The status of a text until a moderator decides, and the reasons for which it is held."""

    status: Status
    reasons: list[Reason]


def assess(*texts: str, previous: Status | None = None) -> Assessment:
    """Assesses texts that are new or changed.

    Takes: previous, the status before the change. A rejected text needs a moderator before it is shown again; a
           rejected text that is now empty stays rejected.
    """
    if not any(texts):
        return Assessment("rejected" if previous == "rejected" else "approved", [])
    reasons = screen(*texts)
    if previous == "rejected":
        reasons.append("rejected_before")
    return Assessment("pending" if reasons else "approved", reasons)


async def update_queue(
    connection: Connection, assessment: Assessment, *, review: int | None = None, profile: int | None = None
) -> None:
    """Removes the previous text from the queue of the moderators, and adds the new text if it is held.

    Takes: connection, acting for the author, with the row of the review or profile locked; review or profile, the id of
           exactly one of the two
    """
    async for _ in queries.leave_queue(connection, review=review, profile=profile):
        pass
    if assessment.status == "pending":
        await queries.enter_queue(
            connection,
            review=review,
            profile=profile,
            priority=priority_of(assessment.reasons),
            reasons=list(assessment.reasons),
        )
