"""Bans: who may not vote or write, why, and until when."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.instants import iso
from server.store.queries import load_queries

if TYPE_CHECKING:
    from server.store.database import Connection

queries = load_queries(Path(__file__).with_name("bans.sql"))

BanKind = Literal["vote", "write", "all"]


class Ban(msgspec.Struct, frozen=True, kw_only=True):
    """A ban: from voting, from writing, from everything; for good when `expires_at` is null."""

    id: int
    kind: BanKind
    reason: str
    banned_at: str
    expires_at: str | None


async def admit(connection: Connection, user_id: int, *kinds: BanKind) -> None:
    """Lets a user in, unless they are gone or banned.

    Raises: Refused: unauthenticated, the account was erased; forbidden, a ban of these kinds is in force
    """
    row = await queries.admit(connection, user_id=user_id, kinds=list(kinds))
    if row is None:
        raise Refused(Code.UNAUTHENTICATED, "This account is gone. Sign in again.")
    if row["reason"] is not None:
        raise Refused(Code.FORBIDDEN, sentence_of(row))


async def list_active_bans(connection: Connection, user_id: int) -> list[Ban]:
    """A user's bans that are in force."""
    return [ban_of(row) async for row in queries.active_bans(connection, user_id=user_id)]


def ban_of(row: Any) -> Ban:
    """A row of user_bans as its subject sees it."""
    return Ban(
        id=row["id"],
        kind=row["kind"],
        reason=row["reason"],
        banned_at=iso(row["banned_at"]),
        expires_at=iso(row["expires_at"]),
    )


def sentence_of(ban: Any) -> str:
    """What somebody banned is told."""
    expires_at: datetime | None = ban["expires_at"]
    until = "for good" if expires_at is None else f"until {iso(expires_at)}"
    return f"You are banned {until}: {ban['reason']}"
