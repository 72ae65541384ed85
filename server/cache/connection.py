"""A dedicated connection to Valkey: to one server here, to a cluster in cluster.py.

There is no pool. Each of a node's few loops owns a connection and waits for one answer before it asks again, so a broken
connection concerns only its owner. The commands of one call are sent in one write, and their answers are read together.
"""

from __future__ import annotations

import asyncio
import re
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import redis.asyncio
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)

from server.cache.keys import PROBE_KEY, shard_prefix
from server.errors import CacheError, CacheUnavailable, NothingRan, WritesRefused
from server.telemetry import VALKEY_SECONDS

CONNECT_TIMEOUT_S = 2.0
REPLY_TIMEOUT_S = 3.0
PROBE_KEPT_S = 60

# After these replies the server may have other data than before: its scripts were flushed, or it follows another server, or it
# has lost sight of the others of its cluster.
_OTHER_DATA = (NoScriptError, ReadOnlyError, ClusterDownError)
# A cluster's replies "not here", "not now": nothing ran. We never follow them (docs/adr/0040).
_ELSEWHERE: dict[type[ResponseError], str] = {
    MovedError: "MOVED", AskError: "ASK", TryAgainError: "TRYAGAIN", ClusterDownError: "CLUSTERDOWN"
}  # fmt: skip
# The first words of replies that refuse a write and change nothing: memory or disk is full, or replicas are missing. The
# driver takes the first word off two of them and makes them exceptions of their own.
_REFUSED_WRITES = ("MISCONF", "NOREPLICAS")
_REFUSED_WRITE_TYPES: dict[type[ResponseError], str] = {OutOfMemoryError: "OOM", ReadOnlyError: "READONLY"}

# What the driver raises inside `resets_told` when there is no answer of Valkey. An error reply is a ResponseError, one of them.
AWAY = (RedisError, RedisClusterException, OSError, TimeoutError)

Command = tuple[str | bytes | int, ...]


class _Server(str):
    __slots__ = ()


# In a command: the id of the process that will run it, in a cluster; empty for a single server.
SERVER = _Server()
# The type of Connection.ask: commands -> their answers, in order. Raises: CacheError.
Ask = Callable[[Sequence[Command]], Awaitable[list[Any]]]


class Reserved(NamedTuple):
    """A server's connection for one caller alone.

    ask: never connects; server: the id of its process, if it is of a cluster, else empty
    """

    ask: Ask
    server: str


class Connection(ABC):
    """Sends commands and gives their answers.

    An error reply keeps the connection: the answers of all commands are read before it is raised.

    Threads: event loop; callers wait for their turn
    Cancel:  the connection is dropped, because late answers would be taken for those of the next call
    """

    is_cluster = False

    @property
    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the last call was answered, so that the next one probably will be."""

    @abstractmethod
    async def ask(self, commands: Sequence[Command], *, timeout_s: float = REPLY_TIMEOUT_S) -> list[Any]:
        """Sends commands; gives their answers in order, as undecoded bytes. Connects first where necessary.

        On a cluster, the commands for one server run in order, those for different servers at the same time.

        Raises: CacheUnavailable: no connection, loading, or no answer in time; the commands may have run
                WritesRefused: Valkey takes no writes; the command that it refused changed nothing
                CacheError: one of the commands was refused; the others ran
        """

    @abstractmethod
    async def ask_shards(self, commands: Sequence[Command]) -> list[Any]:
        """As `ask`, for commands of several shards: on a cluster, the CacheError of one stands in place of its answer.

        Raises: as ask; on a cluster, only if every command failed: NothingRan if none of them ran
        """

    @abstractmethod
    async def ask_servers(self, command: Command) -> dict[str, Any]:
        """Sends a command without a key to each server that takes votes.

        Gives:  its answers by the server's "host:port", "" for a single server; on a cluster, a CacheError in place of an answer
        Raises: as ask; on a cluster, CacheUnavailable: no server tells who belongs to the cluster
        """

    @abstractmethod
    def reserved(self, key: str) -> AbstractAsyncContextManager[Reserved]:
        """The connection to the server of a key for one caller alone, connected: for asking under a lock that `on_connect` may wait
        for. Whoever takes the turn before that lock never holds the lock while another caller connects.

        Raises: as ask
        """

    @abstractmethod
    def server_of(self, key: str) -> str:
        """The id of the process that holds a key, as far as it is known; "" for a single server."""

    @abstractmethod
    async def probe(self, shards: Sequence[int] = ()) -> dict[int, CacheError]:
        """Sees whether Valkey takes writes.

        Takes:  shards, which a cluster is asked about; none: whether each of its servers answers
        Gives:  the errors of shards; of a single server, none
        Raises: as ask_shards; without shards, as ask
        """

    @abstractmethod
    async def close(self) -> None:
        """Closes the connection; the next call would connect again."""


class Line(Connection):
    """The connection to one server."""

    def __init__(
        self,
        url: str,
        *,
        on_connect: Callable[[Line], Awaitable[None]] | None = None,
        holds: Callable[[str], bool] | None = None,
    ) -> None:
        """Takes: url; on_connect, called on every new connection before any other command is sent; holds, whether this server of
        a cluster holds a key; None: there is no cluster.
        """
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
        self._holds = holds
        self._turn = asyncio.Lock()
        self._is_ready = False
        self._drops = 0  # how often the connection was lost or closed
        self.server = ""

    @property
    def is_ready(self) -> bool:
        """Whether the last call was answered, so that the next one probably will be."""
        return self._is_ready

    async def ask(self, commands: Sequence[Command], *, timeout_s: float = REPLY_TIMEOUT_S) -> list[Any]:
        """As Connection says."""
        async with self._turn:
            await self._drop_if_ended()
            return checked(await self._ask(commands, timeout_s))

    async def ask_all(self, commands: Sequence[Command], *, timeout_s: float = REPLY_TIMEOUT_S) -> list[Any]:
        """As `ask`, but the CacheError of a refused command stands in place of its answer.

        Raises: CacheUnavailable: there are no answers, or the connection was lost while this call waited for its turn
        """
        drops = self._drops
        async with self._turn:
            if not self._is_ready and drops != self._drops:
                raise CacheUnavailable("the connection is lost")
            await self._drop_if_ended()
            return await self._ask(commands, timeout_s)

    ask_shards = ask

    async def ask_servers(self, command: Command) -> dict[str, Any]:
        """As Connection says."""
        return {"": (await self.ask([command]))[0]}

    @asynccontextmanager
    async def reserved(self, _key: str = "") -> AsyncIterator[Reserved]:
        """As Connection says."""
        async with self._turn:
            await self._drop_if_ended()
            if not self._is_ready:
                await self._ask([("PING",)], REPLY_TIMEOUT_S)

            async def ask(commands: Sequence[Command]) -> list[Any]:
                if not self._is_ready:
                    raise CacheUnavailable("the connection to Valkey is lost")
                return checked(await self._ask(commands, REPLY_TIMEOUT_S))

            yield Reserved(ask, self.server)

    def server_of(self, _key: str) -> str:
        """As Connection says."""
        return ""

    async def probe(self, _shards: Sequence[int] = ()) -> dict[int, CacheError]:
        """As Connection says."""
        await self.ask([("SET", PROBE_KEY, "", "EX", PROBE_KEPT_S)])
        return {}

    async def ask_first(self, commands: Sequence[Command]) -> list[Any]:
        """As `ask`, for use inside `on_connect`: the call that connects already has the turn."""
        return checked(await self._exchange(commands))

    async def ask_first_shards(self, commands: Sequence[Command]) -> list[Any]:
        """As `ask_first`; in a cluster, the CacheError of a command stands in place of its answer."""
        return checked(await self._exchange(commands)) if self._holds is None else await self._exchange(commands)

    def held(self, shards: Iterable[int]) -> list[int]:
        """Those of some shards that this server holds."""
        return [shard for shard in shards if self._holds is None or self._holds(shard_prefix(shard))]

    async def close(self) -> None:
        """Closes the connection; the next call would connect again."""
        await self._drop()

    async def _ask(self, commands: Sequence[Command], timeout_s: float) -> list[Any]:
        try:
            async with asyncio.timeout(timeout_s + (0 if self._is_ready else CONNECT_TIMEOUT_S)):
                if not self._is_ready:
                    await self._connect()
                return await self._exchange(commands)
        except AWAY as error:
            await self._drop()
            if isinstance(error, ResponseError):
                raise _refusal(error) from error
            raise CacheUnavailable(f"{type(error).__name__}: {error}") from error
        except BaseException:
            await self._drop()
            raise

    async def _connect(self) -> None:
        with resets_told():
            await self._line.connect()
        if self._holds is not None:
            (info,) = await self.ask_first([("INFO", "server")])
            self.server = re.search(rb"^run_id:(\w+)", info, re.MULTILINE)[1].decode()  # type: ignore[index]  # every version tells it
        if self._on_connect is not None:
            await self._on_connect(self)
        self._is_ready = True

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        """The answers; a CacheError in place of each answer that is an error reply."""
        if not commands:
            return []
        started_s = time.monotonic()
        if self._holds is not None:
            commands = [tuple(self.server if part is SERVER else part for part in command) for command in commands]
        with resets_told():
            await self._line.send_packed_command(self._line.pack_commands(commands), check_health=False)
        replies: list[Any] = []
        has_other_data = False
        for _ in commands:
            try:
                replies.append(await self._line.read_response(disable_decoding=True, timeout=float("inf")))
            except ResponseError as error:
                replies.append(_refusal(error))
                has_other_data = has_other_data or isinstance(error, _OTHER_DATA)
        VALKEY_SECONDS.labels(commands[0][0]).observe(time.monotonic() - started_s)
        if has_other_data:
            await self._drop()
        return replies

    async def _drop_if_ended(self) -> None:
        """Drops a connection that Valkey has ended since the last call, as one that restarts does.

        Nothing is sent yet, so nothing can run twice. The driver notices the end only when it has written.
        """
        if self._is_ready and (self._line._reader.at_eof() or self._line._writer.is_closing()):  # noqa: SLF001
            await self._drop()

    async def _drop(self) -> None:
        self._is_ready = False
        self._drops += 1
        await self._line.disconnect(nowait=True)


@contextmanager
def resets_told() -> Iterator[None]:
    """Around calls of the driver, and of nothing else: makes uvloop's RuntimeError a ConnectionResetError.

    uvloop raises it when a connection is written to that the peer has reset. The driver does not translate it, and cannot know of the
    reset before: it reads only after it has written.
    """
    try:
        yield
    except RuntimeError as error:
        raise ConnectionResetError(str(error)) from error


def checked(answers: list[Any]) -> list[Any]:
    """The answers, if none of them is an error."""
    for answer in answers:
        if isinstance(answer, CacheError):
            raise answer
    return answers


def _refusal(error: ResponseError) -> CacheError:
    """The error for our callers. A script's number and line, which Valkey adds to some replies, are left out."""
    reason = str(error).partition(" script: ")[0]
    if isinstance(error, NoScriptError):
        return CacheUnavailable(f"NOSCRIPT {reason}")
    if (word := _ELSEWHERE.get(type(error))) is not None:
        return NothingRan(f"{word} {reason}")
    word = _REFUSED_WRITE_TYPES.get(type(error))
    if word is not None:
        return WritesRefused(f"{word} {reason}")
    return WritesRefused(reason) if reason.startswith(_REFUSED_WRITES) else CacheError(reason)
