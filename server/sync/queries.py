"""The named queries of sync, a name for each .sql file. `make queries` writes their types to queries.pyi."""

from __future__ import annotations

from pathlib import Path

from server.store.named_queries import load_queries

_FOLDER = Path(__file__).parent

forgetting = load_queries(_FOLDER / "forgetting.sql")
identities = load_queries(_FOLDER / "identities.sql")
jobs = load_queries(_FOLDER / "jobs.sql")
records = load_queries(_FOLDER / "records.sql")
routes = load_queries(_FOLDER / "routes.sql")
