"""Backs a database up to a file and restores it, with pg_dump and pg_restore of the server's major version.

A restore is one transaction of psql, which reads its commands from this process. It drops everything that the database holds,
runs the output of pg_restore, then moves positions and ids past their old values. `commit` is sent only when pg_restore has
succeeded, so any earlier failure leaves the database unchanged.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import asyncpg

from server.errors import SetupError
from server.store.address import hosts_of, place
from server.store.engine import connect, reason
from server.store.running import CHUNK_BYTES, Running

# Called with the current step, the amount done, and the total.
Progress = Callable[[str, int, int], None]

ANALYZE_TIMEOUT_S = 600.0
# Tokens outlive the rows they name. When the old database is gone, the number of accounts made after the backup is unknown,
# and a new account must not get the id of an old one, because the old token would open it.
USER_IDS_LEAP = 1_000_000

_SIZES = """
select c.relname as name, pg_table_size(c.oid) as bytes
  from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
"""

_CLEAN = Path(__file__).with_name("clean.psql").read_text()
_MOVE_ON = Path(__file__).with_name("move_on.psql").read_text()


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of a backup. versions: of its migrations; positions: by shard; entry_count: of its table of contents."""

    versions: frozenset[str]
    positions: dict[int, int]
    entry_count: int


class Programs:
    """pg_dump, pg_restore and psql of one major version, and the database they work on."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._address, self._environ = libpq_address(url)

    @classmethod
    async def find(cls, url: str, own: Path | None) -> Programs:
        """Finds the programs that match the server at `url`.

        Takes:  own, a folder to search before all others
        Raises: SetupError: the server does not answer, or no folder has the programs of its version
        """
        connection = await connect(url)
        try:
            major = connection.get_server_version().major
        finally:
            await connection.close()
        installed = shutil.which("pg_dump")
        folders = [
            *([own] if own else []),
            Path(f"/usr/lib/postgresql/{major}/bin"),
            Path(f"/usr/pgsql-{major}/bin"),
            *([Path(installed).parent] if installed else []),
        ]
        for folder in folders:
            if await asyncio.to_thread(_has_programs, folder, major):
                return cls(folder, url)
        raise SetupError(
            f"pg_dump, pg_restore and psql of PostgreSQL {major} are needed, the version of the server at {place(url)};"
            f" on Debian: apt install postgresql-client-{major}"
        )

    async def dump(self, file: Path, sizes: dict[str, int], progress: Progress) -> None:
        """Writes the database to `file`, as of one instant, while other writers go on.

        Takes:  sizes, bytes by table, to compute the progress
        Raises: SetupError; an older `file` is then unchanged
        Cancel: likewise
        Locks:  read locks: only a migration has to wait
        """
        total, done, table = sum(sizes.values()), 0, ""

        def on_log_line(line: str) -> None:
            nonlocal done, table
            found = re.search(r'dumping contents of table "public\.(\w+)"', line)
            if found:
                done, table = done + sizes.get(table, 0), found[1]
                progress(f"reading {table}", done, total)

        # The draft is readable only by this user, because it holds addresses and the hashes of keys.
        with _draft(file) as draft:
            # A file and not stdout, because pg_dump goes back in the file to write where each table begins.
            flags = [
                f"--file={draft}",
                "--format=custom",
                "--no-owner",
                "--no-comments",
                "--lock-wait-timeout=5s",
                "--verbose",
            ]
            # The dump only names these: the server it is restored to has their libraries and the rights.
            extensions = [f"--extension={name}" for name in ("plpgsql", "unaccent", "pg_trgm", "cube")]
            async with self._running("pg_dump", *flags, *extensions, stdout=DEVNULL) as dump:
                await dump.finished(on_log_line)
        progress("reading", total, total)

    async def look_into(self, file: Path) -> Contents:
        """Reads the contents of a file; does not connect to the database.

        Raises: SetupError: the file is damaged, of a newer PostgreSQL, or no backup of MySetlist
        """
        async with self._running("pg_restore", "--list", str(file), is_connected=False, stdout=PIPE) as listing:
            try:
                listed = await listing.read()
            except SetupError as error:
                raise SetupError(f"{file} is no backup, or is damaged: {error}") from error
        tables = ("schema_migrations", "log_positions")
        flags = ["--data-only", *(f"--table={table}" for table in tables), "--file=-", str(file)]
        async with self._running("pg_restore", *flags, is_connected=False, stdout=PIPE) as reading:
            rows = _copied_rows(await reading.read())
        if not all(rows.get(table) for table in tables):
            raise SetupError(f"{file} is no backup of MySetlist: it has no {' or '.join(tables)}")
        return Contents(
            frozenset(row[0] for row in rows["schema_migrations"]),
            {int(shard): int(position) for shard, position, *_ in rows["log_positions"]},
            sum(not line.startswith(";") for line in listed.splitlines()),
        )

    async def restore(
        self, file: Path, contents: Contents, *, roles: str, position_min: int, progress: Progress
    ) -> None:
        """Replaces everything in the database by the contents of `file`.

        Takes:  contents, of `file`; roles, a statement that creates the roles in its grants; position_min, past every
                position that Valkey's logs have assigned
        Raises: SetupError; the database is then unchanged
        Cancel: likewise
        """
        done = 0

        def on_log_line(line: str) -> None:
            nonlocal done
            found = re.search(r"(?:creating|processing data for) ([A-Z ]*table|[A-Z ]+) \"([^\"]+)\"", line)
            if found:
                done = min(done + 1, contents.entry_count)
                progress(f"writing {found[2].removeprefix('public.')}"[:60], done, contents.entry_count)

        variables = {"ON_ERROR_STOP": 1, "position_min": position_min, "leap": USER_IDS_LEAP}
        flags = ["-X", "-q", *(f"--set={name}={value}" for name, value in variables.items())]
        async with self._running("psql", *flags, stdin=PIPE, stdout=DEVNULL) as target:

            async def feed() -> None:
                await target.write(f"begin;\n{roles}\n{_CLEAN}".encode())
                flags = ["--no-owner", "--no-comments", "--verbose", "--file=-", str(file)]
                async with self._running("pg_restore", *flags, is_connected=False, stdout=PIPE) as source:

                    async def pump() -> None:
                        while chunk := await source.chunk():
                            await target.write(chunk)

                    await source.finished(on_log_line, meanwhile=pump)
                await target.write(f"{_MOVE_ON}\ncommit;\n".encode(), is_last=True)

            await target.finished(meanwhile=feed)

    @asynccontextmanager
    async def _running(
        self, name: str, *flags: str, is_connected: bool = True, stdin: int = DEVNULL, stdout: int
    ) -> AsyncIterator[Running]:
        address = [f"--dbname={self._address}"] if is_connected else []
        process = await asyncio.create_subprocess_exec(
            str(self._folder / name), *address, *flags,
            stdin=stdin, stdout=stdout, stderr=PIPE, env=self._environ, start_new_session=True, limit=CHUNK_BYTES,
        )  # fmt: skip
        running = Running(name, process)
        try:
            yield running
        finally:
            await running.end()


async def table_sizes(url: str) -> dict[str, int]:
    """Bytes by table.

    Raises: SetupError: the database has no tables of MySetlist
    """
    connection = await connect(url)
    try:
        sizes = {row["name"]: row["bytes"] for row in await connection.fetch(_SIZES)}
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise SetupError(f"DATABASE_URL: cannot look at the tables: {reason(error)}") from error
    finally:
        await connection.close()
    if "log_positions" not in sizes:
        raise SetupError("DATABASE_URL: the database has no tables of MySetlist, so there is nothing to back up")
    return sizes


async def refuse_foreign_tables(url: str, migrations: Path) -> None:
    """Refuses a database that holds other programs' tables, because a restore drops everything.

    Raises: SetupError: with the names of those tables
    """
    known = {"schema_migrations"}
    for path in migrations.glob("[0-9]*.sql"):
        known |= set(re.findall(r"^\s*create table (\w+)", path.read_text(), re.MULTILINE))
    connection = await connect(url)
    try:
        rows = await connection.fetch(
            "select c.relname as name from pg_class c where c.relnamespace = 'public'::regnamespace"
            " and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition and not exists"
            " (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')"
        )
    finally:
        await connection.close()
    foreign = sorted({row["name"] for row in rows} - known)
    if foreign:
        raise SetupError(
            f"DATABASE_URL: the database holds tables that are not MySetlist's ({', '.join(foreign)[:150]}),"
            " and a restore would drop them; use a database that holds MySetlist alone"
        )


async def analyze(url: str) -> None:
    """Collects the statistics of all tables. A dump does not hold them, and without them query plans are guesses.

    Raises: SetupError
    """
    connection = await connect(url)
    try:
        await connection.execute("analyze", timeout=ANALYZE_TIMEOUT_S)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise SetupError(f"DATABASE_URL: the backup is restored, but `analyze` failed: {reason(error)}") from error
    finally:
        await connection.close()


def roles_statement(migrations: Path) -> str:
    """The statements that create the roles which a dump with grants needs: of the security migration, and the login of nodes."""
    (path,) = migrations.glob("*_security.sql")
    found = re.search(r"^do \$\$$.*?^end \$\$;$", path.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return f"{found[0]}\n{_NODE_ROLE}"


# It cannot log in before a node makes it so. Who may not create roles restores all backups but those of a node with PostgreSQL of its own.
_NODE_ROLE = """\
do $$ begin
    create role mysetlist_node;
exception when duplicate_object or unique_violation or insufficient_privilege then null;
end $$;"""


def libpq_address(url: str) -> tuple[str, dict[str, str]]:
    """The address for PostgreSQL's programs, and their environment.

    The password is in the environment, because every user of the machine can read command lines.
    """
    parts = urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    query = parse_qsl(parts.query)
    password = dict(query).get("password", unquote(password))
    # libpq tries several hosts in their order.
    wanted = [("target_session_attrs", "read-write")] if len(hosts_of(url)) > 1 else []
    rest = urlencode([*((name, value) for name, value in query if name != "password"), *wanted], quote_via=quote)
    address = f"postgresql://{user}{'@' if user else ''}{host}{parts.path}{'?' if rest else ''}{rest}"
    environ = os.environ | {"PGAPPNAME": "mysetlist", "LC_ALL": "C"}
    return address, environ | ({"PGPASSWORD": password} if password else {})


def _has_programs(folder: Path, major: int) -> bool:
    """Whether a folder has all programs, of this major version."""
    for name in ("pg_dump", "pg_restore", "psql"):
        try:
            done = subprocess.run([folder / name, "--version"], capture_output=True, text=True, check=False, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return False
        if not re.search(rf"\) {major}(\.|\D|$)", done.stdout):
            return False
    return True


@contextlib.contextmanager
def _draft(file: Path) -> Iterator[Path]:
    """Gives a draft to write. When the block succeeds, the draft is written to disk and replaces `file`.

    Raises: SetupError
    """
    draft = file.with_name(f"{file.name}.partial")
    try:
        output = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The process that had the lock until now may have moved the draft to its place.
            if not draft.exists() or not draft.samefile(f"/dev/fd/{output}"):
                raise BlockingIOError
            try:
                os.fchmod(output, 0o600)
                yield draft
                os.fsync(output)
                draft.replace(file)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise
        finally:
            os.close(output)
    except BlockingIOError:
        raise SetupError(f"another backup is writing {draft}") from None
    except OSError as error:
        raise SetupError(f"cannot write {file}: {error.strerror}") from error


def remove_draft(draft: Path) -> bool:
    """Removes a draft of a backup, unless a process is writing it; gives whether it did."""
    with contextlib.suppress(FileNotFoundError, BlockingIOError), draft.open("rb") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.unlink()
        return True
    return False


def _copied_rows(script: str) -> dict[str, list[list[str]]]:
    """The rows of each `copy … from stdin` of a script."""
    rows: dict[str, list[list[str]]] = {}
    table: list[list[str]] | None = None
    for line in script.splitlines():
        if table is None:
            if found := re.match(r"COPY public\.(\w+) \(", line):
                table = rows[found[1]] = []
        elif line == "\\.":
            table = None
        else:
            table.append(line.split("\t"))
    return rows
