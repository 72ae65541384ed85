"""A dedicated connection to Valkey.

There is no pool. Each of a node's few loops owns a connection and waits for one answer before it asks again, so a broken
connection concerns only its owner. The commands of one call are sent in one write, and their answers are read together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio
from redis.exceptions import NoScriptError, OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

from server.cache.keys import PROBE_KEY
from server.errors import CacheError, CacheUnavailable, WritesRefused
from server.telemetry import VALKEY_SECONDS

CONNECT_TIMEOUT_S = 2.0
REPLY_TIMEOUT_S = 3.0
PROBE_KEPT_S = 60

# After these replies the server may have other data than before: its scripts were flushed, or it follows another server.
_OTHER_DATA = (NoScriptError, ReadOnlyError)
# The first words of replies that refuse a write and change nothing: memory or disk is full, or replicas are missing. The
# driver takes the first word off two of them and makes them exceptions of their own.
_REFUSED_WRITES = ("MISCONF", "NOREPLICAS")
_REFUSED_WRITE_TYPES: dict[type[ResponseError], str] = {OutOfMemoryError: "OOM", ReadOnlyError: "READONLY"}

Command = tuple[str | bytes | int, ...]
# The type of Connection.ask: commands -> their answers, in order. Raises: CacheError.
Ask = Callable[[Sequence[Command]], Awaitable[list[Any]]]


class Connection:
    """Sends commands and gives their answers.

    An error reply keeps the connection: the answers of all commands are read before it is raised.

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
            # Every new connection would read the version of the driver from the files of its package, to tell it to Valkey.
            driver_info=None,
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
        """Sends commands; gives their answers in order, as undecoded bytes. Connects first where necessary.

        Raises: CacheUnavailable: no connection, loading, or no answer in time; the commands may have run
                WritesRefused: Valkey takes no writes; the command that it refused changed nothing
                CacheError: one of the commands was refused; the others ran
        """
        async with self._turn:
            await self._drop_if_ended()
            return await self._ask(commands, timeout_s)

    @asynccontextmanager
    async def reserved(self) -> AsyncIterator[Ask]:
        """The connection for one caller alone, connected: for asking under a lock that `on_connect` may wait for.

        Whoever takes the turn before that lock never holds the lock while another caller connects.

        Gives:  ask, which never connects
        Raises: as ask
        """
        async with self._turn:
            await self._drop_if_ended()
            if not self._is_ready:
                await self._ask([("PING",)], REPLY_TIMEOUT_S)

            async def ask(commands: Sequence[Command]) -> list[Any]:
                if not self._is_ready:
                    raise CacheUnavailable("the connection to Valkey is lost")
                return await self._ask(commands, REPLY_TIMEOUT_S)

            yield ask

    async def probe(self) -> None:
        """Returns when Valkey has taken a write.

        Raises: as ask
        """
        await self.ask([("SET", PROBE_KEY, "", "EX", PROBE_KEPT_S)])

    async def ask_first(self, commands: Sequence[Command]) -> list[Any]:
        """As `ask`, for use inside `on_connect`: the call that connects already has the turn."""
        return await self._exchange(commands)

    async def close(self) -> None:
        """Closes the connection; the next call would connect again."""
        await self._drop()

    async def _ask(self, commands: Sequence[Command], timeout_s: float) -> list[Any]:
        try:
            async with asyncio.timeout(timeout_s + (0 if self._is_ready else CONNECT_TIMEOUT_S)):
                if not self._is_ready:
                    await self._connect()
                return await self._exchange(commands)
        except ResponseError as error:
            if not self._is_ready or isinstance(error, _OTHER_DATA):
                await self._drop()
            raise _refusal(error) from error
        except (RedisError, OSError, TimeoutError) as error:
            await self._drop()
            raise CacheUnavailable(f"{type(error).__name__}: {error}") from error
        except BaseException:
            await self._drop()
            raise

    async def _connect(self) -> None:
        await self._line.connect()
        if self._on_connect is not None:
            await self._on_connect(self)
        self._is_ready = True

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        started_s = time.monotonic()
        await self._line.send_packed_command(self._line.pack_commands(commands), check_health=False)
        replies, refused = [], None
        for _ in commands:
            try:
                replies.append(await self._line.read_response(disable_decoding=True, timeout=float("inf")))
            except ResponseError as error:
                refused = refused or error
        VALKEY_SECONDS.labels(commands[0][0]).observe(time.monotonic() - started_s)
        if refused is not None:
            raise refused
        return replies

    async def _drop_if_ended(self) -> None:
        """Drops a connection that Valkey has ended since the last call, as one that restarts does.

        Nothing is sent yet, so nothing can run twice. The driver notices the end only when it has written.
        """
        if self._is_ready and (self._line._reader.at_eof() or self._line._writer.is_closing()):  # noqa: SLF001
            await self._drop()

    async def _drop(self) -> None:
        self._is_ready = False
        await self._line.disconnect(nowait=True)


def _refusal(error: ResponseError) -> CacheError:
    """The error for our callers. A script's number and line, which Valkey adds to some replies, are left out."""
    reason = str(error).partition(" script: ")[0]
    if isinstance(error, NoScriptError):
        return CacheUnavailable(f"NOSCRIPT {reason}")
    word = _REFUSED_WRITE_TYPES.get(type(error))
    if word is not None:
        return WritesRefused(f"{word} {reason}")
    return WritesRefused(reason) if reason.startswith(_REFUSED_WRITES) else CacheError(reason)
