"""The times of a show: local times at the show, the order of its window, and how far away they may be."""

from __future__ import annotations

import datetime as dt
from typing import Any

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.instants import instant_of, iso

# A window ends within this time, so that a typing error does not leave a show open for ever.
WINDOW_YEARS_MAX = 10


def instants_of(fields: dict[str, Any], time_zone: str) -> dict[str, dt.datetime]:
    """The fields that hold a time, as instants.

    Raises: Refused: bad_request, a local time that does not exist, occurs twice, or is out of range
    """
    try:
        return {name: instant_of(given, time_zone) for name, given in fields.items() if isinstance(given, dt.datetime)}
    except ValueError as error:
        raise Refused(Code.BAD_REQUEST, str(error)) from error
    except OverflowError as error:
        raise Refused(Code.BAD_REQUEST, f"A time is wrong: {error}. Give another time.") from error


def check_start(starts_at: dt.datetime, now: dt.datetime) -> None:
    """Checks when a show starts.

    Raises: Refused: bad_request, more than ten years away
    """
    if starts_at > now + dt.timedelta(days=366 * WINDOW_YEARS_MAX):
        raise Refused(
            Code.BAD_REQUEST,
            f"`starts_at` {iso(starts_at)} is more than {WINDOW_YEARS_MAX} years away. Give an earlier time.",
        )


def check_times(show: dict[str, Any], now: dt.datetime) -> None:
    """Checks a voting window.

    Raises: Refused: bad_request, it ends before it opens, or more than ten years away
    """
    if show["opens_at"] >= show["closes_at"]:
        raise Refused(
            Code.BAD_REQUEST,
            f"`closes_at` {iso(show['closes_at'])} is not after `opens_at` {iso(show['opens_at'])}. Move one of them.",
        )
    if show["closes_at"] > now + dt.timedelta(days=366 * WINDOW_YEARS_MAX):
        raise Refused(
            Code.BAD_REQUEST,
            f"`closes_at` {iso(show['closes_at'])} is more than {WINDOW_YEARS_MAX} years away. Give an earlier time.",
        )
