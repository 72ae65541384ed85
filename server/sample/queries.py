"""The named queries of sample, a name for each .sql file. `make queries` writes their types to queries.pyi."""

from __future__ import annotations

from pathlib import Path

from server.store.named_queries import load_queries

_FOLDER = Path(__file__).parent

demo = load_queries(_FOLDER / "demo.sql")
inserts = load_queries(_FOLDER / "inserts.sql")
large = load_queries(_FOLDER / "large.sql")
