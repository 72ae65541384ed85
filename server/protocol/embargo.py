"""The audience of a show's counts: the votes of each song, and every number that follows from them.

A show's total, its trending score and its attendance are always public (docs/adr/0023).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, NamedTuple, Protocol

from server.errors import Refused
from server.protocol.identity import Identity

Results = Literal["live", "after_vote", "after_closing"]  # the setting of a show


class Audience(IntEnum):
    """The clients that may see a channel now, from most to fewest. The numbers are those of results_audience(), which says so
    for the counts of a show; ADMINS are for no count.
    """

    EVERYONE = 0
    VOTERS = 1
    STAFF = 2
    ADMINS = 3


class Embargo(NamedTuple):
    """A show's audience, and the revision of the show in which it was read."""

    revision: int = 0
    audience: Audience = Audience.EVERYONE


OPEN = Embargo()


class WhyHidden(Protocol):
    """Decides whether an identity may see a show's counts (voting.ResultsAccess.why_hidden)."""

    async def __call__(self, audience: Audience, show_id: int, identity: Identity | None, /) -> Refused | None:
        """Gives the refusal of the counts; None: it may see them.

        Raises: Refused: unavailable
        """


def audience_of(identity: Identity | None) -> Audience:
    """The smallest audience to which an identity belongs by its role alone."""
    if identity is None or not identity.may("moderator"):
        return Audience.EVERYONE
    return Audience.ADMINS if identity.may("admin") else Audience.STAFF


def sees_all(identity: Identity | None) -> bool:
    """Whether an identity is staff: no count is hidden from staff."""
    return identity is not None and identity.may("moderator")
