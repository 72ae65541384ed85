"""Tells from a show's row whether fans may vote on it: a pure rule, for pages and lists.

The vote script (server/voting) decides about each cast; this file says the same from the same columns, for readers.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from server.protocol.instants import ms_of

VotingState = Literal["open", "locked", "closed", "final"]


def voting_state(
    *, status: str, opens_at: datetime, closes_at: datetime, is_locked: bool, is_final: bool, now: datetime
) -> VotingState:
    """Whether a cast at `now` would count, or why not.

    The window is [opens_at, closes_at). A show that is not open yet is `closed`, locked or not.
    """
    if is_final:
        return "final"
    if status == "cancelled" or not opens_at <= now < closes_at:
        return "closed"
    return "locked" if is_locked else "open"


def next_change_ms(
    *, status: str, opens_at: datetime, closes_at: datetime, is_final: bool, now: datetime
) -> int | None:
    """The next instant at which the voting state changes by time alone [ms since 1970].

    Gives: None when only a person or the writer can still change it. Rounded up, so that a caller who waits for it finds
           the new state
    """
    if is_final or status == "cancelled":
        return None
    for edge in (opens_at, closes_at):
        if now < edge:
            ms = ms_of(edge)
            return ms + 1 if edge.microsecond % 1000 else ms
    return None
