"""The audience of a show's counts: the votes of each song, and every number that follows from them.

A show's total, its trending score and its attendance are always public (docs/adr/0023).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Literal, NamedTuple

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.identity import Identity

Results = Literal["live", "after_vote", "after_closing"]  # the setting of a show

# Whether a user holds a vote in a show. Raises: Refused: unavailable, overloaded, not_found, unauthenticated
HasVoted = Callable[[int, int], Awaitable[bool]]


class Audience(IntEnum):
    """The clients that may see a show's counts now, from most to fewest. The numbers are those of results_audience()."""

    EVERYONE = 0
    VOTERS = 1
    STAFF = 2


class Embargo(NamedTuple):
    """A show's audience, and the revision of the show in which it was read."""

    revision: int = 0
    audience: Audience = Audience.EVERYONE


OPEN = Embargo()

_WHY_HIDDEN = {
    Audience.VOTERS: "Only fans who have voted see the counts of this show. Cast a vote first.",
    Audience.STAFF: "The counts of this show are hidden until its result is final.",
}


def sees_all(identity: Identity | None) -> bool:
    """Whether an identity is staff: no count is hidden from staff."""
    return identity is not None and identity.may("moderator")


async def why_hidden(
    audience: Audience, show_id: int, identity: Identity | None, has_voted: HasVoted
) -> Refused | None:
    """The refusal of a show's counts for an identity; None: it may see them.

    Raises: Refused: as HasVoted
    """
    if audience is Audience.EVERYONE or sees_all(identity):
        return None
    if audience is Audience.VOTERS and identity is not None and await has_voted(show_id, identity.user_id):
        return None
    return Refused(Code.FORBIDDEN, _WHY_HIDDEN[audience])
