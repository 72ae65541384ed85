"""One engine: a server process on a folder. It is started or adopted, and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import psutil
import structlog

from server.embedded.folders import Owner
from server.errors import SetupError

log = structlog.get_logger(__name__)

POLL_S = 0.02
# After a crash PostgreSQL replays its log and Valkey reads its file, which takes minutes for a large one. A server that
# exits is noticed at once, so this limit is only for a server that hangs.
START_TIMEOUT_S = 600.0
STOP_TIMEOUT_S = 15.0
LOG_BYTES_MAX = 10_000_000

# Nothing comes from our own environment: PGPORT, PGDATA and others would change the servers.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class Engine(ABC):
    """A server process and its folder.

    Threads: event loop only
    Cancel:  a cancelled `start` may leave the process running; `stop` ends it
    """

    name: str
    stop_signal: signal.Signals  # for a clean end
    force_signal: signal.Signals  # when the clean end takes too long

    def __init__(self, data_dir: Path, sockets: Path, owner: Owner | None) -> None:
        self.folder = data_dir / self.name
        self.sockets = sockets
        self.log_path = data_dir / f"{self.name}.log"
        self.is_held = False  # down on purpose; the supervisor does not start it
        self._owner = owner
        self._child: subprocess.Popen[bytes] | None = None
        self._process: psutil.Process | None = None

    # ── defined by each engine

    @abstractmethod
    def command(self) -> list[str]:
        """The command line of the server; it also identifies our own process."""

    @abstractmethod
    async def prepare(self) -> None:
        """Creates the folder on first use, and writes the configuration."""

    @abstractmethod
    def leftover_pid(self) -> int | None:
        """The process id that the last server on this folder wrote to a file."""

    @abstractmethod
    async def clear_leftovers(self) -> None:
        """Removes files of a dead server that would stop a new one from starting."""

    @abstractmethod
    async def is_ready(self) -> bool:
        """Whether the server takes commands."""

    # ── shared by both engines

    @property
    def pid(self) -> int | None:
        """The process id of the server, while it runs."""
        return self._process.pid if self._process and self.is_running() else None

    def is_running(self) -> bool:
        """Whether the process runs; a zombie does not."""
        if self._child is not None:
            return self._child.poll() is None
        return self._process is not None and _is_alive(self._process)

    async def start(self) -> None:
        """Adopts the server that a killed node left on the folder, or starts one; waits until it takes commands.

        Raises: SetupError: the server exits or hangs; the message quotes its log
        """
        await self.prepare()
        if not await self._adopt():
            await self.clear_leftovers()
            self._spawn()
        await self._wait_ready()

    async def stop(self) -> None:
        """Stops the server cleanly, or by force after STOP_TIMEOUT_S. A second call does nothing."""
        if self._process is None:
            return
        for number in (self.stop_signal, self.force_signal, signal.SIGKILL):
            self.send(number)
            if await self._wait_gone(STOP_TIMEOUT_S):
                break
            log.warning("engine.stop_slow", engine=self.name, signal=number.name)
        self._process = self._child = None

    async def kill(self) -> None:
        """Kills the server as a power cut does, and waits until it has ended."""
        self.send(signal.SIGKILL)
        await self._wait_gone(STOP_TIMEOUT_S)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the server if it still runs."""
        if self._process is not None and self.is_running():
            # psutil checks that the id does not belong to another process by now.
            with contextlib.suppress(psutil.NoSuchProcess):
                self._process.send_signal(number)

    def _spawn(self) -> None:
        self._rotate_log()
        # A session of its own: Ctrl-C reaches only the node, which then stops its engines in order.
        # The log of an engine may quote what users wrote. An older version made it readable for others.
        descriptor = os.open(self.log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.fchmod(descriptor, 0o600)
        with os.fdopen(descriptor, "ab") as output, _start_failures(self.name):
            self._child = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **_user_arguments(self._owner),
            )
        self._process = psutil.Process(self._child.pid)

    async def _adopt(self) -> bool:
        """Adopts a running server with our command line; stops one with another command line. False: none is adopted."""
        pid = self.leftover_pid()
        if pid is None or not psutil.pid_exists(pid):
            return False
        try:
            process = psutil.Process(pid)
            command = process.cmdline()
        except psutil.Error:
            return False
        if not _is_alive(process) or not self._is_ours(command):
            return False
        self._process, self._child = process, None
        if command == self.command():
            log.info("engine.adopted", engine=self.name, pid=pid)
            return True
        log.info("engine.replaced", engine=self.name, pid=pid)
        await self.stop()
        return False

    def _is_ours(self, command: list[str]) -> bool:
        """Whether a command line is that of this server program on this folder."""
        same_program = bool(command) and Path(command[0]).name == Path(self.command()[0]).name
        return same_program and any(Path(part).is_relative_to(self.folder) for part in command[1:])

    async def _wait_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not await self.is_ready():
            if not self.is_running():
                raise SetupError(f"{self.name} did not start: {self._end_reason()} (log: {self.log_path})")
            if time.monotonic() > deadline:
                raise SetupError(f"{self.name} was not ready after {START_TIMEOUT_S:.0f} s (log: {self.log_path})")
            await asyncio.sleep(POLL_S)

    async def _wait_gone(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while self.is_running():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_S)
        return True

    def _rotate_log(self) -> None:
        """Keeps one older log; each has at most LOG_BYTES_MAX plus the output of one run."""
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_BYTES_MAX:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))

    def _end_reason(self) -> str:
        """The line of the log that says why the server ended."""
        lines = [line for line in self.log_path.read_text(errors="replace")[-8000:].splitlines() if line.strip()]
        fatal = [line for line in lines if "FATAL" in line or "PANIC" in line or "Fatal" in line]
        return (fatal or lines or ["its log is empty"])[-1].strip()[:300]


async def run_once(command: list[str], *, cwd: Path, owner: Owner | None, stdin: bytes = b"") -> None:
    """Runs a program to its end.

    Raises: SetupError: it failed; the message quotes its output
    """

    def run() -> subprocess.CompletedProcess[bytes]:
        with _start_failures(Path(command[0]).name):
            return finished()

    def finished() -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command,
            cwd=cwd,
            env=ENVIRONMENT,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=START_TIMEOUT_S,
            **_user_arguments(owner),
        )

    done = await asyncio.to_thread(run)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        # After the error comes what the program did because of it.
        said = [line for line in lines if re.search(r"\b(error|FATAL|PANIC):", line)] or lines[-1:]
        raise SetupError(f"{Path(command[0]).name} failed: {said[0] if said else done.returncode}")


@contextlib.contextmanager
def _start_failures(name: str) -> Iterator[None]:
    """Raises SetupError when a program cannot be started."""
    try:
        yield
    except BlockingIOError as error:
        raise SetupError(
            f"{name} cannot be started: this user may start no more processes; raise the limit with: ulimit -u"
        ) from error
    except OSError as error:
        raise SetupError(f"{name} cannot be started: {error.strerror}") from error


class _UserArguments(TypedDict, total=False):
    """The arguments of Popen that set the user of a process."""

    user: int
    group: int
    extra_groups: list[int]
    umask: int


def _user_arguments(owner: Owner | None) -> _UserArguments:
    if owner is None:
        return {"umask": 0o077}
    return {"user": owner.uid, "group": owner.gid, "extra_groups": [], "umask": 0o077}


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
