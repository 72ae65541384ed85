"""The erasure of a user: their personal data is deleted, and their votes are kept without a name (docs/adr/0009-erasure.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from server.errors import Refused
from server.moderation.logs import write_audit_log
from server.people.export import STATEMENT_TIMEOUT_S
from server.people.queries import erasure as queries
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.identity import Identity
from server.store.database import Database
from server.store.named_queries import sql_of


class Forget(Protocol):
    """Removes a user from the hot copy of the votes in Valkey: voting.HotErasure.erase."""

    async def __call__(self, user_id: int, ballots: Mapping[int, str], positions: Mapping[int, int], /) -> None:
        """Takes ballots by show and positions by shard, as erase_user() gives them; without positions it only makes sure that
        Valkey takes writes. Raises CacheError.
        """


class _Erased(msgspec.Struct, frozen=True):
    """The result of the SQL function erase_user()."""

    ballots: dict[int, str]
    positions: dict[int, int]


class ErasureRoutes:
    """The endpoints of erasure.

    Takes: forget, removes a user from the hot copy of the votes; disconnect, closes the connections of a user to this
           node
    """

    def __init__(self, database: Database, forget: Forget, disconnect: Callable[[int], object]) -> None:
        self._database = database
        self._forget = forget
        self._disconnect = disconnect
        self._erasing = asyncio.Lock()

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        return [
            Endpoint(
                method="DELETE", path="/api/me", handler=self.delete_me, access="user", status=204,
                codes=(Code.FORBIDDEN,),
                summary="Erase your account now and permanently. Your votes still count, without your name.",
            ),
            Endpoint(
                method="DELETE", path="/api/admin/users/{user}", handler=self.delete_user, access="admin", status=204,
                codes=(Code.NOT_FOUND,), summary="Erase an account permanently. Its votes still count, without a name.",
            ),
        ]  # fmt: skip

    async def delete_me(self, call: Call) -> Answer:
        """`DELETE /api/me`."""
        if not await self._erase(call.user, call.user.user_id):
            raise Refused(Code.UNAUTHENTICATED, "This account is gone. Sign in again.")
        return Answer(session="")

    async def delete_user(self, call: Call) -> Answer:
        """`DELETE /api/admin/users/{user}`."""
        if not await self._erase(call.user, call.id("user")):
            raise Refused(Code.NOT_FOUND, "No such user.")
        return Answer()

    async def _erase(self, actor: Identity, user_id: int) -> bool:
        if actor.is_key and actor.user_id == user_id:
            raise Refused(Code.FORBIDDEN, "An API key cannot erase the account that it belongs to. Sign in.")
        # Erasures wait for each other in the database anyway, and there each of them would hold a connection.
        async with self._erasing:
            is_erased = await erase(self._database, self._forget, actor, user_id)
        if is_erased:
            self._disconnect(user_id)
        return is_erased


async def erase(database: Database, forget: Forget, actor: Identity, user_id: int) -> bool:
    """Erases a user in PostgreSQL and in Valkey, or in neither; gives whether the user existed.

    Raises: StoreUnavailable, CacheError: nothing was erased; try again
    Cost:   reads the whole vote history while votes are written; then locks all shards for some milliseconds
    """
    await forget(user_id, {}, {})
    async with database.acting(actor) as connection:
        await queries.extend_timeout(connection)
        found = await connection.fetchval(sql_of(queries.erase_user), user_id, timeout=STATEMENT_TIMEOUT_S)
        if found is None:
            return False
        if actor.user_id != user_id:
            # The entry names the administrator, but not the erased user.
            await write_audit_log(connection, actor, "user.erase", "user:0", {})
        erased = msgspec.json.decode(found, type=_Erased)
        # Last, just before the commit: no vote is committed until then, and if Valkey is down nothing is erased.
        await forget(user_id, erased.ballots, erased.positions)
    return True
