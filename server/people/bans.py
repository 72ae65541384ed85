"""Bans: who may not vote or write, why, and until when."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import structlog

from server.errors import Refused, StoreError
from server.protocol.codes import Code
from server.protocol.instants import iso
from server.store.database import Database
from server.store.queries import load_queries

if TYPE_CHECKING:
    from server.store.database import Connection

log = structlog.get_logger()

POLL_S = 1.0

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
        raise Refused(Code.FORBIDDEN, _sentence(row))


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


class VoteBans:
    """Who may not vote at this moment, known without asking: read once a second, on every node.

    Takes: database, the writer's
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sentences: dict[int, str] = {}

    def why_refused(self, user_id: int) -> str | None:
        """Why this user may not vote; None: they may."""
        return self._sentences.get(user_id)

    async def run(self) -> None:
        """Reads until cancelled; while PostgreSQL is away, what was read last holds."""
        while True:
            try:
                await self.refresh()
            except StoreError as error:
                log.warning("bans.not_read", error=str(error))
            await asyncio.sleep(POLL_S)

    async def refresh(self) -> None:
        """Reads who is banned.

        Raises: StoreUnavailable
        """
        async with self._database.connection() as connection:
            rows = [row async for row in queries.vote_bans(connection)]
        self._sentences = _sentences(rows)


def _sentences(rows: Iterable[Any]) -> dict[int, str]:
    return {row["user_id"]: _sentence(row) for row in rows}


def _sentence(ban: Any) -> str:
    expires_at: datetime | None = ban["expires_at"]
    until = "for good" if expires_at is None else f"until {iso(expires_at)}"
    return f"You are banned {until}: {ban['reason']}"
