"""Loads named queries from .sql files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiosql


def load_queries(path: Path) -> Any:
    """Loads the queries of a file, each a coroutine function: `await queries.name(connection, key=value)`.

    Gives: aiosql's Queries; untyped, because its methods come from the file
    """
    return aiosql.from_path(path, "asyncpg", mandatory_parameters=False)


def columns(row: Mapping[str, object]) -> dict[str, Any]:
    """The columns of a row by name, for a struct or a query that has the same names. Their types are not checked."""
    return dict(row)


def sql_of(query: object) -> str:
    """The text of a named query, for a call with a timeout of its own, which the generated methods do not offer."""
    text: str = query.sql  # type: ignore[attr-defined]  # aiosql adds it to the function
    return text
