"""Connections to PostgreSQL, and the translation of its errors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from server.errors import Refused, StoreConflict, StoreError, StoreUnavailable
from server.protocol.codes import Code
from server.protocol.identity import Identity
from server.telemetry import POOL_WAIT_SECONDS

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

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

_UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.DiskFullError,
    asyncpg.InvalidCatalogNameError,
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


class Database:
    """A pool of connections for short transactions.

    Cancel: a cancelled block returns its connection in a clean state, or closes it
    """

    def __init__(self, url: str, pool: asyncpg.Pool[asyncpg.Record], name: str) -> None:
        self.url = url
        self._pool = pool
        self._wait_seconds = POOL_WAIT_SECONDS.labels(name)

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        role: str | None = None,
        pool_size: int = POOL_SIZE,
        timeout_s: float = COMMAND_TIMEOUT_S,
        name: str | None = None,
    ) -> Database:
        """Connects.

        Takes:  role, REQUEST_ROLE or WRITER_ROLE; None: the owner's full rights; timeout_s, for a statement: longer than
                usual for a command that reads every vote; name, of the pool in metrics; None: by its role
        Raises: StoreUnavailable: no server answers at `url`
        """
        with translated():
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=pool_size,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=timeout_s,
                server_settings=SESSION_SETTINGS
                | {"statement_timeout": f"{timeout_s + SERVER_PATIENCE_S:.0f}s"}
                | ({} if role is None else {"role": role})
                | (_REQUEST_SETTINGS if role == REQUEST_ROLE else {}),
            )
        return cls(url, pool, name or (role or "owner").removeprefix("mysetlist_"))

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One connection for a few statements; each is its own transaction."""
        started_s = time.monotonic()
        with translated():
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                self._wait_seconds.observe(time.monotonic() - started_s)
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """One connection whose statements all see the same instant; read-only."""
        async with self.connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction: committed at the end of the block, rolled back when it raises."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def rehearsal(self) -> AsyncIterator[Connection]:
        """A transaction that checks everything at its end, and is then rolled back."""
        async with self.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
                await connection.execute("set constraints all immediate")
            finally:
                await transaction.rollback()

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


async def act_as(connection: Connection, identity: Identity) -> None:
    """From here to its end, a transaction acts for this user: row security limits it to the user's own rows."""
    await connection.execute(
        "select set_config('app.user_id', $1, true), set_config('app.role', $2, true)",
        str(identity.user_id),
        identity.role,
    )


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
        return await asyncpg.connect(
            url,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=None if is_unhurried else COMMAND_TIMEOUT_S,
            server_settings=SESSION_SETTINGS | timeouts | {"application_name": name},
        )


@dataclass(frozen=True, slots=True)
class Databases:
    """The same database in three roles (migrations, row security), and a pool for each use: none waits for another."""

    requests: Database  # clients' requests: public rows, and the user's own
    reads: Database  # what anyone may read: these requests take turns
    channels: Database  # the first states of channels; the reader needs the writer's rights, not its connections
    writer: Database  # the vote path, and changes that only the clock causes, such as the start of a show
    owner: Database  # administration

    @classmethod
    async def open(cls, url: str) -> Databases:
        """Connects.

        Raises: StoreUnavailable
        """
        opened: list[Database] = []
        try:
            opened.append(await Database.open(url, role=REQUEST_ROLE))
            opened.append(await Database.open(url, role=REQUEST_ROLE, pool_size=READS_POOL_SIZE, name="reads"))
            opened.append(await Database.open(url, role=WRITER_ROLE, pool_size=CHANNELS_POOL_SIZE, name="channels"))
            opened.append(await Database.open(url, role=WRITER_ROLE))
            opened.append(await Database.open(url, pool_size=OWNER_POOL_SIZE))
        except BaseException:  # a cancelled start closes them too
            for database in opened:
                await database.close()
            raise
        return cls(*opened)

    async def close(self) -> None:
        """Closes every connection."""
        for database in (self.requests, self.reads, self.channels, self.writer, self.owner):
            await database.close()
