"""Every named query of every .sql file can be prepared on the migrated database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiosql
import asyncpg
import pytest

import server

FOLDER = Path(server.__file__).parent
FILES = sorted(FOLDER.rglob("*.sql"))


def statements(path: Path) -> Iterator[tuple[str, str]]:
    """Name and text of every query, with its parameters in the driver's form."""
    queries: Any = aiosql.from_path(path, "asyncpg", mandatory_parameters=False)
    for name in queries.available_queries:
        query = getattr(queries, name)
        if not name.endswith("_cursor"):
            yield name, query.sql


def test_there_are_files_to_check() -> None:
    """The vote path, the catalogue and the people each have a file."""
    assert {path.parent.name for path in FILES} >= {"voting", "catalog", "people"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
async def test_every_query_prepares(path: Path, database_url: str) -> None:
    """Tables, columns, functions and types all exist, and so do the types of every parameter."""
    connection = await asyncpg.connect(database_url)
    try:
        prepared = [await connection.prepare(sql) for _, sql in statements(path)]
        assert prepared
    finally:
        await connection.close()
