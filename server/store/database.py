"""Connections to PostgreSQL, and the translation of its errors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from server.errors import Refused, StoreConflict, StoreError, StoreUnavailable
from server.protocol.codes import Code
from server.protocol.identity import Identity
from server.store.hosts import connect_to_primary, connect_to_replica
from server.telemetry import POOL_WAIT_SECONDS

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

Result = TypeVar("Result")

# The roles of connections (migrations, row security). The login owns the tables; both roles have fewer rights.
REQUEST_ROLE = "mysetlist_request"
WRITER_ROLE = "mysetlist_writer"

POOL_SIZE = 8
READS_POOL_SIZE = 6
CHANNELS_POOL_SIZE = 3
OWNER_POOL_SIZE = 2
COMMAND_TIMEOUT_S = 10.0
# PostgreSQL cancels a statement so much later than the client gives up on it.
SERVER_PATIENCE_S = 5.0
CONNECT_TIMEOUT_S = 5.0
ACQUIRE_TIMEOUT_S = 5.0
# Shorter than COMMAND_TIMEOUT_S, after which the driver would ask PostgreSQL to cancel.
COMMIT_S_MAX = 8.0

# PostgreSQL itself limits the time of statements too, so that an abandoned statement holds no lock for long.
SESSION_SETTINGS = {
    "application_name": "mysetlist",
    "timezone": "UTC",
    "statement_timeout": f"{COMMAND_TIMEOUT_S + SERVER_PATIENCE_S:.0f}s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "15s",
    # The locks of a vanished peer are free after about ten seconds; no effect on unix sockets. Keepalives find it while
    # nothing is on its way, the user timeout while something is.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10s",
    # How similar a misspelt word has to be: it finds two swapped letters in seven, and one missing letter in four.
    "pg_trgm.word_similarity_threshold": "0.5",
}
# Queries for clients have optional filters, and a good plan depends on which are set. Planning takes under a millisecond.
_REQUEST_SETTINGS = {"plan_cache_mode": "force_custom_plan"}
# Each statement of a commit finds its rows by an index. Without this, a plan that was made while a table was empty reads it whole once
# for each vote, until the table's statistics are taken again.
_WRITER_SETTINGS = {"enable_seqscan": "off"}
# What a pooler in transaction mode keeps for each client. TCP is the pooler's own affair.
_POOLER_SETTINGS = frozenset({"application_name", "timezone"})

_UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    # Its memory, disk, connections, files or its queue of notifications: all of them come back without a change of ours.
    asyncpg.InsufficientResourcesError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.PostgresSystemError,
    asyncpg.InternalServerError,  # a file that cannot grow, a function that a migration replaces
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.exceptions.InvalidCachedStatementError,  # a migration has changed what a statement gives
    asyncpg.ReadOnlySQLTransactionError,
    TimeoutError,
    OSError,
)


@contextmanager
def translated() -> Iterator[None]:
    """Translates the driver's exceptions to StoreConflict and StoreUnavailable, by class and never by text."""
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        # The driver's details are left out: they quote the values, such as an address or a user's id.
        raise StoreConflict(str(error.args[0]), error.constraint_name) from error
    except _UNAVAILABLE as error:
        raise StoreUnavailable(f"{type(error).__name__}: {error}") from error


@contextmanager
def translated_all() -> Iterator[None]:
    """Like `translated`, but gives all other PostgreSQL errors as StoreError: for work whose failure is reported, not a bug."""
    try:
        with translated():
            yield
    except asyncpg.PostgresError as error:
        raise StoreError(f"{type(error).__name__}: {error}") from error


class _Rehearsed(Exception):
    """Rolls a transaction back whose block has succeeded."""


class Database:
    """A pool of connections for short transactions.

    Cancel: a cancelled block returns its connection in a clean state, or closes it
    """

    def __init__(self, url: str, pool: asyncpg.Pool[asyncpg.Record], name: str, begin: str = "") -> None:
        self.url = url
        self._pool = pool
        self._wait_seconds = POOL_WAIT_SECONDS.labels(name)
        self._begin = begin

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        role: str | None = None,
        pool_size: int = POOL_SIZE,
        timeout_s: float = COMMAND_TIMEOUT_S,
        name: str | None = None,
        is_pooled: bool = False,
        is_replica: bool = False,
    ) -> Database:
        """Connects.

        Takes:  role, REQUEST_ROLE or WRITER_ROLE; None: the owner's full rights; timeout_s, for a statement: longer than
                usual for a command that reads every vote; name, of the pool in metrics; None: by its role;
                is_pooled, True: a pooler in transaction mode answers at `url`, so no statement outside a transaction, no
                prepared statement, and no setting of a session;
                is_replica, True: connects to a replica, and only when it is first used
        Raises: StoreUnavailable: no server that takes writes answers at `url`
        """
        settings = (
            SESSION_SETTINGS
            | {"statement_timeout": f"{timeout_s + SERVER_PATIENCE_S:.0f}s"}
            | ({} if role is None else {"role": role})
            | (_REQUEST_SETTINGS if role == REQUEST_ROLE else {})
            | (_WRITER_SETTINGS if role == WRITER_ROLE else {})
        )
        options: dict[str, Any] = {"server_settings": settings, "connect": connect_to_primary}
        if role is not None or is_pooled:
            options["reset"] = _keep_session
        begin = ""
        if is_pooled:
            local = {name: value for name, value in settings.items() if not name.startswith("tcp_")}
            begun = [f"set_config('{name}', '{local.pop(name)}', true)" for name in local.keys() - _POOLER_SETTINGS]
            begin = f"select {', '.join(begun)}"
            options |= {"server_settings": local, "statement_cache_size": 0}
        if is_replica:
            options["connect"] = connect_to_replica
        with translated():
            pool = await asyncpg.create_pool(
                url,
                min_size=0 if is_replica else 1,
                max_size=pool_size,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=timeout_s,
                **options,
            )
        return cls(url, pool, name or (role or "owner").removeprefix("mysetlist_"), begin)

    @asynccontextmanager
    async def _reserved(self) -> AsyncIterator[Connection]:
        """One connection of the pool, as it is."""
        started_s = time.monotonic()
        with translated():
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                self._wait_seconds.observe(time.monotonic() - started_s)
                try:
                    yield connection
                except asyncpg.ReadOnlySQLTransactionError:
                    # Its server was the primary and is so no more.
                    await self.renew()
                    raise
                except BaseException:
                    # A connection that is lost has left its pool already, and is nothing any more.
                    if end_early := getattr(connection, "end_early", None):
                        end_early()
                    raise

    @asynccontextmanager
    async def _begun(self, **options: Any) -> AsyncIterator[Connection]:
        """One transaction. Takes: options, of asyncpg's Connection.transaction."""
        async with self._reserved() as connection, connection.transaction(**options):
            if self._begin:
                await connection.execute(self._begin)
            yield connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One connection for a few statements; each is its own transaction, or behind a pooler all are one."""
        async with self._begun() if self._begin else self._reserved() as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """One connection whose statements all see the same instant; read-only."""
        async with self._begun(isolation="repeatable_read", readonly=True) as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction: committed at the end of the block, rolled back when it raises."""
        async with self._begun() as connection:
            yield connection

    @asynccontextmanager
    async def rehearsal(self) -> AsyncIterator[Connection]:
        """A transaction that checks everything at its end, and is then rolled back."""
        with suppress(_Rehearsed):
            async with self._begun() as connection:
                yield connection
                await connection.execute("set constraints all immediate")
                # Not asyncpg's start and rollback: a client that goes between them would leave a transaction open.
                raise _Rehearsed

    @asynccontextmanager
    async def acting(
        self, identity: Identity | None, *, is_snapshot: bool = False, is_preview: bool = False
    ) -> AsyncIterator[Connection]:
        """One transaction on behalf of a user. Row security limits it to the user's own rows; None: to public rows.

        Takes:  is_snapshot, True: read-only, at one instant, like `snapshot`; is_preview, True: undone at its end, like
                `rehearsal`
        Raises: Refused: unauthenticated, a constraint failed because the account was erased meanwhile
        """
        try:
            opened = self.rehearsal() if is_preview else self.snapshot() if is_snapshot else self.transaction()
            async with opened as connection:
                if identity is not None:
                    await act_as(connection, identity)
                yield connection
        except StoreConflict as error:
            if identity is not None and not await self._has_account(identity):
                raise Refused(Code.UNAUTHENTICATED, "This account is gone. Sign in again.") from error
            raise

    async def _has_account(self, identity: Identity) -> bool:
        async with self.transaction() as connection:
            await act_as(connection, identity)
            found: bool = await connection.fetchval("select exists (select from users where id = $1)", identity.user_id)
        return found

    async def renew(self) -> None:
        """Has every connection replaced before its next use: another host of the address may be the right one now."""
        await self._pool.expire_connections()

    async def ping(self) -> None:
        """Returns when PostgreSQL answers.

        Raises: StoreUnavailable
        """
        async with self.connection() as connection:
            await connection.execute("select 1")

    async def close(self) -> None:
        """Closes every connection; those still in use after a second are cut."""
        try:
            async with asyncio.timeout(1.0):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


async def _keep_session(connection: Any) -> None:
    """Replaces asyncpg's cleaning of a session after each use, which costs a round trip. Our transactions leave nothing in it: behind a
    pooler it is the session of another client next.

    But the driver prepares a statement without ending the transaction of its own that PostgreSQL begins for it. When the statement is then
    not run, because the client has gone or a value has the wrong type, that transaction would stay open into the next use.
    """
    if connection.has_ended_early:
        connection.has_ended_early = False
        await connection.execute("select 1")


async def act_as(connection: Connection, identity: Identity) -> None:
    """From here to its end, a transaction acts for this user: row security limits it to the user's own rows."""
    await connection.execute(
        "select set_config('app.user_id', $1, true), set_config('app.role', $2, true)",
        str(identity.user_id),
        identity.role,
    )


async def committed(connection: Connection, commit: Coroutine[Any, Any, Result]) -> Result:
    """Waits for a statement that commits by itself, and never asks PostgreSQL to cancel it.

    A commit may be waiting for a synchronous replica. Cancelled, it would count without the replica, and be lost with the
    primary. So when it takes too long, or nobody waits any more, only the connection is cut: PostgreSQL goes on waiting.
    Takes:  commit, the call of its query on this connection
    Raises: the driver's exceptions; ConnectionDoesNotExistError: it took longer than COMMIT_S_MAX
    """
    task = asyncio.create_task(commit)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        await asyncio.wait([task], timeout=COMMIT_S_MAX)
    finally:
        if not task.done():
            connection.terminate()
    return await task


@asynccontextmanager
async def savepoint(connection: Connection) -> AsyncIterator[None]:
    """Part of a transaction: when it raises, only this part is undone, and the transaction can go on.

    Raises: StoreConflict, StoreUnavailable
    """
    with translated():
        async with connection.transaction():
            yield


async def connect(
    url: str, *, name: str = "mysetlist", is_unhurried: bool = False, idle_max_s: float | None = None
) -> Any:
    """A dedicated connection, outside any pool: for LISTEN, leases and long work.

    Takes:  name, for pg_stat_activity
            is_unhurried, True: a statement has no time limit, but PostgreSQL ends it when its client is gone
            idle_max_s, after this time without a statement PostgreSQL ends the connection: for one that holds a lock of
            its session. A stopped process answers keepalives, so nothing else would end it; None: no limit
    Gives:  asyncpg.Connection
    Raises: StoreUnavailable
    """
    timeouts = {"statement_timeout": "0", "client_connection_check_interval": "2s"} if is_unhurried else {}
    if idle_max_s is not None:
        timeouts["idle_session_timeout"] = f"{idle_max_s:.0f}s"
    with translated():
        return await connect_to_primary(
            url,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=None if is_unhurried else COMMAND_TIMEOUT_S,
            server_settings=SESSION_SETTINGS | timeouts | {"application_name": name},
        )
