"""Parses import files: CSV, with one kind of record in a file, and JSON, with all kinds."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from server.errors import SetupError
from server.sync.records import STAGES, Record, SetlistRecord, SetlistRow, SetRecord, SetSong

FILE_BYTES_MAX = 256 * 1024 * 1024

# The kind of a CSV file is the first of these kinds whose columns the file has.
_CSV_KINDS: tuple[tuple[set[str], str, type[Record]], ...] = (
    ({"show", "title"}, "setlists", SetlistRow),
    ({"artist", "venue", "date"}, "shows", STAGES["shows"]),
    ({"artist", "title"}, "songs", STAGES["songs"]),
    ({"name", "latitude", "longitude"}, "venues", STAGES["venues"]),
    ({"name"}, "artists", STAGES["artists"]),
)
# Columns whose cells hold a list, with LIST_SEPARATOR between its items.
_LIST_COLUMNS = {"supports", "songs"}
LIST_SEPARATOR = ";"

AnyRecord = TypeVar("AnyRecord", bound=Record)


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

    Raises: SetupError: no such file, too large, not UTF-8, another kind of file, or not parsable
    """
    if path.suffix.lower() not in (".csv", ".json"):
        raise SetupError(f"{path.name}: the name must end in .csv or .json (docs/import.md)")
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise SetupError(f"{path.name}: larger than {FILE_BYTES_MAX // 2**20} MiB; split the file")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SetupError(f"{path.name}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    return _read_csv(path.name, text) if path.suffix.lower() == ".csv" else _read_json(path.name, text.encode())


def _read_json(name: str, data: bytes) -> ParsedFile:
    try:
        sections = msgspec.json.decode(data, type=dict[str, list[msgspec.Raw]])
    except RecursionError as error:
        raise SetupError(f"{name}: its lists and objects are nested too deeply") from error
    except msgspec.DecodeError as error:
        raise SetupError(f"{name}: {error}; expected an object of lists: {', '.join(STAGES)}") from error
    unknown = sections.keys() - STAGES.keys()
    if unknown:
        raise SetupError(f"{name}: it has a list `{min(unknown)}`; the lists are {', '.join(STAGES)}")
    parsed = ParsedFile({}, [])
    end, line = 0, 1
    for stage, items in sections.items():
        for item in items:
            raw = bytes(item)
            # Each `raw` has the bytes of the file, in the order of the file, so the next match is the right one.
            start = data.index(raw, end)
            line += data.count(b"\n", end, start)
            _add_record(parsed, stage, line, STAGES[stage], lambda kind, raw=raw: msgspec.json.decode(raw, type=kind))
            end = start + len(raw)
            line += raw.count(b"\n")
    return parsed


def _read_csv(name: str, text: str) -> ParsedFile:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = [column.strip() for column in next(reader, [])]
    except csv.Error as error:
        raise SetupError(f"{name}: line 1: {error}") from error
    for needed, stage, kind in _CSV_KINDS:  # noqa: B007  the code below uses the kind that was found
        if needed <= set(columns):
            break
    else:
        wanted = "; ".join(f"{stage}: {', '.join(sorted(needed))}" for needed, stage, _ in _CSV_KINDS)
        raise SetupError(f"{name}: its first line lacks the columns of every known kind ({wanted})")
    unknown = set(columns) - {field.name for field in msgspec.structs.fields(kind)}
    if unknown:
        raise SetupError(f"{name}: {stage} have no column `{min(unknown)}`; remove it")
    repeated = [column for column in columns if columns.count(column) > 1]
    if repeated:
        raise SetupError(
            f"{name}: the column `{repeated[0]}` is there {columns.count(repeated[0])} times; keep one of them"
        )
    parsed = ParsedFile({}, [])
    for line, cells in _lines(name, reader):
        if len(cells) != len(columns):
            parsed.refusals.append(Refusal(stage, line, f"{len(cells)} cells for {len(columns)} columns"))
            continue
        given = {
            column: _cell(column, cell.strip()) for column, cell in zip(columns, cells, strict=True) if cell.strip()
        }
        _add_record(parsed, stage, line, kind, lambda kind, given=given: msgspec.convert(given, kind, strict=False))
    if kind is SetlistRow:
        parsed.stages[stage] = list(_group_by_setlist(parsed.stages.pop(stage, [])))
    return parsed


def _lines(name: str, reader: Any) -> Iterator[tuple[int, list[str]]]:
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise SetupError(f"{name}: line {line}: {error}") from error
        if cells is None:
            return
        if cells:
            yield line, cells


def _cell(column: str, text: str) -> Any:
    if column in _LIST_COLUMNS:
        return [part.strip() for part in text.split(LIST_SEPARATOR) if part.strip()]
    if column == "is_tape":
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(text.lower(), text)
    return text


class _Decode(Protocol):
    def __call__(self, kind: type[AnyRecord], /) -> AnyRecord: ...


def _add_record(parsed: ParsedFile, stage: str, line: int, kind: type[Record], decode: _Decode) -> None:
    try:
        record = decode(kind)
        _refuse_unprintable(record)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        parsed.refusals.append(Refusal(stage, line, str(error).replace("$.", "").replace(" - at `$`", "")[:300]))
        return
    parsed.stages.setdefault(stage, []).append(ParsedRecord(line, record))


def _refuse_unprintable(record: Record) -> None:
    if any(unicodedata.category(char) in ("Cc", "Cs") for text in _texts(record) for char in text):
        raise ValueError("a text holds a control character; remove it")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(value):
            yield from _texts(getattr(value, field.name))


def _group_by_setlist(rows: Iterable[ParsedRecord]) -> Iterator[ParsedRecord]:
    """Groups the rows with the same show and type into one setlist."""
    setlists: dict[tuple[str, str], tuple[int, dict[int, tuple[SetlistRow, list[SetSong]]]]] = {}
    for found in rows:
        row = found.record
        assert isinstance(row, SetlistRow)
        _, sets = setlists.setdefault((row.show, row.type), (found.line, {}))
        _, songs = sets.setdefault(row.set, (row, []))
        songs.append(SetSong(title=row.title, by=row.by, is_tape=row.is_tape, medley=row.medley, note=row.note))
    for (show, type_), (line, sets) in setlists.items():
        in_order = [sets[number] for number in sorted(sets)]
        yield ParsedRecord(
            line,
            SetlistRecord(
                show=show,
                type="actual" if type_ == "actual" else "predicted",
                sets=[
                    SetRecord(songs=songs, name=row.name, kind=row.kind, artist=row.artist) for row, songs in in_order
                ],
            ),
        )
