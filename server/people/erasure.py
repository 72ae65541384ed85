"""The erasure of users: their personal data is deleted, and their votes are kept without a name (docs/adr/0009-erasure.md).

An erasure makes the writers wait for some milliseconds. So the erasures of a node are gathered: those that come in half a
second share one transaction and one wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import msgspec
import structlog

from server.errors import CacheError, Refused, StoreError
from server.moderation.logs import write_audit_log
from server.people.export import STATEMENT_TIMEOUT_S
from server.people.queries import erasure as queries
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.identity import Identity
from server.store.database import Database, act_as
from server.store.named_queries import sql_of

log = structlog.get_logger()

GATHER_S = 0.5
ERASED_AT_ONCE_MAX = 5


class HotCopy(Protocol):
    """The hot copy of the votes in Valkey: voting.HotErasure."""

    async def erase(self, leavers: Mapping[int, Mapping[int, str]], positions: Mapping[int, int], /) -> list[int]:
        """Removes users. Takes ballots by user and show, and positions by shard, as erase_user() gives them; gives the shows
        whose counts it corrected. Raises CacheError.
        """

    async def probe(self) -> None:
        """Makes sure that Valkey takes writes, and connects. Raises CacheError."""

    async def make_cold(self, show_ids: Iterable[int], /) -> None:
        """Makes shows cold. Raises CacheError."""


class _Erased(msgspec.Struct, frozen=True):
    """The result of the SQL function erase_user()."""

    ballots: dict[int, str]
    positions: dict[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Leaver:
    """A user to erase, by themselves or by an administrator. is_erased: the outcome, whether the user existed."""

    actor: Identity
    user_id: int
    is_erased: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class ErasureRoutes:
    """The endpoints of erasure.

    Takes: hot_copy, of the votes; disconnect, closes the connections of a user to this node; count, counts erasures by
           address; raises Refused(rate_limited)
    """

    def __init__(
        self,
        database: Database,
        hot_copy: HotCopy,
        disconnect: Callable[[int], object],
        count: Callable[[str], Awaitable[None]],
        *,
        gather_s: float = GATHER_S,
    ) -> None:
        self._database = database
        self._hot_copy = hot_copy
        self._disconnect = disconnect
        self._count = count
        self._gather_s = gather_s
        self._erasing = asyncio.Lock()
        self._waiting: list[Leaver] = []

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
        await self._count(call.address)
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
        leaver = Leaver(actor, user_id)
        self._waiting.append(leaver)
        # Whoever gets the lock erases all that wait by then, so that the others find their outcome.
        async with self._erasing:
            if not leaver.is_erased.done():
                await asyncio.sleep(self._gather_s)
                batch, self._waiting = self._waiting[:ERASED_AT_ONCE_MAX], self._waiting[ERASED_AT_ONCE_MAX:]
                await erase(self._database, self._hot_copy, batch)
        is_erased = await leaver.is_erased
        if is_erased:
            self._disconnect(user_id)
        return is_erased


async def erase(database: Database, hot_copy: HotCopy, leavers: Sequence[Leaver]) -> None:
    """Erases users in PostgreSQL and in Valkey, or in neither. Each gets its outcome: whether the user existed, or Refused:
    unavailable, when nothing was erased.

    Cost: reads the vote history of older accounts while votes are written; then locks all shards for some milliseconds
    """
    corrected: list[int] = []
    # Of several requests for one user, the first one erases.
    wanted = {leaver.user_id: leaver for leaver in reversed(leavers)}
    try:
        # Nothing is locked while Valkey is down, and nobody waits for a connection while every row is locked.
        await hot_copy.probe()
        async with database.transaction() as connection:
            await queries.extend_timeout(connection)
            since: dict[int, datetime] = {}
            for user_id in sorted(wanted):
                await act_as(connection, wanted[user_id].actor)
                since[user_id] = await connection.fetchval(
                    sql_of(queries.erase_history), user_id, timeout=STATEMENT_TIMEOUT_S
                )
            ballots: dict[int, dict[int, str]] = {}
            positions: dict[int, int] = {}
            for user_id in sorted(wanted):
                actor = wanted[user_id].actor
                await act_as(connection, actor)
                found = await connection.fetchval(
                    sql_of(queries.erase_user), user_id, since[user_id], timeout=STATEMENT_TIMEOUT_S
                )
                if found is None:
                    continue
                if actor.user_id != user_id:
                    # The entry names the administrator, but not the erased user.
                    await write_audit_log(connection, actor, "user.erase", "user:0", {})
                erased = msgspec.json.decode(found, type=_Erased)
                ballots[user_id], positions = erased.ballots, erased.positions
            if ballots:
                # Last, just before the commit: no vote is committed until then, and if Valkey is down nothing is erased.
                corrected = await hot_copy.erase(ballots, positions)
    except (StoreError, CacheError) as error:
        log.warning("erasure.failed", users=len(leavers), error=str(error))
        await _undo(hot_copy, corrected)
        for leaver in leavers:
            message = "Nothing was erased, because a part of the service is down for a moment. Try again."
            leaver.is_erased.set_exception(Refused(Code.UNAVAILABLE, message, retry_after_ms=1_000))
        return
    except BaseException:
        for leaver in leavers:
            leaver.is_erased.cancel()
        raise
    for leaver in leavers:
        leaver.is_erased.set_result(leaver.user_id in ballots and wanted[leaver.user_id] is leaver)


async def _undo(hot_copy: HotCopy, show_ids: list[int]) -> None:
    """The users stay, and their votes in the log will be committed: the counts that lost them are read again."""
    if not show_ids:
        return
    try:
        await hot_copy.make_cold(show_ids)
    except CacheError as error:
        log.warning("erasure.not_undone", shows=show_ids, error=str(error))
