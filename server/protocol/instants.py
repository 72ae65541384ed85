"""Instants on the wire: ISO 8601 in UTC, and whole milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import overload

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
