"""Loads named queries from .sql files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiosql
from aiosql.query_loader import QueryLoader
from aiosql.types import QueryDatum

_NAME = re.compile(r"--\s*name\s*:\s*")


class _Loader(QueryLoader):
    """Cuts a file into its queries.

    aiosql looks for comments of several lines first, with a pattern that also matches nothing, at every letter: it finds none, and a node's
    start takes 0.1 s of CPU more.
    """

    def load_query_data_from_sql(
        self, sql: str, ns_parts: list[str], fname: Path | str = "<unknown>"
    ) -> list[QueryDatum]:
        head, *texts = _NAME.split(sql)
        line = 1 + head.count("\n")
        found = []
        for text in texts:
            found.append(self._make_query_datum(text, ns_parts, (fname, line)))
            line += text.count("\n")
        return found


def load_queries(path: Path) -> Any:
    """Loads the queries of a file, each a coroutine function: `await queries.name(connection, key=value)`.

    Gives: aiosql's Queries; untyped, because its methods come from the file
    """
    return aiosql.from_path(path, "asyncpg", mandatory_parameters=False, loader_cls=_Loader)


def columns(row: Mapping[str, object]) -> dict[str, Any]:
    """The columns of a row by name, for a struct or a query that has the same names. Their types are not checked."""
    return dict(row)


def sql_of(query: object) -> str:
    """The text of a named query, for a call with a timeout of its own, which the generated methods do not offer."""
    text: str = query.sql  # type: ignore[attr-defined]  # aiosql adds it to the function
    return text
