"""The named queries of admin, a name for each .sql file. `make queries` writes their types to queries.pyi."""

from __future__ import annotations

from pathlib import Path

from server.store.named_queries import load_queries

_FOLDER = Path(__file__).parent

alerts = load_queries(_FOLDER / "alerts.sql")
backups = load_queries(_FOLDER / "backups.sql")
health = load_queries(_FOLDER / "health.sql")
levels = load_queries(_FOLDER / "levels.sql")
overview = load_queries(_FOLDER / "overview.sql")
operations = load_queries(_FOLDER / "operations.sql")
retention = load_queries(_FOLDER / "retention.sql")
statistics = load_queries(_FOLDER / "statistics.sql")
