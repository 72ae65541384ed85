"""A dedicated connection to Valkey.

There is no pool. Each of a node's few loops owns a connection and waits for one answer before it asks again, so a broken
connection concerns only its owner. The commands of one call are sent in one write, and their answers are read together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import redis.asyncio
from redis.exceptions import BusyLoadingError, NoScriptError, RedisError, ResponseError

from server.errors import CacheError, CacheUnavailable
from server.telemetry import VALKEY_SECONDS

CONNECT_TIMEOUT_S = 2.0
REPLY_TIMEOUT_S = 3.0

Command = tuple[str | bytes | int, ...]
# The type of Connection.ask: commands -> their answers, in order. Raises: CacheError.
Ask = Callable[[Sequence[Command]], Awaitable[list[Any]]]


class Connection:
    """Sends commands and gives their answers.

    Threads: event loop; callers wait for their turn
    Cancel:  the connection is dropped, because late answers would be taken for those of the next call
    """

    def __init__(self, url: str, *, on_connect: Callable[[Connection], Awaitable[None]] | None = None) -> None:
        """Takes: url; on_connect, called on every new connection before any other command is sent."""
        pool: Any = redis.asyncio.ConnectionPool.from_url(
            url,
            protocol=2,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_timeout=None,
            client_name="mysetlist",
        )
        self._line: Any = pool.make_connection()
        self._on_connect = on_connect
        self._turn = asyncio.Lock()
        self._is_ready = False

    @property
    def is_ready(self) -> bool:
        """Whether the last call was answered, so that the next one probably will be."""
        return self._is_ready

    async def ask(self, commands: Sequence[Command], *, timeout_s: float = REPLY_TIMEOUT_S) -> list[Any]:
        """Sends commands; gives their answers in order, as undecoded bytes.

        Raises: CacheUnavailable: no connection, loading, or no answer in time; the commands may have run
                CacheError: one of the commands was refused; the others ran
        """
        async with self._turn:
            try:
                async with asyncio.timeout(timeout_s + (0 if self._is_ready else CONNECT_TIMEOUT_S)):
                    if not self._is_ready:
                        await self._connect()
                    return await self._exchange(commands)
            except (RedisError, OSError, TimeoutError) as error:
                await self._drop()
                if isinstance(error, ResponseError) and not isinstance(error, NoScriptError | BusyLoadingError):
                    raise CacheError(str(error)) from error
                raise CacheUnavailable(f"{type(error).__name__}: {error}") from error
            except BaseException:
                await self._drop()
                raise

    async def ask_first(self, commands: Sequence[Command]) -> list[Any]:
        """As `ask`, for use inside `on_connect`: the call that connects already has the turn."""
        return await self._exchange(commands)

    async def close(self) -> None:
        """Closes the connection; the next call would connect again."""
        await self._drop()

    async def _connect(self) -> None:
        await self._line.connect()
        if self._on_connect is not None:
            await self._on_connect(self)
        self._is_ready = True

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        started_s = time.monotonic()
        await self._line.send_packed_command(self._line.pack_commands(commands), check_health=False)
        replies = [await self._line.read_response(disable_decoding=True, timeout=float("inf")) for _ in commands]
        VALKEY_SECONDS.labels(commands[0][0]).observe(time.monotonic() - started_s)
        return replies

    async def _drop(self) -> None:
        self._is_ready = False
        await self._line.disconnect(nowait=True)
