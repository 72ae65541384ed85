"""Reads the rows of a CSV file as people and spreadsheets save it: any usual separator, any case of its column names."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator
from typing import NamedTuple, Protocol

from server.errors import SetupError
from server.protocol.texts import clean_line

_SEPARATORS = ",;\t|"
# A spreadsheet writes its separator in a line of its own before the table.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*(?:\r\n|\r|\n)', re.IGNORECASE)


class _Reader(Protocol):
    """A csv.reader: typeshed's own name for it differs between versions."""

    @property
    def line_num(self) -> int: ...
    def __next__(self) -> list[str]: ...
    def __iter__(self) -> Iterator[list[str]]: ...


class Row(NamedTuple):
    """One row with its line: the cells that are not empty, by column; or the reason why it cannot be read."""

    line: int
    cells: dict[str, str]
    refusal: str | None = None


class Table(NamedTuple):
    """A table: its columns in order, and its rows without the wholly empty ones."""

    columns: list[str]
    rows: Iterator[Row]


def read_table(name: str, text: str, known: Collection[str]) -> Table:
    """Reads a table.

    Takes:  name of the file; known, the names of all columns that mean something
    Raises: SetupError: there is no first line with columns, or one column twice; while rows are read: a broken quotation
    """
    separator, start, lines_before = _find_separator(text, known)
    reader = csv.reader(io.StringIO(text[start:], newline=""), delimiter=separator, strict=True)
    rows = _rows(name, reader, lines_before)
    _, header = next(rows, (1, []))
    if not header:
        raise SetupError(f"{name} is empty: its first line must name its columns (docs/import.md)")
    columns = [_column(cell, known) for cell in header]
    repeated = [column for column in columns if column and columns.count(column) > 1]
    if repeated:
        raise SetupError(
            f"{name}: the column `{repeated[0]}` is there {columns.count(repeated[0])} times; keep one of them"
        )
    return Table([column for column in columns if column], (_row(line, cells, columns) for line, cells in rows))


def _find_separator(text: str, known: Collection[str]) -> tuple[str, int, int]:
    """The separator, where the table begins in the text, and the number of lines before it."""
    told = _SEPARATOR_LINE.match(text)
    if told:
        return told[1], told.end(), 1
    lines = (line.strip("\r\n") for line in io.StringIO(text, newline=""))
    header = next((line for line in lines if line.strip(" \t,;|")), "")

    def known_count(separator: str) -> int:
        cells = next(csv.reader([header], delimiter=separator), [])
        return sum(_column(cell, known) in known for cell in cells)

    return max(_SEPARATORS, key=known_count), 0, 0


def _column(cell: str, known: Collection[str]) -> str:
    """The name of a column: `Time Zone`, `time-zone` and `TIMEZONE` are `time_zone`; an unknown name stays as it is."""
    cell = clean_line(cell)
    folded = re.sub(r"[\W_]", "", cell).casefold()
    return next((column for column in known if column.replace("_", "") == folded), cell)


def _rows(name: str, reader: _Reader, lines_before: int) -> Iterator[tuple[int, list[str]]]:
    """The rows with a cell that is not empty, each with the line where it starts."""
    while True:
        line = reader.line_num + lines_before + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise SetupError(f"{name}: line {line}: {error}; check its quotation marks") from error
        if cells is None:
            return
        cells = [cell.strip() for cell in cells]
        if any(map(clean_line, cells)):
            yield line, cells


def _row(line: int, cells: list[str], columns: list[str]) -> Row:
    given = {column: cell for column, cell in zip(columns, cells, strict=False) if column and clean_line(cell)}
    beyond = [cell for cell in cells[len(columns) :] if cell]
    unnamed = [cell for column, cell in zip(columns, cells, strict=False) if not column and cell]
    if beyond or len(cells) < len(columns):
        return Row(
            line,
            given,
            f"{len(cells)} cells for {len(columns)} columns; put a text with a separator in quotation marks",
        )
    if unnamed:
        return Row(line, given, f"`{unnamed[0][:80]}` stands in a column without a name; name the column or empty it")
    return Row(line, given)
