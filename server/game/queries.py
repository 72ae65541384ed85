"""The named queries of game, a name for each .sql file. `make queries` writes their types to queries.pyi."""

from __future__ import annotations

from pathlib import Path

from server.store.named_queries import load_queries

_FOLDER = Path(__file__).parent

crews = load_queries(_FOLDER / "crews.sql")
picks = load_queries(_FOLDER / "picks.sql")
scores = load_queries(_FOLDER / "scores.sql")
standings = load_queries(_FOLDER / "standings.sql")
tours = load_queries(_FOLDER / "tours.sql")
