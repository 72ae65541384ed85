"""Groups the rows of a CSV file into setlists. A setlist with a row that cannot be read is refused as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from server.sync.field_forms import explain
from server.sync.records import SetlistRecord, SetlistRow, SetSong

TYPES = ("predicted", "actual")
REASONS_MAX = 3

_Key = tuple[str, str]  # show, type


class _Unreadable(NamedTuple):
    """A row that cannot be read: its place among the rows, its line, what it says of its setlist, and the reason."""

    number: int
    line: int
    show: str
    type: str
    reason: str


class _Set:
    """The rows of one set, and what they say of it."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.told: dict[str, str] = {}
        self.songs: list[SetSong] = []


class SetlistRows:
    """Takes rows in the order of the file, then gives setlists."""

    def __init__(self) -> None:
        self._count = 0
        self._rows: dict[_Key, list[tuple[int, int, SetlistRow]]] = {}  # with the row's number and line
        self._unreadable: list[_Unreadable] = []

    def add(self, line: int, row: SetlistRow) -> None:
        """Takes a row."""
        self._count += 1
        self._rows.setdefault((row.show, row.type), []).append((self._count, line, row))

    def add_unreadable(self, line: int, cells: Mapping[str, str], reason: str) -> None:
        """Takes a row that cannot be read.

        Takes: cells, what it says by column; its show and its type may be among them
        """
        self._count += 1
        self._unreadable.append(
            _Unreadable(self._count, line, cells.get("show", ""), cells.get("type", TYPES[0]).lower(), reason)
        )

    def complete(self) -> Iterator[tuple[int, SetlistRecord]]:
        """The setlists whose rows could all be read and fit together, each with its first line."""
        for key, rows in self._rows.items():
            if not self._reasons(key):
                yield rows[0][1], _setlist(key, rows)

    def incomplete(self) -> Iterator[tuple[int, str]]:
        """The first line of each other setlist, and the reason why it is refused."""
        told = set()
        for key, rows in self._rows.items():
            reasons = self._reasons(key)
            if reasons:
                told |= {line for line, _ in reasons}
                yield rows[0][1], _refusal(reasons)
        for row in self._unreadable:
            if row.line not in told:
                yield row.line, row.reason

    def _reasons(self, key: _Key) -> list[tuple[int, str]]:
        """Why a setlist is refused, each reason with its line."""
        rows = self._rows[key]
        reasons = [(row.line, row.reason) for row in self._unreadable if self._may_belong(row, key)]
        if not reasons:
            try:
                _setlist(key, rows)
            except ValueError as error:
                reasons = [(rows[0][1], str(error))]
        return reasons

    def _may_belong(self, row: _Unreadable, key: _Key) -> bool:
        """A row with a show belongs to it; any other row to a setlist around it or beside it."""
        show, type_ = key
        if re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", row.show):
            return row.show == show and (row.type == type_ or row.type not in TYPES)
        numbers = [number for number, _, _ in self._rows[key]] + [
            other.number for other in self._unreadable if (other.show, other.type) == key
        ]
        return min(numbers) - 1 <= row.number <= max(numbers) + 1


def _refusal(reasons: Sequence[tuple[int, str]]) -> str:
    told = "; ".join(f"line {line}: {reason}" for line, reason in reasons[:REASONS_MAX])
    more = f"; and {len(reasons) - REASONS_MAX} more lines" if len(reasons) > REASONS_MAX else ""
    return f"the whole setlist stays as it was: {told}{more}"


def _setlist(key: _Key, rows: Sequence[tuple[int, int, SetlistRow]]) -> SetlistRecord:
    """The setlist of these rows; raises ValueError when they contradict each other."""
    show, type_ = key
    sets: dict[int, _Set] = {}
    number = 1
    current = _Set(rows[0][1])
    is_numbered = any(row.set is not None for _, _, row in rows)
    for _, line, row in rows:
        told = {"kind": row.kind, "name": row.name, "artist": row.artist}
        given = {field: text for field, text in told.items() if text is not None}
        if row.set is not None:
            number = row.set
        elif not is_numbered and current.songs and _is_another(current, given):
            number += 1
        if number not in sets:
            sets[number] = _Set(line)
        current = sets[number]
        for field, text in given.items():
            before = current.told.setdefault(field, text if not current.songs else _untold(field))
            if before != text:
                raise ValueError(
                    f"the `{field}` of set {number} is `{before}` in line {current.line}, and `{text}` in line {line};"
                    " give each set a number of its own in `set`"
                )
        current.songs.append(SetSong(title=row.title, by=row.by, is_tape=row.is_tape, medley=row.medley, note=row.note))
    record = {
        "show": show,
        "type": type_,
        "sets": [{"songs": msgspec.to_builtins(sets[one].songs), **sets[one].told} for one in sorted(sets)],
    }
    try:
        return msgspec.convert(record, SetlistRecord)
    except msgspec.ValidationError as error:
        raise ValueError(explain(error, "setlists", record)) from None


def _is_another(current: _Set, given: Mapping[str, str]) -> bool:
    """Whether a row without a number begins another set. An empty cell says that the set goes on."""
    return any(current.told.get(field, _untold(field)) != text for field, text in given.items())


def _untold(field: str) -> str:
    """What holds for a set whose first rows do not say it."""
    return "main" if field == "kind" else ""
