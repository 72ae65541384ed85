"""To whom a show's counts are shown: how many votes each song has, and what follows from it.

A show's total, its trending score and who goes are everyone's always (docs/adr/0023).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Literal, NamedTuple

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.identity import Identity

Results = Literal["live", "after_vote", "after_closing"]  # how a show is set

# Whether a user holds a vote in a show. Raises: Refused: unavailable, overloaded, not_found, unauthenticated
HasVoted = Callable[[int, int], Awaitable[bool]]


class Audience(IntEnum):
    """Who may see a show's counts now; each sees what those before it see. The numbers are results_audience()'s."""

    EVERYONE = 0
    VOTERS = 1
    STAFF = 2


class Embargo(NamedTuple):
    """A show's audience, and the revision of the show that says so."""

    revision: int = 0
    audience: Audience = Audience.EVERYONE


OPEN = Embargo()

_WHY_HIDDEN = {
    Audience.VOTERS: "The counts of this show are for those who vote. Cast a vote first.",
    Audience.STAFF: "The counts of this show are shown once its result is final.",
}


def sees_all(identity: Identity | None) -> bool:
    """Whether somebody is staff, from whom no count is hidden."""
    return identity is not None and identity.may("moderator")


async def why_hidden(
    audience: Audience, show_id: int, identity: Identity | None, has_voted: HasVoted
) -> Refused | None:
    """What refuses somebody the counts of a show; None: they may see them.

    Raises: Refused: as HasVoted
    """
    if audience is Audience.EVERYONE or sees_all(identity):
        return None
    if audience is Audience.VOTERS and identity is not None and await has_voted(show_id, identity.user_id):
        return None
    return Refused(Code.FORBIDDEN, _WHY_HIDDEN[audience])
