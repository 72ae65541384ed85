"""AccessMonitor: bans, ended sessions and connections, checked once a second on every node.

A connection authenticates once and then lives for hours. So bans, lost roles, ended sessions, erased accounts and revoked
keys have to reach connections that are already open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import structlog

from server.errors import Disconnect, StoreError
from server.moderation.bans import ban_message
from server.people.ended_sessions import EndedSessions
from server.people.queries import access_monitor as queries
from server.protocol.codes import CLOSE_BAD_TOKEN, CLOSE_BANNED, CLOSE_NORMAL
from server.protocol.identity import Identity
from server.store.database import Database

log = structlog.get_logger()

CHECK_INTERVAL_S = 1.0


class AccessMonitor:
    """Keeps the active bans in memory, and closes connections that have lost their right to be open.

    Takes: writer, the database of the writer role; requests, the database of the request role, which may look up keys;
           ended, the sessions that were ended, which this loads; connected, gives the identities that are connected to this node; disconnect, closes the connections of some
           of these identities
    """

    def __init__(
        self,
        writer: Database,
        requests: Database,
        ended: EndedSessions,
        connected: Callable[[], Collection[Identity]],
        disconnect: Callable[[Mapping[Identity, Disconnect]], object],
    ) -> None:
        self._writer = writer
        self._requests = requests
        self._ended = ended
        self._connected = connected
        self._disconnect = disconnect
        # user -> message
        self._vote_bans: dict[int, str] = {}
        self._connection_bans: dict[int, str] = {}

    def why_vote_refused(self, user_id: int) -> str | None:
        """Gives the message for a user who is banned from voting; None: the user may vote."""
        return self._vote_bans.get(user_id)

    def why_connection_refused(self, user_id: int) -> str | None:
        """Gives the message for a user who is banned from connecting; None: the user may connect."""
        return self._connection_bans.get(user_id)

    async def run(self) -> None:
        """Checks until cancelled. While PostgreSQL is down, the last bans stay active and no connection is closed."""
        while True:
            try:
                await self.load_bans()
                await self._ended.load()
                await self.check_connections()
            except StoreError as error:
                log.warning("access.not_checked", error=str(error))
            await asyncio.sleep(CHECK_INTERVAL_S)

    async def load_bans(self) -> None:
        """Loads the active bans.

        Raises: StoreUnavailable
        """
        async with self._writer.connection() as connection:
            rows = [row async for row in queries.active_bans(connection)]
        self._vote_bans = _messages(rows)
        self._connection_bans = _messages(row for row in rows if row["kind"] == "all")

    async def check_connections(self) -> None:
        """Closes the connections of identities that are banned, signed out, erased, revoked or demoted.

        Raises: StoreUnavailable
        Cost:   one query for all accounts, and one for keys if there are any; about a microsecond for each identity
        """
        connected = self._connected()
        if not connected:
            return
        roles = await self._current_roles(connected)
        closes: dict[Identity, Disconnect] = {}
        for identity in connected:
            close = self._why_closed(identity, roles)
            if close is not None:
                closes[identity] = close
        if closes:
            self._disconnect(closes)

    def _why_closed(self, identity: Identity, roles: Mapping[int | bytes, str | None]) -> Disconnect | None:
        ban = self._connection_bans.get(identity.user_id)
        if ban is not None:
            return Disconnect(CLOSE_BANNED, ban)
        if self._ended.holds(identity):
            return Disconnect(CLOSE_BAD_TOKEN, "This session was signed out. Sign in again.")
        subject = identity.user_id if identity.key_hash is None else identity.key_hash
        if subject not in roles:
            return None
        role = roles[subject]
        if role is None and identity.key_hash is None:
            return Disconnect(CLOSE_NORMAL, "This account was erased.")
        if role is None or not Identity(identity.user_id, role).may(identity.role):
            return Disconnect(CLOSE_BAD_TOKEN, "Your role or API key was revoked. Sign in again.")
        return None

    async def _current_roles(self, connected: Iterable[Identity]) -> dict[int | bytes, str | None]:
        """Fetches the current roles of keys and of staff; None: the key or account is gone.

        Users without a staff role are in the result only if their account is gone.
        """
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
            async for row in queries.current_roles(connection, user_ids=list(users), staff_ids=list(staff)):
                roles[row["user_id"]] = row["role"]
        if keys:
            async with self._requests.connection() as connection:
                async for key in queries.current_key_roles(connection, key_hashes=list(keys)):
                    roles[key["key_hash"]] = key["role"]
        return roles


def _messages(rows: Iterable[Any]) -> dict[int, str]:
    # Of several bans of a user, the one that ends last comes last and stays.
    return {row["user_id"]: ban_message(row) for row in rows}
