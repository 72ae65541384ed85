"""The named queries of people, a name for each .sql file. `make queries` writes their types to queries.pyi."""

from __future__ import annotations

from pathlib import Path

from server.store.named_queries import load_queries

_FOLDER = Path(__file__).parent

access_monitor = load_queries(_FOLDER / "access_monitor.sql")
accounts = load_queries(_FOLDER / "accounts.sql")
calendars = load_queries(_FOLDER / "calendars.sql")
ended_sessions = load_queries(_FOLDER / "ended_sessions.sql")
erasure = load_queries(_FOLDER / "erasure.sql")
export = load_queries(_FOLDER / "export.sql")
exports = load_queries(_FOLDER / "exports.sql")
follows = load_queries(_FOLDER / "follows.sql")
keys = load_queries(_FOLDER / "keys.sql")
own_shows = load_queries(_FOLDER / "own_shows.sql")
profiles = load_queries(_FOLDER / "profiles.sql")
relation_counts = load_queries(_FOLDER / "relation_counts.sql")
reviews = load_queries(_FOLDER / "reviews.sql")
sessions = load_queries(_FOLDER / "sessions.sql")
tickets = load_queries(_FOLDER / "tickets.sql")
