"""Instants on the wire: ISO 8601 in UTC, and whole milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import overload
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _END = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@overload
def iso(instant: datetime) -> str: ...
@overload
def iso(instant: datetime | None) -> str | None: ...
def iso(instant: datetime | None) -> str | None:
    """An instant as `2026-11-24T03:00:00Z`; with milliseconds only if it has some."""
    if instant is None:
        return None
    instant = instant.astimezone(UTC)
    precision = "milliseconds" if instant.microsecond >= 1000 else "seconds"
    return instant.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def ms_of(instant: datetime) -> int:
    """The whole milliseconds from 1970 to `instant`."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def us_of(instant: datetime) -> int:
    """The microseconds from 1970 to `instant`, exact as in PostgreSQL."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def from_ms(ms: int) -> datetime:
    """The instant `ms` milliseconds after 1970, exact."""
    return _EPOCH + timedelta(milliseconds=ms)


def from_us(us: int) -> datetime:
    """The instant `us` microseconds after 1970, exact."""
    return _EPOCH + timedelta(microseconds=us)


def instant_of(given: datetime, time_zone: str) -> datetime:
    """The instant of a time that a person gives: with an offset it is exact, without one it is local time at the show.

    Takes:  time_zone, of the show (IANA)
    Raises: ValueError: on a night when the clocks change, the clocks skip this local time or show it twice;
            OverflowError: as of `usual`
    """
    if given.tzinfo is not None:
        return usual(given.astimezone(UTC))
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
    return usual(first)


def usual(instant: datetime) -> datetime:
    """The same instant, when it is of the years 1900 to 2199.

    Hours and months are added to the times of shows, and every time zone shows them. Near the ends of the calendar that fails.

    Raises: OverflowError: it is not
    """
    if not _FIRST <= instant < _END:
        raise OverflowError(f"{instant.isoformat()} is not of the years 1900 to 2199")
    return instant
