"""`mysetlist` commands in processes of their own, each forked from one process that has imported everything.

A new interpreter imports for a second of CPU, which is longer than most commands work. A test of the command line itself, and of
what happens before it is imported, starts `python -m server` instead.
"""

from __future__ import annotations

import asyncio
import atexit
import multiprocessing
import multiprocessing.process
import os
import re
import resource
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
# What a node imports when it starts and when it runs. One that is not installed is left out.
_FORKS.set_forkserver_preload(
    [
        "tests.support.first",
        "server.cli.main",
        "server.node.serve",
        "server.sample.demo",
        "uvloop",
        "httpcore",
        "anyio._backends._asyncio",
        "typer._adapters",
        "valkey.asyncio",
        "tests.support.before_forks",
    ]
)
# No test uses a developer's own DATABASE_URL. Certificates of their own would be read again by each node: 8 ms.
_FOREIGN = re.compile(r"^(DATABASE_URL|REDIS_URL|MYSETLIST_|PG|SPOTIFY_|TICKETMASTER_|SETLISTFM_|SMTP_|SSL_CERT_)")
PATIENCE_S = 50.0


def plain_environ() -> dict[str, str]:
    """The environment without settings of a node."""
    return {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}


class Command:
    """A running command, without a terminal and with a session of its own. Start it with `start`."""

    def __init__(self, process: multiprocessing.process.BaseProcess) -> None:
        self._process = process

    @classmethod
    async def start(
        cls, *words: str, environ: Mapping[str, str], output: Path, errors: Path, file_limit: int | None = None
    ) -> Command:
        """Takes: words, of the command line; environ, all its variables; output, errors: files, to which it appends; file_limit, how
        many files it may open; None: as many as this process.
        """
        limit = resource.getrlimit(resource.RLIMIT_NOFILE) if file_limit is None else (file_limit, file_limit)
        process = _FORKS.Process(target=_run, args=(words, dict(environ), output, errors, limit))
        # The first one waits until everything is imported, and the loop of the test has to go on meanwhile.
        await asyncio.to_thread(process.start)
        return cls(process)

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, or the negative number of the signal that ended it; None: it runs."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Sends a signal, unless it has ended."""
        if self.exit_code is None:
            os.kill(self.pid, number)

    async def wait(self) -> int:
        """Waits for its end; gives the exit code."""
        while (code := self.exit_code) is None:
            await asyncio.sleep(0.005)
        return code


@atexit.register
def _end_forgotten() -> None:
    """Kills what a failed test has left. `multiprocessing` would wait for its end."""
    for process in multiprocessing.active_children():
        process.kill()


async def run_command(*words: str, environ: Mapping[str, str]) -> tuple[int, str, str]:
    """Runs a command to its end; gives exit code, output and errors. Takes: environ, all its variables."""
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        command = await Command.start(*words, environ=environ, output=output, errors=errors)
        try:
            async with asyncio.timeout(PATIENCE_S):
                code = await command.wait()
        finally:
            command.send_signal(signal.SIGKILL)
        return code, output.read_text(), errors.read_text()


def _run(
    words: Sequence[str], environ: dict[str, str], output: Path, errors: Path, file_limit: tuple[int, int]
) -> None:
    """What a forked process does: it becomes what a shell would have started."""
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_NOFILE, file_limit)
    for number, path, flags in (
        (0, Path(os.devnull), os.O_RDONLY),
        (1, output, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        (2, errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    ):
        opened = os.open(path, flags, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["mysetlist", *words]
    from server.cli.main import main

    main()
