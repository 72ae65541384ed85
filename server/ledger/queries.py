"""The named queries of the ledger, a name for each .sql file. `make queries` writes their types to queries.pyi."""

from __future__ import annotations

from pathlib import Path

from server.store.named_queries import load_queries

_FOLDER = Path(__file__).parent

routes = load_queries(_FOLDER / "routes.sql")
sequencer = load_queries(_FOLDER / "sequencer.sql")
