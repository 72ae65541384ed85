"""Finds a record that stands in a file twice with other values: the second would overwrite the first without a word."""

from __future__ import annotations

from typing import Any

from server.sync.matching import folded
from server.sync.records import ArtistRecord, Record, SetlistRecord, ShowRecord, VenueRecord


class Repeated:
    """Remembers the records of one file."""

    def __init__(self) -> None:
        self._seen: dict[tuple[Any, ...], tuple[int, Record]] = {}

    def check(self, stage: str, line: int, record: Record) -> None:
        """Remembers a record.

        Raises: ValueError: an earlier line has another value for it
        """
        key = _key(record)
        if key is None:
            return
        first_line, first = self._seen.setdefault((stage, *key), (line, record))
        for field in record.__struct_fields__:
            one, other = getattr(first, field), getattr(record, field)
            # Lists are added to each other. A name may have another spelling, and a field may be left out.
            is_setlist = isinstance(record, SetlistRecord)
            if (
                one == other
                or None in (one, other)
                or (isinstance(one, list) and not is_setlist)
                or field in ("name", "city")
            ):
                continue
            what = "the setlist of " if is_setlist else ""
            values = "" if isinstance(one, list) else f" ({one}, not {other})"
            raise ValueError(
                f"line {first_line} has {what}`{_label(record)}` already, with another `{field}`{values}: keep one of the two,"
                " or give another one a `slug` of its own"
            )


def _key(record: Record) -> tuple[Any, ...] | None:
    match record:
        case SetlistRecord(show=show, type=type_):
            return show, type_
        case ArtistRecord() | VenueRecord() | ShowRecord() if record.slug is not None:
            return (record.slug,)
        case ArtistRecord(name=name):
            return "", folded(name)
        case VenueRecord(name=name, city=city, country=country):
            return "", folded(name), folded(city), country
    return None


def _label(record: Record) -> str:
    return str(getattr(record, "slug", None) or getattr(record, "name", None) or getattr(record, "show", ""))
