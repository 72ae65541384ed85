"""Writes the types of named queries: for each `queries.py` of a room its stub, `queries.pyi`.

`make queries` runs it. Parameters and columns come from PostgreSQL, which prepares every query on a migrated database.
PostgreSQL does not say which values may be null, so the stubs say it by these rules:

- a parameter may always be None;
- a column of a table is None where the table allows null, and `T | Any` where an outer join may leave it out: its type
  is checked, but not whether somebody looked for None. So is an expression;
- a query for one row or one value (`^`, `$`) may give None unless its comment promises more: `gives: 1 row` or `1 value`, or a
  text without "0..1", "none", "null" and "no row".
"""

from __future__ import annotations

import asyncio
import keyword
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosql
import asyncpg
import psycopg

import server
from server.embedded import EmbeddedEngines
from server.settings import data_folder
from server.store.migrations import migrate_up
from tests.support.engines import FAST_SETTINGS, short_folder

FOLDER = Path(server.__file__).parent
MODULES = sorted(FOLDER.rglob("queries.py"))

_BASE_TYPES = {
    "bool": "bool",
    "bytea": "bytes",
    "date": "date",
    "float4": "float",
    "float8": "float",
    "int2": "int",
    "int4": "int",
    "int8": "int",
    "oid": "int",
    "interval": "timedelta",
    "numeric": "Decimal",
    "time": "time",
    "timestamp": "datetime",
    "timestamptz": "datetime",
    "void": "None",
    # The driver gives and takes their text.
    **dict.fromkeys(("bpchar", "char", "json", "jsonb", "name", "regclass", "text", "varchar", "xid"), "str"),
}

_TYPES = """
select t.oid::bigint, t.typname as name, t.typelem::bigint as element, t.typcategory::text = 'A' as is_array, t.typbasetype::bigint as base,
       coalesce((select array_agg(e.enumlabel::text order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid), '{}') as labels
  from pg_type t
"""
_NOT_NULL = """
select a.attrelid::bigint as table_oid, a.attnum::int as number, a.attnotnull as is_not_null, c.relname as table_name
  from pg_attribute a join pg_class c on c.oid = a.attrelid
 where c.relnamespace = 'public'::regnamespace and a.attnum > 0
"""


@dataclass(frozen=True, slots=True)
class Query:
    """A named query: its mark (`^` one row, `$` one value, `!` no rows, empty: many), comment, text and parameters."""

    name: str
    mark: str
    comment: str
    sql: str
    parameters: list[str]

    @property
    def row(self) -> str:
        """The name of its row's type."""
        return "".join(map(str.capitalize, self.name.split("_"))) + "Row"

    @property
    def may_be_none(self) -> bool:
        """Whether it may give no row."""
        # Its first line, and the lines below it that are indented.
        gives = re.search(r"^gives:(.*(?:\n +.*)*)", self.comment, re.MULTILINE)
        if gives is None:
            return True
        return not re.match(r"\s*1 (row|value)\b", gives[1]) and bool(
            re.search(r"0\.\.1|\b(none|null|no row)\b", gives[1])
        )


class Catalogue:
    """What a migrated database knows of types and columns."""

    def __init__(self, types: list[Any], columns: list[Any]) -> None:
        self._types = {row["oid"]: row for row in types}
        self._columns = {(row["table_oid"], row["number"]): row for row in columns}
        self._tables = {row["table_name"] for row in columns}

    @classmethod
    async def read(cls, url: str) -> Catalogue:
        """Reads them from a database."""
        connection = await asyncpg.connect(url)
        try:
            return cls(await connection.fetch(_TYPES), await connection.fetch(_NOT_NULL))
        finally:
            await connection.close()

    def python_type(self, oid: int, *, is_parameter: bool) -> str:
        """The Python type that the driver takes or gives for a PostgreSQL type."""
        found = self._types[oid]
        if found["is_array"]:
            element = self.python_type(found["element"], is_parameter=is_parameter)
            return f"Sequence[{element} | None]" if is_parameter else f"list[{element}]"
        if found["labels"]:
            return "str" if is_parameter else f"Literal[{', '.join(map(repr, found['labels']))}]"
        if found["base"]:
            return self.python_type(found["base"], is_parameter=is_parameter)
        return _BASE_TYPES.get(found["name"], "Any")

    def column_type(self, oid: int, table_oid: int, number: int, sql: str) -> str:
        """The type of a column of a query's rows, with None or Any where it may be null."""
        plain = self.python_type(oid, is_parameter=False)
        column = self._columns.get((table_oid, number))
        if plain in ("Any", "None"):
            return plain
        if column is None:
            return f"{plain} | Any"
        if not column["is_not_null"]:
            return f"{plain} | None"
        return f"{plain} | Any" if self._is_left_out(column["table_name"], sql) else plain

    def _is_left_out(self, table: str, sql: str) -> bool:
        """Whether an outer join may leave a table's columns null."""
        if re.search(r"\b(right|full)\s+(outer\s+)?join\b", sql, re.IGNORECASE):
            return True
        joined = re.findall(r"\bleft\s+(?:outer\s+)?join\s+(?:lateral\s+)?(\w+|\()", sql, re.IGNORECASE)
        return any(name == table or name not in self._tables for name in joined)


def named_queries(path: Path) -> Iterator[Query]:
    """The queries of a .sql file, in its order."""
    loaded: Any = aiosql.from_path(path, "asyncpg", mandatory_parameters=False)
    text = path.read_text()
    for name, mark, comment in re.findall(r"^-- name: (\w+)(\S*)\n((?:--.*\n)*)", text, re.MULTILINE):
        sql = getattr(loaded, name).sql
        order = loaded.driver_adapter.var_sorted[name]
        yield Query(name, mark, re.sub(r"^-- ?", "", comment, flags=re.MULTILINE).strip(), sql, list(order))


def stub_of(module: Path, connection: psycopg.Connection[Any], catalogue: Catalogue) -> str:
    """The stub of a room's `queries.py`."""
    parts: list[str] = []
    names: list[str] = []
    for path in sorted(module.parent.glob("*.sql")):
        rows, methods = [], []
        for query in named_queries(path):
            row, method = _describe(query, connection, catalogue)
            rows.append(row)
            methods.append(method)
        kind = "_" + "".join(map(str.capitalize, path.stem.split("_")))
        comment = f"# {path.relative_to(FOLDER).as_posix()}"
        parts += [comment, *filter(None, rows), f"class {kind}:\n" + "\n".join(methods)]
        names.append(f"{path.stem}: {kind}")
    body = "\n".join([*parts, *names])
    return _formatted(f"{_HEAD}{_imports(body)}{body}\n")


_HEAD = '# "make queries" writes this file from the .sql files of this room.\n\n'
_IMPORTS = {
    "collections.abc": ("AsyncIterator", "Sequence"),
    "datetime": ("date", "datetime", "time", "timedelta"),
    "decimal": ("Decimal",),
    "typing": ("Any", "Literal", "TypedDict"),
}


def _imports(body: str) -> str:
    """The imports that a stub needs: names that stand as types, not as columns or parameters."""
    lines = []
    for module, names in _IMPORTS.items():
        if used := [name for name in names if re.search(rf"(?<![\w.\"]){name}\b(?![\":])", body)]:
            lines.append(f"from {module} import {', '.join(used)}")
    return "\n".join(lines) + "\n\nfrom server.store.database import Connection\n\n"


def _formatted(text: str) -> str:
    """The text as `ruff format` writes it."""
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", "queries.pyi", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=FOLDER.parent).stdout


def _row_type(name: str, columns: dict[str, str]) -> str:
    """A row's type; a column whose name is no Python name needs the form of a call."""
    if all(column.isidentifier() and not keyword.iskeyword(column) for column in columns):
        return f"class {name}(TypedDict):\n" + "\n".join(f"    {column}: {kind}" for column, kind in columns.items())
    return f'{name} = TypedDict("{name}", {{{", ".join(f"{column!r}: {kind}" for column, kind in columns.items())}}})'


def _optional(kind: str) -> str:
    return kind if kind.endswith("None") else f"{kind} | None"


def _describe(query: Query, connection: psycopg.Connection[Any], catalogue: Catalogue) -> tuple[str, str]:
    """The type of a query's rows, empty when it has none, and its signature."""
    libpq = connection.pgconn
    for result in (libpq.prepare(b"", query.sql.encode()), libpq.describe_prepared(b"")):
        if result.status != psycopg.pq.ExecStatus.COMMAND_OK:
            raise ValueError(f"{query.name}: {result.error_message.decode()}")
    types = [
        catalogue.column_type(result.ftype(i), result.ftable(i), result.ftablecol(i), query.sql)
        for i in range(result.nfields)
    ]
    columns = [(result.fname(i) or b"").decode() for i in range(result.nfields)]
    parameters = [
        f"{name}: {catalogue.python_type(result.param_type(i), is_parameter=True)} | None"
        for i, name in enumerate(query.parameters)
    ]
    given = ", ".join(["self", "connection: Connection", *(["*", *parameters] if parameters else [])])
    row = _row_type(query.row, dict(zip(columns, types, strict=True))) if query.mark in ("", "^") else ""
    none = " | None" if query.may_be_none else ""
    signature = {
        "": f"def {query.name}({given}) -> AsyncIterator[{query.row}]: ...",
        "^": f"async def {query.name}({given}) -> {query.row}{none}: ...",
        "$": f"async def {query.name}({given}) -> {_optional(types[0]) if none and types else ''.join(types[:1]) or 'None'}: ...",
        "!": f"async def {query.name}({given}) -> str: ...",
        "#": f"async def {query.name}(self, connection: Connection) -> str: ...",
    }[query.mark]
    return row, f"    {signature}"


async def stubs(url: str) -> dict[Path, str]:
    """The stubs as a migrated database wants them, by path."""
    catalogue = await Catalogue.read(url)
    with psycopg.connect(url) as connection:
        return {module.with_suffix(".pyi"): stub_of(module, connection, catalogue) for module in MODULES}


async def write() -> None:
    """Writes all stubs, on a database of its own."""
    with short_folder() as folder:
        engines = await EmbeddedEngines.start(folder, postgres_settings=FAST_SETTINGS, valkey=False)
        try:
            await migrate_up(engines.database_url, data_folder("migrations"))
            for path, text in (await stubs(engines.database_url)).items():
                path.write_text(text)
                print(path.relative_to(FOLDER.parent))
        finally:
            await engines.stop()


if __name__ == "__main__":
    asyncio.run(write())
