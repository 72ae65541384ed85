"""Changes of voting rules: one way for all of them, so that after its answer no node decides a vote by the old rules.

A change holds its shows in Valkey, writes the rules to PostgreSQL, and brings them to Valkey, which lifts the hold. A node
that dies on the way leaves a hold that ends by itself; the shows are then cold, and are read again (docs/adr/0028).
"""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from server.cache.cluster import connection_to
from server.cache.connection import Ask, Command
from server.cache.keys import meta_key, shard_prefix
from server.errors import CacheError, CacheUnavailable, Refused, StoreError, StoreUnavailable, WritesRefused
from server.protocol.codes import Code
from server.store.database import Database
from server.store.rule_changes import RuleChange
from server.voting.log import HOLD_SCRIPT, REVISE_SCRIPT
from server.voting.queries import voting as queries
from server.voting.reconcile import reopen_shards
from server.voting.rules import shard_of

if TYPE_CHECKING:
    from server.store.database import Connection as Transaction

log = structlog.get_logger()

# A hold lasts so long if its node dies. The transaction has to end well before, counted from the first hold.
HOLD_S = 10.0
TRANSACTION_S = 7.0
RETRY_AFTER_MS = 1_000
# So that casts do not wait long behind a call that revises many shows.
SHOWS_PER_CALL = 50
# How long a change that moves votes waits for the writer, and how often it looks.
SETTLE_S = 3.0
SETTLE_EVERY_S = 0.02

_encode = msgspec.msgpack.Encoder().encode

# What revise.lua takes for a show; a show's id alone: its rules have not changed.
Rules = tuple[Any, ...]
Reopen = Callable[[Sequence[int]], Awaitable[None]]


@asynccontextmanager
async def open_rule_changes(database: Database, redis_url: str) -> AsyncIterator[RuleChanges]:
    """Changes of rules with a connection to Valkey of their own.

    Raises: StoreUnavailable
    """
    async with database.connection() as connection:
        shard_count = len([row async for row in queries.fetch_positions(connection)])
    valkey = connection_to(redis_url)
    try:
        yield RuleChanges(valkey.ask, partial(reopen_shards, database, redis_url), shard_count=shard_count)
    finally:
        await valkey.close()


class RuleChanges:
    """Opens changes of rules (store.rule_changes.ChangeRules).

    Takes: ask, of a Connection that opens no shard: a change may hold the rows that an opening waits for;
           reopen, throws the hot copies of shows away; shard_count, of the database
    """

    def __init__(self, ask: Ask, reopen: Reopen, *, shard_count: int) -> None:
        self._ask = ask
        self._reopen = reopen
        self._shard_count = shard_count

    @asynccontextmanager
    async def __call__(self, transaction: AbstractAsyncContextManager[Transaction], /) -> AsyncIterator[RuleChange]:
        """As ChangeRules says."""
        token = secrets.token_hex(8)
        held: set[int] = set()
        is_ending = False
        try:
            async with asyncio.timeout(None) as patience, transaction as connection:
                change = _Change(connection, held, token, self._ask, shard_count=self._shard_count, patience=patience)
                yield change
                rules = await fetch_rules(connection, sorted(held))
                is_ending = True
        except BaseException as error:
            if is_ending:
                # Whether the rules have changed is unknown. The holds stay until their deadline; then the shows are cold.
                log.warning("rules.unknown", shows=sorted(held), error=str(error))
            else:
                await self._lift(token, [(show_id,) for show_id in held])
            if isinstance(error, TimeoutError):
                raise StoreUnavailable(f"a change of rules took longer than {TRANSACTION_S:.0f} s") from error
            raise
        if change.is_settled and not await self._forget(held):
            # Nobody may vote by the old counts. The holds stay until their deadline; then the shows are cold.
            return
        await self._lift(token, rules)

    async def _forget(self, show_ids: set[int]) -> bool:
        """Throws the hot copies of shows away. Gives: whether it worked."""
        try:
            await self._reopen(sorted(show_ids))
        except (StoreError, CacheError) as error:
            log.warning("rules.not_reopened", shows=sorted(show_ids), error=str(error))
            return False
        return True

    async def _lift(self, token: str, rules: Iterable[Rules]) -> None:
        """Brings rules to Valkey, and lifts the holds. Without Valkey nobody can vote, and the holds end by themselves."""
        commands = revise_commands(rules, self._shard_count, token=token)
        try:
            if commands:
                await self._ask(commands)
        except CacheError as error:
            log.warning("rules.not_lifted", error=str(error))


class _Change:
    """One change under way (store.rule_changes.RuleChange). held: the shows that it has asked Valkey to hold."""

    is_settled = False

    def __init__(
        self,
        connection: Transaction,
        held: set[int],
        token: str,
        ask: Ask,
        *,
        shard_count: int,
        patience: asyncio.Timeout,
    ) -> None:
        self.connection = connection
        self._held = held
        self._token = token
        self._ask = ask
        self._shard_count = shard_count
        self._patience = patience

    async def hold(self, show_ids: Sequence[int]) -> dt.datetime:
        """As RuleChange says."""
        by_shard: dict[int, list[int]] = {}
        for show_id in show_ids:
            by_shard.setdefault(shard_of(show_id, self._shard_count), []).append(show_id)
        commands: list[Command] = [
            ("EVAL", HOLD_SCRIPT, 1, shard_prefix(shard), _encode((self._token, round(HOLD_S * 1000), shows)))
            for shard, shows in by_shard.items()
        ]
        self._held.update(show_ids)
        if self._patience.when() is None:
            self._patience.reschedule(asyncio.get_running_loop().time() + TRANSACTION_S)
        try:
            instants = await self._ask(commands) if commands else [0]
        except CacheError as error:
            log.warning("rules.not_held", shows=sorted(show_ids), error=str(error))
            message = f"{_why(error)}, so no voting rules can change now. Nothing was changed. Try again."
            raise Refused(Code.UNAVAILABLE, message, retry_after_ms=RETRY_AFTER_MS) from error
        return dt.datetime.fromtimestamp(max(instants) / 1000, dt.UTC)

    async def settle(self) -> None:
        """As RuleChange says."""
        shards = sorted({shard_of(show_id, self._shard_count) for show_id in self._held})
        try:
            ends = await self._ask([("HGET", meta_key(shard), "last") for shard in shards])
            async with asyncio.timeout(SETTLE_S):
                await self._until_committed({shard: int(end) for shard, end in zip(shards, ends, strict=True) if end})
        except (CacheError, TimeoutError) as error:
            why = _why(error) if isinstance(error, CacheError) else "Votes are still on their way to PostgreSQL"
            message = f"{why}, so no votes can be moved now. Nothing was changed. Try again."
            raise Refused(Code.UNAVAILABLE, message, retry_after_ms=RETRY_AFTER_MS) from error
        self.is_settled = True

    async def _until_committed(self, ends: dict[int, int]) -> None:
        while True:
            positions = {row["shard"]: row["position"] async for row in queries.fetch_positions(self.connection)}
            if all(positions[shard] >= end for shard, end in ends.items()):
                return
            await asyncio.sleep(SETTLE_EVERY_S)


def _why(error: CacheError) -> str:
    if isinstance(error, CacheUnavailable):
        return "Valkey does not answer"
    return f"Valkey refuses {'writes' if isinstance(error, WritesRefused) else 'commands'} ({error})"


async def fetch_rules(connection: Transaction, show_ids: list[int]) -> list[Rules]:
    """The rules of shows as revise.lua takes them.

    Raises: StoreUnavailable
    """
    if not show_ids:
        return []
    return [
        (
            row["id"], row["opens_ms"], row["closes_ms"], int(row["is_locked"]), row["budget"], row["revision"],
            row["song_ids"], int(row["requires_ticket"]), row["audience"], row["played_ids"], row["picks_close_ms"],
        )
        async for row in queries.fetch_revised_shows(connection, show_ids=show_ids)
    ]  # fmt: skip


def revise_commands(rules: Iterable[Rules], shard_count: int, *, token: str = "") -> list[Command]:
    """The calls of revise.lua that bring rules to Valkey; with a token, they lift the holds of that change."""
    by_shard: dict[int, list[Rules]] = {}
    for one in rules:
        by_shard.setdefault(shard_of(one[0], shard_count), []).append(one)
    return [
        ("EVAL", REVISE_SCRIPT, 1, shard_prefix(shard), _encode((token, shows[start : start + SHOWS_PER_CALL])))
        for shard, shows in by_shard.items()
        for start in range(0, len(shows), SHOWS_PER_CALL)
    ]
