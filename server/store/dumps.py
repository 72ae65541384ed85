"""A database in a file, and back: pg_dump and pg_restore of the server's own major version.

A restore is one transaction of psql, fed from here: what the database holds is dropped, then comes what pg_restore
makes of the file, then what has to be moved past the old world. `commit` is sent only when pg_restore has come to a
good end, so whatever goes wrong before leaves the database as it was.
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
from server.store.engine import connect, place, reason
from server.store.running import CHUNK_BYTES, Running

# What was done, how much of it, of how much.
Progress = Callable[[str, int, int], None]

ANALYZE_TIMEOUT_S = 600.0
# Tokens outlive the rows they name. Where the old database is gone, nobody knows how many accounts were made after the
# backup, and a new one must not get the number, and with it the token, of an old one.
USER_IDS_LEAP = 1_000_000

_SIZES = """
select c.relname as name, pg_table_size(c.oid) as bytes
  from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
"""

_CLEAN = Path(__file__).with_name("clean.psql").read_text()
_MOVE_ON = Path(__file__).with_name("move_on.psql").read_text()


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds. versions: of the migrations applied; positions: by shard; entry_count: of its list."""

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
        """The programs that match the server at `url`.

        Takes:  own, a folder to look in before all others
        Raises: SetupError: the server does not answer, or there are none of its version
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
            if await asyncio.to_thread(_are_of, folder, major):
                return cls(folder, url)
        raise SetupError(
            f"pg_dump, pg_restore and psql of PostgreSQL {major} are needed, the version of the server at {place(url)};"
            f" on Debian: apt install postgresql-client-{major}"
        )

    async def dump(self, file: Path, sizes: dict[str, int], progress: Progress) -> None:
        """Writes the database to `file`, as of one instant, while others go on writing.

        Takes:  sizes, bytes by table: how the progress is weighed
        Raises: SetupError; a `file` that was there is then as it was
        Cancel: likewise
        Locks:  what reading takes: only a migration has to wait
        """
        total, done, table = sum(sizes.values()), 0, ""

        def heard(line: str) -> None:
            nonlocal done, table
            found = re.search(r'dumping contents of table "public\.(\w+)"', line)
            if found:
                done, table = done + sizes.get(table, 0), found[1]
                progress(f"reading {table}", done, total)

        # Only whoever runs this may read it: it holds addresses and the hashes of keys.
        with _draft(file) as draft:
            # By its name: on a stdout pg_dump cannot go back to fill in where in the file each table begins.
            flags = [
                f"--file={draft}",
                "--format=custom",
                "--no-owner",
                "--no-comments",
                "--lock-wait-timeout=5s",
                "--verbose",
            ]
            # These come with the server the file is restored to, where the rights are there and the library is.
            extensions = [f"--extension={name}" for name in ("plpgsql", "unaccent", "pg_trgm", "cube")]
            async with self._running("pg_dump", *flags, *extensions, stdout=DEVNULL) as dump:
                await dump.finished(heard)
        progress("reading", total, total)

    async def look_into(self, file: Path) -> Contents:
        """What a file holds; the database is not asked.

        Raises: SetupError: it is damaged, of a newer PostgreSQL, or no backup of ours
        """
        async with self._running("pg_restore", "--list", str(file), is_connected=False, stdout=PIPE) as listing:
            listed = await listing.read()
        tables = ("schema_migrations", "log_positions")
        flags = ["--data-only", *(f"--table={table}" for table in tables), "--file=-", str(file)]
        async with self._running("pg_restore", *flags, is_connected=False, stdout=PIPE) as reading:
            rows = _copied_rows(await reading.read())
        if not all(rows.get(table) for table in tables):
            raise SetupError(f"{file} is no backup of MySetlist: it has no {' or '.join(tables)}")
        return Contents(
            frozenset(row[0] for row in rows["schema_migrations"]),
            {int(shard): int(position) for shard, position in rows["log_positions"]},
            sum(not line.startswith(";") for line in listed.splitlines()),
        )

    async def restore(
        self, file: Path, contents: Contents, *, roles: str, position_min: int, progress: Progress
    ) -> None:
        """Puts what `file` holds in the place of what the database holds.

        Takes:  contents, of `file`; roles, a statement that makes the roles its grants name;
                position_min, past everything Valkey's logs have handed out
        Raises: SetupError; the database is then as it was
        Cancel: likewise
        """
        done = 0

        def heard(line: str) -> None:
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

                    await source.finished(heard, meanwhile=pump)
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

    Raises: SetupError: the database has no tables of ours
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
    """A restore drops all there is: never what somebody else keeps in the same database.

    Raises: SetupError: with the names
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
            " and a restore would drop them; give it one of its own"
        )


async def analyze(url: str) -> None:
    """Has the statistics of all tables made, which a dump does not hold; without them plans are guesses.

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
    """The statement of the security migration that makes the roles: a file of grants needs them."""
    (path,) = migrations.glob("*_security.sql")
    found = re.search(r"^do \$\$$.*?^end \$\$;$", path.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]


def libpq_address(url: str) -> tuple[str, dict[str, str]]:
    """An address as PostgreSQL's programs take it, and their environment: a command line can be read by everybody."""
    parts = urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    query = parse_qsl(parts.query)
    password = dict(query).get("password", unquote(password))
    rest = urlencode([(name, value) for name, value in query if name != "password"], quote_via=quote)
    address = f"postgresql://{user}{'@' if user else ''}{host}{parts.path}{'?' if rest else ''}{rest}"
    environ = os.environ | {"PGAPPNAME": "mysetlist", "LC_ALL": "C"}
    return address, environ | ({"PGPASSWORD": password} if password else {})


def _are_of(folder: Path, major: int) -> bool:
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
    """A file to write; what was written is on the disk and in the place of `file` when the block ends well.

    Raises: SetupError
    """
    draft = file.with_name(f"{file.name}.partial")
    try:
        output = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it until now may have put it in its place.
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
