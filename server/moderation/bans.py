"""Bans: which users may not vote or write, for which reason, and until when."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from server.errors import Refused
from server.moderation.queries import bans as queries
from server.protocol.codes import Code
from server.protocol.instants import iso

if TYPE_CHECKING:
    from server.store.database import Connection

BanKind = Literal["vote", "write", "all"]


class Ban(msgspec.Struct, frozen=True, kw_only=True):
    """A ban from voting, from writing or from everything. It is permanent when `expires_at` is null."""

    id: int
    kind: BanKind
    reason: str
    banned_at: str
    expires_at: str | None


async def refuse_banned(connection: Connection, user_id: int, *kinds: BanKind) -> None:
    """Refuses a user who has an active ban of one of these kinds, or whose account was erased.

    Takes:  kinds; without any, only the account has to exist
    Raises: Refused: unauthenticated, the account was erased; forbidden, the user is banned
    """
    row = await queries.fetch_longest_ban(connection, user_id=user_id, kinds=list(kinds))
    if row is None:
        raise Refused(Code.UNAUTHENTICATED, "This account is gone. Sign in again.")
    if row["reason"] is not None:
        raise Refused(Code.FORBIDDEN, ban_message(row))


async def list_active_bans(connection: Connection, user_id: int) -> list[Ban]:
    """Lists the bans of a user that are active now, latest first."""
    return [ban_from_row(row) async for row in queries.active_bans(connection, user_id=user_id)]


def ban_from_row(row: Any) -> Ban:
    """Builds the ban that its user sees from a row of user_bans."""
    return Ban(
        id=row["id"],
        kind=row["kind"],
        reason=row["reason"],
        banned_at=iso(row["banned_at"]),
        expires_at=iso(row["expires_at"]),
    )


def ban_message(row: Any) -> str:
    """Builds the message for a banned user from the `reason` and `expires_at` of a row."""
    expires_at: datetime | None = row["expires_at"]
    if expires_at is None:
        return f"You are banned permanently. Reason: {row['reason']}"
    return f"You are banned until {iso(expires_at)}. Reason: {row['reason']}"
