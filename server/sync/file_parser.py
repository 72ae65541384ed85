"""Parses import files: CSV, with one kind of record in a file, and JSON, with all kinds."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from server.errors import SetupError
from server.sync.csv_table import Row, read_table
from server.sync.field_forms import explain, in_stored_form, split_list
from server.sync.file_text import SAVE_AS, read_text, unmangled
from server.sync.json_lists import Item, read_lists
from server.sync.records import STAGES, Record, SetlistRow
from server.sync.repeated_records import Repeated
from server.sync.setlist_rows import SetlistRows

REASON_CHARS_MAX = 400
# The kind of a CSV file is the first of these kinds whose columns the file has.
_CSV_KINDS: tuple[tuple[set[str], str, type[Record]], ...] = (
    ({"show", "title"}, "setlists", SetlistRow),
    ({"artist", "venue", "date"}, "shows", STAGES["shows"]),
    ({"artist", "title"}, "songs", STAGES["songs"]),
    ({"name", "latitude", "longitude"}, "venues", STAGES["venues"]),
    ({"name"}, "artists", STAGES["artists"]),
)
# Columns whose cells hold a list.
_LIST_COLUMNS = ("supports", "songs")


class ParsedRecord(msgspec.Struct, frozen=True):
    """One record of a file, and the line where it starts."""

    line: int
    record: Record


class Refusal(msgspec.Struct, frozen=True):
    """The place of a record that is not valid, and the reason."""

    stage: str
    line: int
    message: str


class ParsedFile(msgspec.Struct, frozen=True):
    """The records of a file by stage, and the records that are not valid."""

    stages: dict[str, list[ParsedRecord]]
    refusals: list[Refusal]


def read_file(path: Path) -> ParsedFile:
    """Parses a `.csv` or `.json` file.

    Raises: SetupError: no such file, too large, another kind of file or encoding, or not parsable
    """
    text = read_text(path)
    if path.suffix.lower() == ".csv":
        return _read_csv(path.name, text)
    return _read_json(path.name, text)


def _read_json(name: str, text: str) -> ParsedFile:
    parsed, repeated = ParsedFile({}, []), Repeated()
    for item in read_lists(name, text):
        stage = item.list_name
        if stage not in STAGES:
            raise SetupError(f"{name}: it has a list `{stage}`; the lists are {', '.join(STAGES)}")
        try:
            record = _record_of_item(item)
            repeated.check(stage, item.line, record)
        except (msgspec.ValidationError, ValueError, RecursionError) as error:
            parsed.refusals.append(Refusal(stage, item.line, str(error)[:REASON_CHARS_MAX]))
        else:
            parsed.stages.setdefault(stage, []).append(ParsedRecord(item.line, record))
    return parsed


def _record_of_item(item: Item) -> Record:
    if item.refusal is not None:
        raise ValueError(item.refusal)
    return _record(item.list_name, STAGES[item.list_name], item.value, strict=True)


def _read_csv(name: str, text: str) -> ParsedFile:
    known = dict.fromkeys(field for _, _, kind in _CSV_KINDS for field in kind.__struct_fields__)
    table = read_table(name, text, known)
    stage, kind = _kind_of(name, table.columns)
    parsed, repeated, setlists = ParsedFile({}, []), Repeated(), SetlistRows()
    for row in table.rows:
        try:
            record = _record_of_row(stage, kind, row)
            if isinstance(record, SetlistRow):
                setlists.add(row.line, record)
                continue
            repeated.check(stage, row.line, record)
        except (msgspec.ValidationError, ValueError) as error:
            if kind is SetlistRow:
                setlists.add_unreadable(row.line, row.cells, str(error))
            else:
                parsed.refusals.append(Refusal(stage, row.line, str(error)[:REASON_CHARS_MAX]))
        else:
            parsed.stages.setdefault(stage, []).append(ParsedRecord(row.line, record))
    if kind is SetlistRow:
        parsed.stages[stage] = [ParsedRecord(line, record) for line, record in setlists.complete()]
        parsed.refusals.extend(
            Refusal(stage, line, reason[:REASON_CHARS_MAX]) for line, reason in setlists.incomplete()
        )
    return parsed


def _kind_of(name: str, columns: list[str]) -> tuple[str, type[Record]]:
    for needed, stage, kind in _CSV_KINDS:
        if needed <= set(columns):
            unknown = set(columns) - set(kind.__struct_fields__)
            if unknown:
                fields = ", ".join(kind.__struct_fields__)
                raise SetupError(
                    f"{name}: {stage} have no column `{min(unknown)}`; remove it (the columns of {stage}: {fields})"
                )
            return stage, kind
    wanted = "; ".join(f"{stage}: {', '.join(sorted(needed))}" for needed, stage, _ in _CSV_KINDS)
    found = ", ".join(f"`{column[:40]}`" for column in columns[:12])
    raise SetupError(f"{name}: its first line lacks the columns of every known kind ({wanted}); it has {found}")


def _record_of_row(stage: str, kind: type[Record], row: Row) -> Record:
    if row.refusal is not None:
        raise ValueError(row.refusal)
    given: dict[str, Any] = {
        column: split_list(cell) if column in _LIST_COLUMNS else cell for column, cell in row.cells.items()
    }
    return _record(stage, kind, given, strict=False)


def _record(stage: str, kind: type[Record], given: Any, *, strict: bool) -> Record:
    """Makes a record of decoded fields.

    Raises: ValueError, ValidationError: it is not valid; the text says what was found beside what is wanted
    """
    for text in _texts(given):
        _refuse_damaged(text)
    if isinstance(given, dict):
        given = in_stored_form(given)
    try:
        return msgspec.convert(given, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise ValueError(explain(error, stage, given)) from None


def _refuse_damaged(text: str) -> None:
    """Refuses a text that a program has damaged, and one with control characters besides tabs and line breaks."""
    if text.isascii() and text.isprintable():
        return
    meant = unmangled(text)
    if meant is not None:
        raise ValueError(f"`{text[:80]}` is `{meant[:80]}` in a wrong encoding; {SAVE_AS}")
    if "\ufffd" in text:
        raise ValueError(f"`{text[:80]}` has lost characters in a wrong encoding; {SAVE_AS} from its source")
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\t\r\n" for char in text):
        raise ValueError("a text holds a control character; remove it")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
