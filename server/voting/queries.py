"""The named queries of voting, a name for each .sql file. `make queries` writes their types to queries.pyi."""

from __future__ import annotations

from pathlib import Path

from server.store.named_queries import load_queries

_FOLDER = Path(__file__).parent

reconcile = load_queries(_FOLDER / "reconcile.sql")
voting = load_queries(_FOLDER / "voting.sql")
