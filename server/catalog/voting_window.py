"""Tells from a show's row whether fans may vote on it: a pure rule, for pages and lists.

The vote script (server/voting) decides about each cast; this file says the same from the same columns, for readers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from server.protocol.instants import ms_of

VotingState = Literal["open", "locked", "closed", "final"]


def instant_of(given: datetime, time_zone: str) -> datetime:
    """The instant of a time that staff gives: with an offset it is exact, without one it is local time at the show.

    Takes:  time_zone, of the show (IANA)
    Raises: ValueError: on a night when the clocks change, the clocks skip this local time or show it twice; OverflowError
    """
    if given.tzinfo is not None:
        return given.astimezone(UTC)
    zone = ZoneInfo(time_zone)
    first, second = (given.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first.astimezone(zone).replace(tzinfo=None) != given:
        raise ValueError(
            f"{given.isoformat()} does not exist in {time_zone}: the clocks skip this hour. Give another time."
        )
    if first != second:
        raise ValueError(
            f"{given.isoformat()} occurs twice in {time_zone}: the clocks go back. Add an offset, such as"
            f" {given.replace(tzinfo=zone).isoformat()}."
        )
    return first


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
