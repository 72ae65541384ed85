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
import signal
import subprocess
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import asyncpg

from server.errors import SetupError
from server.store.engine import connect, place, reason

# What was done, how much of it, of how much.
Progress = Callable[[str, int, int], None]

CHUNK_BYTES = 1 << 18
# An interrupted program gets this long to have its statement cancelled by the server.
STOP_TIMEOUT_S = 5.0
LINE_CHARS_MAX = 300
ANALYZE_TIMEOUT_S = 600.0
# Tokens outlive the rows they name. Where the old database is gone, nobody knows how many accounts were made after the
# backup, and a new one must not get the number, and with it the token, of an old one.
USER_IDS_LEAP = 1_000_000

_SIZES = """
select c.relname as name, pg_table_size(c.oid) as bytes
  from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
"""

# Everything but what belongs to extensions, which stay: to make them again may be the right of a superuser.
_CLEAN = """
create temp table handed_out on commit drop as
select sequencename as name, last_value from pg_sequences where schemaname = 'public' and last_value is not null;

do $$
declare
    statements text[];
    statement text;
begin
    perform set_config('lock_timeout', '5s', true);
    select array_agg(case c.relkind when 'v' then 'drop view' when 'm' then 'drop materialized view'
                                    when 'S' then 'drop sequence' else 'drop table' end
                     || format(' if exists public.%I cascade', c.relname) order by c.relkind = 'S')
      into statements
      from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S') and not c.relispartition
       and not exists (select from pg_depend d
                        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e');
    foreach statement in array coalesce(statements, '{}') loop execute statement; end loop;
    select array_agg(format('drop routine if exists %s cascade', p.oid::regprocedure)) into statements
      from pg_proc p
     where p.pronamespace = 'public'::regnamespace
       and not exists (select from pg_depend d
                        where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e');
    foreach statement in array coalesce(statements, '{}') loop execute statement; end loop;
    select array_agg(format('drop type if exists public.%I cascade', t.typname)) into statements
      from pg_type t
     where t.typnamespace = 'public'::regnamespace and t.typtype in ('e', 'd')
       and not exists (select from pg_depend d
                        where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e');
    foreach statement in array coalesce(statements, '{}') loop execute statement; end loop;
end $$;
"""

# Positions, revisions and numbers only grow, for those who remember the world before the restore: Valkey's log, a
# page that is still open, a token. `alter table` because a revision that follows from nothing is nobody's news.
_MOVE_ON = """
set local search_path = public;
update log_positions
   set position = greatest(position + 1, {position_min}, (extract(epoch from clock_timestamp()) * 1000)::bigint << 10);
alter table shows disable trigger user;
update shows set revision = greatest(revision + 1, (extract(epoch from clock_timestamp()) * 1000)::bigint << 10);
alter table shows enable trigger user;
select setval(format('public.%I', s.sequencename),
              greatest(s.last_value, h.last_value, 1) + case s.sequencename when 'users_id_seq' then {leap} else 0 end)
  from pg_sequences s left join handed_out h on h.name = s.sequencename
 where s.schemaname = 'public' and (coalesce(s.last_value, h.last_value) is not null or s.sequencename = 'users_id_seq');
"""


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

        async with self._running("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", stdin=PIPE, stdout=DEVNULL) as target:

            async def feed() -> None:
                await target.write(f"begin;\n{roles}\n{_CLEAN}".encode())
                flags = ["--no-owner", "--no-comments", "--verbose", "--file=-", str(file)]
                async with self._running("pg_restore", *flags, is_connected=False, stdout=PIPE) as source:

                    async def pump() -> None:
                        while chunk := await source.chunk():
                            await target.write(chunk)

                    await source.finished(heard, meanwhile=pump)
                move_on = _MOVE_ON.format(position_min=position_min, leap=USER_IDS_LEAP)
                await target.write(f"{move_on}\ncommit;\n".encode(), is_last=True)

            await target.finished(meanwhile=feed)

    @asynccontextmanager
    async def _running(
        self, name: str, *flags: str, is_connected: bool = True, stdin: int = DEVNULL, stdout: int
    ) -> AsyncIterator[_Running]:
        address = [f"--dbname={self._address}"] if is_connected else []
        process = await asyncio.create_subprocess_exec(
            str(self._folder / name), *address, *flags,
            stdin=stdin, stdout=stdout, stderr=PIPE, env=self._environ, start_new_session=True, limit=CHUNK_BYTES,
        )  # fmt: skip
        running = _Running(name, process)
        try:
            yield running
        finally:
            await running.end()


class _GoneError(Exception):
    """A program ended before all was written to it; its own complaint says why."""

    def __init__(self, running: _Running) -> None:
        super().__init__()
        self.running = running


class _Running:
    """One program while it runs."""

    def __init__(self, name: str, process: Process) -> None:
        self._name = name
        self._process = process

    async def write(self, data: bytes, *, is_last: bool = False) -> None:
        """Hands it some of its input.

        Raises: _GoneError
        """
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        try:
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise _GoneError(self) from None
        if is_last:
            self._process.stdin.close()

    async def chunk(self) -> bytes:
        """What it prints next; nothing: it is done."""
        assert self._process.stdout is not None
        return await self._process.stdout.read(CHUNK_BYTES)

    async def read(self) -> str:
        """All it prints.

        Raises: SetupError: it failed
        """
        printed: list[bytes] = []

        async def collect() -> None:
            while chunk := await self.chunk():
                printed.append(chunk)

        await self.finished(meanwhile=collect)
        return b"".join(printed).decode(errors="replace")

    async def finished(
        self, heard: Callable[[str], None] | None = None, *, meanwhile: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Returns once it has come to a good end.

        Takes:  heard, told each line of stderr; meanwhile, what feeds or empties it
        Raises: SetupError: with its own first complaint; whatever `meanwhile` raised
        """
        complaints: list[str] = []

        async def listen() -> None:
            assert self._process.stderr is not None
            while raw := await self._process.stderr.readline():
                line = raw.decode(errors="replace").strip()
                if heard is not None:
                    heard(line)
                if re.search(r"\b(error|ERROR|FATAL|fatal|PANIC):", line):
                    complaints.append(line)

        listening = asyncio.create_task(listen(), name=f"{self._name} stderr")
        try:
            if meanwhile is not None:
                try:
                    await meanwhile()
                except _GoneError as gone:
                    if gone.running is not self:
                        raise
            await listening
            code = await self._process.wait()
        finally:
            listening.cancel()
        if code != 0 or complaints:
            ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"
            said = re.sub(r"^psql:<stdin>:\d+: ", "", complaints[0]) if complaints else ended
            raise SetupError(f"{self._name}: {said.removeprefix(f'{self._name}: ')}"[:LINE_CHARS_MAX])

    async def end(self) -> None:
        """Gone, if it is not yet: interrupted, so that the server stops working for it, else killed."""
        if self._process.stdin is not None:
            # To psql, the end of an open transaction is no commit.
            self._process.stdin.close()
        for number in (signal.SIGINT, signal.SIGKILL):
            if self._process.returncode is not None:
                break
            self._process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await self._process.wait()


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
    """The statement that makes the roles, as the migration about row security has it: a file of grants needs them."""
    (path,) = migrations.glob("*_row_security.sql")
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
