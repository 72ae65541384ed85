"""docs/data-model.md names exactly the tables that exist."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg

PAGE = Path(__file__).parents[3] / "docs" / "data-model.md"


async def test_the_page_names_every_table(database_url: str) -> None:
    """Each table has one or more lines in the page's tables."""
    rows = re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    connection = await asyncpg.connect(database_url)
    try:
        tables = await connection.fetch(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
            " and not relispartition and relname <> 'schema_migrations'"
        )
    finally:
        await connection.close()
    assert named == {row["relname"] for row in tables}


def test_the_diagram_names_only_tables_of_the_page() -> None:
    """Every box of the diagram has a line in the page's tables."""
    text = PAGE.read_text()
    diagram = text[text.index("erDiagram") : text.index("```", text.index("erDiagram"))]
    boxes = set(re.findall(r"^\s+(\w+) \S+--\S+ (\w+)", diagram, re.MULTILINE))
    named = set(re.findall(r"`(\w+)`", text))
    assert boxes
    assert {name for pair in boxes for name in pair} <= named
