"""How rooms change what decides about votes: windows, locks, budgets, tickets, songs, audiences (docs/adr/0028).

voting.rule_changes does it. The other rooms know only these types.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from server.store.database import Connection


class RuleChange(Protocol):
    """One change of the rules of shows: a transaction in which no vote of the held shows is decided."""

    @property
    def connection(self) -> Connection:
        """The transaction."""

    async def hold(self, show_ids: Sequence[int]) -> dt.datetime:
        """Lets no cast of these shows be decided until the change is over. Call it before the first row is locked.

        Gives:  an instant: all votes cast so far are older, and all later ones follow the new rules
        Raises: Refused: unavailable, Valkey does not answer or refuses writes
        """

    async def settle(self) -> None:
        """Waits until all votes on the held shows are in the database, so that the transaction may move votes. After the
        commit, and before votes go on, the hot copy of these shows is thrown away: their counts have changed.

        Call it after `hold`, before the first row is locked.
        Raises: Refused: unavailable, Valkey or the writer is away
        """


class ChangeRules(Protocol):
    """Opens a change of rules."""

    def __call__(
        self, transaction: AbstractAsyncContextManager[Connection], /
    ) -> AbstractAsyncContextManager[RuleChange]:
        """The block runs in the transaction. After the block, no node decides a vote by the old rules.

        Raises: StoreUnavailable: PostgreSQL is away, or too slow; and what the block raises, with the old rules back
        """


class _Rehearsal:
    """A change that is undone at its end, so it holds no votes."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def hold(self, show_ids: Any) -> Any:
        """Does nothing."""

    async def settle(self) -> None:
        """Does nothing."""


@asynccontextmanager
async def rehearsed(rehearsal: AbstractAsyncContextManager[Connection]) -> AsyncIterator[RuleChange]:
    """A change of rules for a preview. Takes: rehearsal, a transaction that is undone at its end."""
    async with rehearsal as connection:
        yield _Rehearsal(connection)
