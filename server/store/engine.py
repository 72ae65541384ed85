"""Checks that a PostgreSQL server can be used, once, before anything is changed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg

from server.errors import SetupError, StoreError
from server.store.address import place
from server.store.database import REQUEST_ROLE, SESSION_SETTINGS, Database, translated_all
from server.store.hosts import connect_to_primary

if TYPE_CHECKING:
    from server.store.database import Connection

POSTGRES_VERSION_MIN = 15
# Extensions of PostgreSQL that the migrations need.
EXTENSIONS = ("unaccent", "pg_trgm", "cube")
# Long enough for a server across a network, short enough for an impatient operator.
CONNECT_TIMEOUT_S = 5.0

# What an operator should know about a pooler.
POOLED = (
    "a pooler such as PgBouncer answers at DATABASE_URL; leases and notifications need a session of their own, so use the"
    " address of PostgreSQL itself, and name the pooler in DATABASE_POOLED_URL"
)


_IDENTITY = "select system_identifier, current_database() from pg_control_system()"


@dataclass(frozen=True, slots=True)
class PostgresState:
    """The result of a check of PostgreSQL."""

    version: str  # as the server writes it, "18.1"
    database: str
    user: str
    clock_ahead_ms: float  # the server's clock minus ours, less half the round trip
    synchronous_commit: str
    connections_max: int
    is_pooled: bool  # a pooler such as PgBouncer answers in the server's place


def reason(error: BaseException) -> str:
    """The message of an error on one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:300]


async def connect(url: str, settings: Mapping[str, str] = MappingProxyType({})) -> asyncpg.Connection[asyncpg.Record]:
    """A connection for checks and administration, outside any pool.

    Takes:  settings, of the session
    Raises: SetupError: one line that says what is wrong with the address, the rights or the server
    """
    database = urlsplit(url).path.strip("/")
    try:
        connection: asyncpg.Connection[asyncpg.Record] = await connect_to_primary(
            url,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=60,
            server_settings={**settings, "application_name": "mysetlist setup"},
        )
    except asyncpg.TargetServerAttributeNotMatched as error:
        raise SetupError(
            f"DATABASE_URL: PostgreSQL at {place(url)} is read-only (a standby?); mysetlist needs the primary"
        ) from error
    except asyncpg.ProtocolViolationError as error:
        raise SetupError(
            f"DATABASE_URL: {place(url)} refuses a setting of the session: {reason(error)}; is it a pooler such as PgBouncer?"
            " Use the address of PostgreSQL itself"
        ) from error
    except asyncpg.InvalidCatalogNameError as error:
        raise SetupError(
            f"DATABASE_URL: PostgreSQL at {place(url)} has no database {database!r}; create it with: createdb {database}"
        ) from error
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InsufficientPrivilegeError) as error:
        raise SetupError(f"DATABASE_URL: PostgreSQL at {place(url)} refuses this user: {reason(error)}") from error
    except (KeyError, RuntimeError) as error:
        # The driver looks for the name and the home folder of this user, who has no entry in the list of users.
        raise SetupError(
            "DATABASE_URL: names no user, and this process runs as a user without a name; add one: user@host"
        ) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        raise SetupError(f"DATABASE_URL: cannot reach PostgreSQL at {place(url)}: {reason(error)}") from error
    return connection


@asynccontextmanager
async def connected(
    url: str, settings: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection as `connect` makes it, for one block.

    Raises: SetupError: as connect; the server does not answer a statement of the block
    """
    connection = await connect(url, settings)
    try:
        yield connection
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise SetupError(f"DATABASE_URL: PostgreSQL at {place(url)} does not answer: {reason(error)}") from error
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)


async def check_postgres(url: str) -> PostgresState:
    """Checks the server and its database; changes nothing.

    Raises: SetupError: unreachable, older than POSTGRES_VERSION_MIN, or a standby that takes no writes
    Cost:   one connection, two statements
    """
    async with connected(url, SESSION_SETTINGS) as connection:
        number = int(await connection.fetchval("show server_version_num"))
        server_pid = connection.get_server_pid()
        clock_ms = await clock_ahead_ms(connection)
        row = await connection.fetchrow(
            "select current_database() as database, current_user as user,"
            " current_setting('server_version') as version,"
            " current_setting('synchronous_commit') as synchronous_commit,"
            " current_setting('max_connections')::int as connections_max,"
            " pg_backend_pid() as pid"
        )
    assert row is not None
    refuse_old_postgres(number, place(url))
    return PostgresState(
        version=row["version"].split(" ", 1)[0],
        database=row["database"],
        user=row["user"],
        clock_ahead_ms=clock_ms,
        synchronous_commit=row["synchronous_commit"],
        connections_max=row["connections_max"],
        # A pooler gives its clients numbers of its own.
        is_pooled=row["pid"] != server_pid,
    )


async def check_pooler(pooled_url: str, url: str) -> None:
    """Checks that a pooler leads to the database at `url`, and that requests work through it.

    Raises: SetupError
    """
    try:
        with translated_all():
            pooled = await Database.open(pooled_url, role=REQUEST_ROLE, pool_size=1, is_pooled=True)
            try:
                async with pooled.snapshot() as connection:
                    behind_pooler = tuple(await connection.fetchrow(_IDENTITY) or ())
            finally:
                await pooled.close()
    except StoreError as error:
        raise SetupError(
            f"DATABASE_POOLED_URL: cannot use the pooler at {place(pooled_url)}: {reason(error)}"
        ) from error
    async with connected(url) as connection:
        if behind_pooler != tuple(await connection.fetchrow(_IDENTITY) or ()):
            raise SetupError(
                f"DATABASE_POOLED_URL: the pooler at {place(pooled_url)} leads to another database than DATABASE_URL"
            )


async def clock_ahead_ms(connection: Connection) -> float:
    """PostgreSQL's clock minus ours, less half the round trip.

    Raises: the driver's exceptions
    """
    before_s, started_s = time.time(), time.monotonic()
    now_s: float = await connection.fetchval("select extract(epoch from clock_timestamp())::float8")
    return (now_s - before_s - (time.monotonic() - started_s) / 2) * 1000


async def missing_rights(url: str, roles: Sequence[str], extensions: Sequence[str]) -> list[str]:
    """Lists the roles and extensions that a migrated database lacks, one line each.

    Takes:  roles that a node uses (`set role`); extensions that the schema needs
    Raises: SetupError: unreachable
    Cost:   one connection, one statement, and one for each role
    """
    missing = []
    async with connected(url) as connection:
        installed = {row["extname"] for row in await connection.fetch("select extname from pg_extension")}
        missing += [f"extension {name} is missing" for name in extensions if name not in installed]
        for role in roles:
            try:
                await connection.execute(f'set role "{role}"; reset role')
            except asyncpg.PostgresError as error:
                missing.append(f"role {role} cannot be entered: {reason(error)}")
    return missing


async def rights_that_lack(url: str, roles: Sequence[str], extensions: Sequence[str]) -> list[str]:
    """Tries what migrations do, and rolls it back: lists what this user may not do, one line each, with what to do about it.

    Takes:  roles that a node uses; extensions that the schema needs
    Raises: SetupError: unreachable
    Cost:   one connection; a transaction that is rolled back
    """
    lacking: list[str] = []

    async def is_allowed(statement: str, todo: str) -> None:
        try:
            async with connection.transaction():
                await connection.execute(statement)
        except asyncpg.PostgresError as error:
            lacking.append(f"{reason(error)}; {todo}")

    async with connected(url) as connection:
        transaction = connection.transaction()
        await transaction.start()
        user = await connection.fetchval("select quote_ident(current_user)")
        administrator = "let an administrator of the server run:"
        await is_allowed("create table mysetlist_trial ()", f"{administrator} grant create on schema public to {user}")
        for name in extensions:
            todo = f"install the contrib package of PostgreSQL, or {administrator} create extension {name}"
            await is_allowed(f"create extension if not exists {name}", todo)
        for role in roles:
            todo = f"{administrator} create role {role} nologin; grant {role} to {user}"
            if await connection.fetchval("select to_regrole($1) is null", role):
                await is_allowed(f"create role {role} nologin; grant {role} to current_user", todo)
            else:
                await is_allowed(_ENTER_ROLE.format(role=role), f"{administrator} grant {role} to {user}")
        await transaction.rollback()
    return lacking


# As the migrations do: a role that exists is entered, and granted first where that is not allowed.
_ENTER_ROLE = """\
do $$ begin
    set local role {role};
    reset role;
exception when insufficient_privilege then
    grant {role} to current_user;
end $$"""


async def unknown_time_zones(url: str) -> list[str]:
    """The time zones of venues and shows that this PostgreSQL does not know.

    Raises: SetupError: unreachable
    """
    async with connected(url) as connection:
        rows = await connection.fetch(
            "select time_zone from (select time_zone from venues union select time_zone from shows) used"
            " where not exists (select from pg_timezone_names where name = time_zone) order by 1"
        )
    return [row["time_zone"] for row in rows]


def refuse_old_postgres(number: int, where: str) -> None:
    """Refuses an old server. Takes: number, server_version_num, e.g. 150004. Raises: SetupError."""
    if number < POSTGRES_VERSION_MIN * 10_000:
        raise SetupError(
            f"DATABASE_URL: PostgreSQL at {where} is version {number // 10_000};"
            f" mysetlist needs {POSTGRES_VERSION_MIN} or newer"
        )
