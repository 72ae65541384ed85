"""Changes of rules in a catalogue that no node serves: there is no vote to hold."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.store.database import Connection


class _Unheld:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def hold(self, _show_ids: Sequence[int]) -> dt.datetime:
        """Holds nothing."""
        return dt.datetime.now(dt.UTC)

    async def settle(self) -> None:
        """Waits for nothing."""


@asynccontextmanager
async def unheld(transaction: AbstractAsyncContextManager[Connection], /) -> AsyncIterator[_Unheld]:
    """A change of rules that only opens its transaction (store.rule_changes.ChangeRules)."""
    async with transaction as connection:
        yield _Unheld(connection)
