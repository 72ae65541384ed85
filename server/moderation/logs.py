"""The logs of what staff did: decisions on texts and accounts, and the audit log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from server.protocol.identity import Identity
from server.store.queries import load_queries

if TYPE_CHECKING:
    from server.store.database import Connection

queries = load_queries(Path(__file__).with_name("logs.sql"))


async def log_decision(
    connection: Connection, moderator: Identity, action: str, subject: str, detail: dict[str, Any]
) -> None:
    """Writes a decision to the moderators' log, in its own transaction."""
    await queries.log_decision(
        connection,
        moderator_id=moderator.user_id,
        action=action,
        subject=subject,
        detail=msgspec.json.encode(detail).decode(),
    )


async def log_power(connection: Connection, actor: Identity, action: str, subject: str, detail: dict[str, Any]) -> None:
    """Writes what staff did to somebody's account to the audit log, in its own transaction."""
    await queries.log_power(
        connection,
        actor_id=actor.user_id,
        action=action,
        subject=subject,
        detail=msgspec.json.encode(detail).decode(),
    )
