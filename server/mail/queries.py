"""The named queries of mail, a name for each .sql file. `make queries` writes their types to queries.pyi."""

from __future__ import annotations

from pathlib import Path

from server.store.named_queries import load_queries

_FOLDER = Path(__file__).parent

enqueuer = load_queries(_FOLDER / "enqueuer.sql")
routes = load_queries(_FOLDER / "routes.sql")
sender = load_queries(_FOLDER / "sender.sql")
unsubscribes = load_queries(_FOLDER / "unsubscribes.sql")
