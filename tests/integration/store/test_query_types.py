"""PostgreSQL understands every named query, and the stubs that mypy reads have the types it gives."""

from __future__ import annotations

from tests.support.query_types import FOLDER, MODULES, stubs


async def test_the_stubs_are_up_to_date(database_url: str) -> None:
    """Each queries.pyi is what `make queries` writes on the migrated database; a query that does not prepare fails here."""
    stale = [str(path) for path, text in (await stubs(database_url)).items() if path.read_text() != text]
    assert stale == [], "run: make queries"


def test_every_sql_file_has_a_stub() -> None:
    """Each folder with .sql files has a queries.py, which gives every file of the folder a name."""
    for path in FOLDER.rglob("*.sql"):
        module = path.with_name("queries.py")
        assert module in MODULES, f"{path}: no queries.py beside it"
        assert f'{path.stem} = load_queries(_FOLDER / "{path.name}")' in module.read_text(), f"{path} is not loaded"
