"""The named queries of web push, a name for each .sql file. `make queries` writes their types to queries.pyi."""

from __future__ import annotations

from pathlib import Path

from server.store.named_queries import load_queries

_FOLDER = Path(__file__).parent

notices = load_queries(_FOLDER / "notices.sql")
routes = load_queries(_FOLDER / "routes.sql")
sender = load_queries(_FOLDER / "sender.sql")
