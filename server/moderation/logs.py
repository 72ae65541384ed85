"""The two logs of staff: the moderation log (decisions on texts and bans) and the audit log (changes of accounts)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from server.protocol.identity import Identity
from server.store.queries import load_queries

if TYPE_CHECKING:
    from server.store.database import Connection

queries = load_queries(Path(__file__).with_name("logs.sql"))


async def write_moderation_log(
    connection: Connection, moderator: Identity, action: str, subject: str, detail: dict[str, Any]
) -> None:
    """Adds a decision to the moderation log, in the transaction of the decision."""
    await queries.insert_moderation_entry(
        connection,
        moderator_id=moderator.user_id,
        action=action,
        subject=subject,
        detail=msgspec.json.encode(detail).decode(),
    )


async def write_audit_log(
    connection: Connection, actor: Identity, action: str, subject: str, detail: dict[str, Any]
) -> None:
    """Adds an action of staff to the audit log, in the transaction of the action."""
    await queries.insert_audit_entry(
        connection,
        actor_id=actor.user_id,
        action=action,
        subject=subject,
        detail=msgspec.json.encode(detail).decode(),
    )
