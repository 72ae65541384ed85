"""Loads named queries from .sql files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiosql


def load_queries(path: Path) -> Any:
    """Loads the queries of a file, each a coroutine function: `await queries.name(connection, key=value)`.

    Gives: aiosql's Queries; untyped, because its methods come from the file
    """
    return aiosql.from_path(path, "asyncpg", mandatory_parameters=False)
