"""Checks that a PostgreSQL server can be used, once, before anything is changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg

from server.errors import SetupError

POSTGRES_VERSION_MIN = 15
# Long enough for a server across a network, short enough for an impatient operator.
CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class PostgresState:
    """The result of a check of PostgreSQL."""

    version: str  # as the server writes it, "18.1"
    database: str
    user: str
    clock_ahead_ms: float  # the server's clock minus ours, less half the round trip
    is_read_only: bool
    synchronous_commit: str
    connections_max: int


def place(url: str) -> str:
    """Host and port of a database URL, for messages: they must not show the password."""
    parts = urlsplit(url)
    host = parts.hostname or "its unix socket"
    return f"{host}:{parts.port}" if parts.port else host


def reason(error: BaseException) -> str:
    """The message of an error on one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:300]


async def connect(url: str) -> asyncpg.Connection[asyncpg.Record]:
    """A connection for checks and administration, outside any pool.

    Raises: SetupError: one line that says what is wrong with the address, the rights or the server
    """
    database = urlsplit(url).path.strip("/")
    try:
        return await asyncpg.connect(
            url, timeout=CONNECT_TIMEOUT_S, command_timeout=60, server_settings={"application_name": "mysetlist setup"}
        )
    except asyncpg.InvalidCatalogNameError as error:
        raise SetupError(
            f"DATABASE_URL: PostgreSQL at {place(url)} has no database {database!r}; create it with: createdb {database}"
        ) from error
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InsufficientPrivilegeError) as error:
        raise SetupError(f"DATABASE_URL: PostgreSQL at {place(url)} refuses this user: {reason(error)}") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        raise SetupError(f"DATABASE_URL: cannot reach PostgreSQL at {place(url)}: {reason(error)}") from error


async def check_postgres(url: str) -> PostgresState:
    """Checks the server and its database; changes nothing.

    Raises: SetupError: unreachable, older than POSTGRES_VERSION_MIN, or a standby that takes no writes
    Cost:   one connection, two statements
    """
    connection = await connect(url)
    try:
        number = int(await connection.fetchval("show server_version_num"))
        before_s, started_s = time.time(), time.monotonic()
        row = await connection.fetchrow(
            "select extract(epoch from clock_timestamp())::float8 as now_s,"
            " current_database() as database, current_user as user,"
            " pg_is_in_recovery() or current_setting('default_transaction_read_only')::bool as is_read_only,"
            " current_setting('server_version') as version,"
            " current_setting('synchronous_commit') as synchronous_commit,"
            " current_setting('max_connections')::int as connections_max"
        )
        took_s = time.monotonic() - started_s
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise SetupError(f"DATABASE_URL: PostgreSQL at {place(url)} does not answer: {reason(error)}") from error
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)
    assert row is not None
    refuse_old_postgres(number, place(url))
    if row["is_read_only"]:
        raise SetupError(
            f"DATABASE_URL: PostgreSQL at {place(url)} is read-only (a standby?); mysetlist needs the primary"
        )
    return PostgresState(
        version=row["version"].split(" ", 1)[0],
        database=row["database"],
        user=row["user"],
        clock_ahead_ms=(row["now_s"] - before_s - took_s / 2) * 1000,
        is_read_only=row["is_read_only"],
        synchronous_commit=row["synchronous_commit"],
        connections_max=row["connections_max"],
    )


async def missing_rights(url: str, roles: Sequence[str], extensions: Sequence[str]) -> list[str]:
    """Lists the roles and extensions that a migrated database lacks, one line each.

    Takes:  roles that a node uses (`set role`); extensions that the schema needs
    Raises: SetupError: unreachable
    Cost:   one connection, one statement, and one for each role
    """
    connection = await connect(url)
    missing = []
    try:
        installed = {row["extname"] for row in await connection.fetch("select extname from pg_extension")}
        missing += [f"extension {name} is missing" for name in extensions if name not in installed]
        for role in roles:
            try:
                await connection.execute(f'set role "{role}"; reset role')
            except asyncpg.PostgresError as error:
                missing.append(f"role {role} cannot be entered: {reason(error)}")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise SetupError(f"DATABASE_URL: PostgreSQL at {place(url)} does not answer: {reason(error)}") from error
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)
    return missing


def refuse_old_postgres(number: int, where: str) -> None:
    """Refuses an old server. Takes: number, server_version_num, e.g. 150004. Raises: SetupError."""
    if number < POSTGRES_VERSION_MIN * 10_000:
        raise SetupError(
            f"DATABASE_URL: PostgreSQL at {where} is version {number // 10_000};"
            f" mysetlist needs {POSTGRES_VERSION_MIN} or newer"
        )
