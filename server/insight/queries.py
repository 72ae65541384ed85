"""The named queries of insight, a name for each .sql file. `make queries` writes their types to queries.pyi."""

from __future__ import annotations

from pathlib import Path

from server.store.named_queries import load_queries

_FOLDER = Path(__file__).parent

accuracy = load_queries(_FOLDER / "accuracy.sql")
activity = load_queries(_FOLDER / "activity.sql")
insight = load_queries(_FOLDER / "insight.sql")
statistics = load_queries(_FOLDER / "statistics.sql")
