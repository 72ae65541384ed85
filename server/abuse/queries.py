"""The named queries of abuse, a name for each .sql file. `make queries` writes their types to queries.pyi."""

from __future__ import annotations

from pathlib import Path

from server.store.named_queries import load_queries

_FOLDER = Path(__file__).parent

decisions = load_queries(_FOLDER / "decisions.sql")
groups = load_queries(_FOLDER / "groups.sql")
watch = load_queries(_FOLDER / "watch.sql")
