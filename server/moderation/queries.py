"""The named queries of moderation, a name for each .sql file. `make queries` writes their types to queries.pyi."""

from __future__ import annotations

from pathlib import Path

from server.store.named_queries import load_queries

_FOLDER = Path(__file__).parent

audit = load_queries(_FOLDER / "audit.sql")
audit_chain = load_queries(_FOLDER / "audit_chain.sql")
bans = load_queries(_FOLDER / "bans.sql")
decisions = load_queries(_FOLDER / "decisions.sql")
logs = load_queries(_FOLDER / "logs.sql")
queue = load_queries(_FOLDER / "queue.sql")
reports = load_queries(_FOLDER / "reports.sql")
text_review = load_queries(_FOLDER / "text_review.sql")
