"""Standing: who may vote, and who may stay connected, known without asking and looked at once a second, on every node.

A connection is let in once and then lives for hours: bans, roles taken away, accounts that are gone and keys that are
revoked have to find it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import structlog

from server.errors import Disconnect, StoreError
from server.moderation.bans import ban_message
from server.protocol.codes import CLOSE_BAD_TOKEN, CLOSE_BANNED, CLOSE_NORMAL
from server.protocol.identity import Identity
from server.store.database import Database
from server.store.queries import load_queries

log = structlog.get_logger()

LOOK_S = 1.0

queries = load_queries(Path(__file__).with_name("access_monitor.sql"))


class AccessMonitor:
    """What this node knows of it.

    Takes: writer, the writer's database; requests, the requests', which may look up keys;
           connected, whoever has sockets to this node; dismiss, ends the sockets of some of them
    """

    def __init__(
        self,
        writer: Database,
        requests: Database,
        connected: Callable[[], Collection[Identity]],
        dismiss: Callable[[Mapping[Identity, Disconnect]], object],
    ) -> None:
        self._writer = writer
        self._requests = requests
        self._connected = connected
        self._dismiss = dismiss
        self._no_votes: dict[int, str] = {}
        self._no_entry: dict[int, str] = {}

    def why_refused(self, user_id: int) -> str | None:
        """Why this user may not vote; None: they may."""
        return self._no_votes.get(user_id)

    def why_banned(self, user_id: int) -> str | None:
        """Why this user may not be connected; None: they may."""
        return self._no_entry.get(user_id)

    async def run(self) -> None:
        """Looks until cancelled; while PostgreSQL is away, what was read last holds and nobody is sent away."""
        while True:
            try:
                await self.refresh()
                await self.review()
            except StoreError as error:
                log.warning("standing.not_read", error=str(error))
            await asyncio.sleep(LOOK_S)

    async def refresh(self) -> None:
        """Reads who is banned.

        Raises: StoreUnavailable
        """
        async with self._writer.connection() as connection:
            rows = [row async for row in queries.bans_in_force(connection)]
        self._no_votes = _sentences(rows)
        self._no_entry = _sentences(row for row in rows if row["kind"] == "all")

    async def review(self) -> None:
        """Ends the connections of those who may not stay.

        Raises: StoreUnavailable
        Cost:   one query for all accounts, one more for the keys if there are any; about a microsecond each
        """
        connected = self._connected()
        if not connected:
            return
        roles = await self._roles(connected)
        ends: dict[Identity, Disconnect] = {}
        for identity in connected:
            end = self._why_not(identity, roles)
            if end is not None:
                ends[identity] = end
        if ends:
            self._dismiss(ends)

    def _why_not(self, identity: Identity, roles: Mapping[int | bytes, str | None]) -> Disconnect | None:
        banned = self._no_entry.get(identity.user_id)
        if banned is not None:
            return Disconnect(CLOSE_BANNED, banned)
        subject = identity.user_id if identity.key_hash is None else identity.key_hash
        if subject not in roles:
            return None
        role = roles[subject]
        if role is None and identity.key_hash is None:
            return Disconnect(CLOSE_NORMAL, "This account was erased.")
        if role is None or not Identity(identity.user_id, role).may(identity.role):
            return Disconnect(CLOSE_BAD_TOKEN, "What you may do was taken back. Sign in again.")
        return None

    async def _roles(self, connected: Iterable[Identity]) -> dict[int | bytes, str | None]:
        """What accounts and keys give by now, None: nothing; of plain users only those whose account is gone."""
        users, staff, keys = set(), set(), set()
        for identity in connected:
            if identity.key_hash is not None:
                keys.add(identity.key_hash)
            else:
                users.add(identity.user_id)
                if identity.role != "user":
                    staff.add(identity.user_id)
        roles: dict[int | bytes, str | None] = dict.fromkeys(keys)
        async with self._writer.connection() as connection:
            async for row in queries.roles_now(connection, user_ids=list(users), staff_ids=list(staff)):
                roles[row["user_id"]] = row["role"]
        if keys:
            async with self._requests.connection() as connection:
                async for row in queries.keys_now(connection, key_hashes=list(keys)):
                    roles[row["key_hash"]] = row["role"]
        return roles


def _sentences(rows: Iterable[Any]) -> dict[int, str]:
    # They come with the ban that lasts longest last.
    return {row["user_id"]: ban_message(row) for row in rows}
