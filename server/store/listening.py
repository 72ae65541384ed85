"""LISTEN on a dedicated connection, never from a pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from server.store.database import connect, translated
from server.store.hosts import check_takes_writes

# The name of the connection in pg_stat_activity.application_name.
LISTENER = "mysetlist listener"
# A listener that takes no notifications makes PostgreSQL keep all of them. So it ends the connection of a stopped process.
IDLE_S_MAX = 60.0

# Called with a notification's payload.
Handle = Callable[[str], None]


class Listening:
    """One connection that listens.

    A dead peer is noticed only when it does not answer. So the owner runs a query about once a second with `rows`, and takes
    StoreUnavailable as the end of this connection.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.is_over = asyncio.Event()
        connection.add_termination_listener(lambda _: self.is_over.set())

    @classmethod
    async def open(cls, url: str, handlers: dict[str, Handle]) -> Listening:
        """Connects and listens on all channels of `handlers`.

        Raises: StoreUnavailable
        Cancel: the connection is closed
        """
        listening = cls(await connect(url, name=LISTENER, idle_max_s=IDLE_S_MAX))
        try:
            with translated():
                for channel, handle in handlers.items():
                    await listening.connection.add_listener(channel, _unwrapped(handle))
        except BaseException:  # on cancellation too: nothing else can close the connection
            listening.close()
            raise
        return listening

    async def rows(self, query: Any, *, timeout_s: float, **parameters: int | Sequence[int]) -> list[Any]:
        """The rows of a named query, read on this connection itself.

        Raises: StoreUnavailable: also when the answer takes longer than `timeout_s`, or the server is no longer the primary
        """
        check_takes_writes(self.connection)
        with translated():
            async with asyncio.timeout(timeout_s):
                return [row async for row in query(self.connection, **parameters)]

    def close(self) -> None:
        """Closes the connection at once."""
        self.connection.terminate()


def _unwrapped(handle: Handle) -> Callable[[Any, int, str, Any], None]:
    """The callback for asyncpg, which gives more than the payload."""

    def on_notification(_connection: Any, _pid: int, _channel: str, payload: Any) -> None:
        handle(payload)

    return on_notification
