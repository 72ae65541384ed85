"""Writes tables of public data into files, a page of rows after the other, and describes them (Frictionless Data Package)."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import orjson

from server.catalog.public_data import LICENCE_NAME, LICENCE_URL, TABLES, Table, pages_of
from server.cli.engines import engines_for
from server.errors import SetupError
from server.protocol.http.spreadsheets import harmless
from server.protocol.instants import iso
from server.settings import Settings
from server.store.database import REQUEST_ROLE, Database

Format = Literal["csv", "json", "parquet"]
Row = dict[str, Any]

DESCRIPTION_FILE = "datapackage.json"
_SUFFIXES = {"csv": "csv", "json": "jsonl", "parquet": "parquet"}
_FIELD_TYPES = {int: "integer", str: "string", bool: "boolean", date: "date", datetime: "datetime"}
_PAGE_S_MAX = 60.0


class _Writer(Protocol):
    def write(self, rows: list[Row]) -> None:
        """Adds rows to the file."""


async def dump(
    settings: Settings, folder: Path, file_format: Format, progress: Callable[[str, int, int], None]
) -> dict[str, int]:
    """Writes a file for each table, and one that describes them; all of one instant.

    Gives:  the number of rows of each table
    Raises: SetupError: the folder cannot be written, the format needs a package, or the database cannot be reached
    """
    counts: dict[str, int] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        async with engines_for(settings, valkey=False, tables=True) as engines:
            database = await Database.open(
                engines.database_url, role=REQUEST_ROLE, pool_size=1, timeout_s=_PAGE_S_MAX, name="dump"
            )
            try:
                async with database.snapshot() as connection:
                    for table in TABLES:
                        counts[table.name] = 0
                        with _writer(folder / _file_name(table, file_format), table, file_format) as writer:
                            async for page in pages_of(connection, table):
                                writer.write(page)
                                counts[table.name] += len(page)
                                progress(table.name, counts[table.name], counts[table.name])
            finally:
                await database.close()
        (folder / DESCRIPTION_FILE).write_bytes(orjson.dumps(_description(file_format), option=orjson.OPT_INDENT_2))
    except OSError as error:
        raise SetupError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return counts


def _file_name(table: Table, file_format: Format) -> str:
    return f"{table.name}.{_SUFFIXES[file_format]}"


@contextmanager
def _writer(path: Path, table: Table, file_format: Format) -> Iterator[_Writer]:
    """A writer of a new file, which has its name only when it is whole."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    open_writer = {"csv": _csv_writer, "json": _json_writer, "parquet": _parquet_writer}[file_format]
    with open_writer(unfinished, table) as writer:
        yield writer
    unfinished.replace(path)


class _CsvWriter:
    def __init__(self, file: Any, table: Table) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(table.fields)

    def write(self, rows: list[Row]) -> None:
        self._writer.writerows([harmless(_text(value)) for value in row.values()] for row in rows)


@contextmanager
def _csv_writer(path: Path, table: Table) -> Iterator[_Writer]:
    with path.open("w", encoding="utf-8", newline="") as file:
        yield _CsvWriter(file, table)


class _JsonWriter:
    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, rows: list[Row]) -> None:
        for row in rows:
            self._file.write(orjson.dumps({name: _text(value) for name, value in row.items()}) + b"\n")


@contextmanager
def _json_writer(path: Path, _table: Table) -> Iterator[_Writer]:
    with path.open("wb") as file:
        yield _JsonWriter(file)


class _ParquetWriter:
    def __init__(self, writer: Any, schema: Any, to_table: Callable[..., Any]) -> None:
        self._writer = writer
        self._schema = schema
        self._to_table = to_table

    def write(self, rows: list[Row]) -> None:
        self._writer.write_table(self._to_table(rows, schema=self._schema))


@contextmanager
def _parquet_writer(path: Path, table: Table) -> Iterator[_Writer]:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # it has no types
        from pyarrow import parquet
    except ImportError as error:
        raise SetupError(
            "--format parquet needs the package pyarrow; install it with: pip install 'mysetlist[parquet]'"
        ) from error
    types = {
        int: pa.int64(),
        str: pa.string(),
        bool: pa.bool_(),
        date: pa.date32(),
        datetime: pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in table.fields.items()])
    with parquet.ParquetWriter(path, schema) as writer:
        yield _ParquetWriter(writer, schema, pa.Table.from_pylist)


def _text(value: Any) -> Any:
    """Instants and dates as text; other values as they are."""
    if isinstance(value, datetime):
        return iso(value)
    return value.isoformat() if isinstance(value, date) else value


def _description(file_format: Format) -> dict[str, Any]:
    return {
        "name": "mysetlist-public-data",
        "title": "Votes on the songs of setlists",
        "description": "Made by the fans and the staff of this service. What other services gave is left out (docs/data.md).",
        "licenses": [{"name": LICENCE_NAME, "path": LICENCE_URL, "title": "CC0 1.0 Universal"}],
        "resources": [
            {
                "name": table.name,
                "path": _file_name(table, file_format),
                "format": _SUFFIXES[file_format],
                "description": table.about,
                "schema": {
                    "fields": [{"name": name, "type": _FIELD_TYPES[kind]} for name, kind in table.fields.items()],
                    "primaryKey": list(table.key),
                },
            }
            for table in TABLES
        ],
    }
