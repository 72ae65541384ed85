"""When a show may be voted on: the pure rule, as the page shows it.

The vote script decides for each cast (server/voting); this says the same from the same row, for reading.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from server.protocol.instants import ms_of

VotingState = Literal["open", "locked", "closed", "final"]


def instant_of(said: datetime, time_zone: str) -> datetime:
    """The instant that staff means: with an offset it says itself, without one it is what the clocks at the show read.

    Takes:  time_zone, of the show (IANA)
    Raises: ValueError: the clocks skip this time, or read it twice; both on a night when they are changed
    """
    if said.tzinfo is not None:
        return said.astimezone(UTC)
    zone = ZoneInfo(time_zone)
    first, second = (said.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first.astimezone(zone).replace(tzinfo=None) != said:
        raise ValueError(f"{said.isoformat()} does not exist in {time_zone}: the clocks go past it")
    if first != second:
        raise ValueError(f"{said.isoformat()} comes twice in {time_zone}; say which by an offset")
    return first


def voting_state(
    *, status: str, opens_at: datetime, closes_at: datetime, is_locked: bool, is_final: bool, now: datetime
) -> VotingState:
    """What a cast would meet at `now`.

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

    Gives: None when only a person or the writer can still change it. Rounded up, so that whoever wakes then finds it
           changed
    """
    if is_final or status == "cancelled":
        return None
    for edge in (opens_at, closes_at):
        if now < edge:
            ms = ms_of(edge)
            return ms + 1 if edge.microsecond % 1000 else ms
    return None
