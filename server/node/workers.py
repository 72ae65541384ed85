"""`serve --workers N`: the parent runs the engines, and N child processes run a node each on one port (SO_REUSEPORT).

Owns:      the embedded engines, the reservation of the port, the worker processes
Lifecycle: engines → first worker ready (it migrates, adds sample data) → the others → SIGTERM → workers → engines
Limits:    STOP_TIMEOUT_S for the workers to drain; RESTART_DELAY_S between two starts of a worker
Never:     serves a request itself
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from prometheus_client.multiprocess import mark_process_dead

from server.embedded import open_engines
from server.embedded.postgres import SETTINGS as POSTGRES_SETTINGS
from server.errors import SetupError
from server.node.signals import stop_signals
from server.node.systemd import ready_for_systemd
from server.settings import Settings
from server.telemetry import METRICS_FOLDER
from server.web.listening import reserve_port

log = structlog.get_logger(__name__)

STOP_TIMEOUT_S = 30.0
RESTART_DELAY_S = 1.0
PARENT_POLL_S = 0.5
# A node has up to 31 connections to PostgreSQL, and one more for each command of its administrator (docs/limits.md).
NODE_CONNECTIONS = 34
COMMAND_CONNECTIONS = 25
_READY_LINE = "listening on "


class Worker:
    """One child process, `mysetlist serve` on the shared port. It is started again when it dies."""

    def __init__(self, number: int, command: list[str], environment: dict[str, str], *, restart_delay_s: float) -> None:
        self.number = number
        self._restart_delay_s = restart_delay_s
        self.ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._command = command
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._stop_asked = asyncio.Event()

    async def run(self) -> None:
        """Runs until `stop`.

        Raises: SetupError: the worker ended before it was ready; its message is on stderr
        """
        while not self._stop_asked.is_set():
            # The worker has a session of its own, so that Ctrl-C reaches only the parent.
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=self._environment, stdout=asyncio.subprocess.PIPE, start_new_session=True
            )
            if self._stop_asked.is_set():
                self.stop()
            await self._forward_output(self._process)
            code = await self._process.wait()
            mark_process_dead(self._process.pid, self._environment[METRICS_FOLDER])  # type: ignore[no-untyped-call]
            if self._stop_asked.is_set():
                return
            if not self.ready.done():
                raise SetupError(
                    f"worker {self.number} ended with code {code} before it was ready; its message is above"
                )
            log.error("worker.died", worker=self.number, code=code)
            await asyncio.sleep(self._restart_delay_s)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Sends a signal to the process, and prevents another start."""
        self._stop_asked.set()
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def _forward_output(self, process: asyncio.subprocess.Process) -> None:
        """Prints the worker's lines, except the ready line: every worker prints it, and the parent prints it once."""
        assert process.stdout is not None
        async for raw in process.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            if not line.startswith(_READY_LINE):
                print(line, flush=True)  # noqa: T201  a worker's own line
            elif not self.ready.done():
                self.ready.set_result(line)


def serve_command(settings: Settings, number: int, port: int) -> list[str]:
    """The command line of a worker."""
    # -P: a folder named `server` in the working directory must not be imported instead of this package.
    flags = ["--host", settings.host, "--port", str(port), "--data-dir", str(settings.data_dir), "--reuse-port"]
    flags += ["--with-parent", str(os.getpid())]
    if number == 0:
        flags += [*(["--demo"] if settings.demo else []), "--crowd", str(settings.crowd)]
    return [sys.executable, "-P", "-m", "server", "serve", *flags]


async def serve_with_workers(
    settings: Settings,
    *,
    command_of: Callable[[Settings, int, int], list[str]] = serve_command,
    restart_delay_s: float = RESTART_DELAY_S,
) -> None:
    """Runs engines and workers until SIGTERM or SIGINT.

    Takes:  command_of, which makes the command line of a worker from its number and the port
    Raises: SetupError: the port is taken, an engine does not start, or a worker fails before it is ready
    """
    with stop_signals() as signals, reserve_port(settings.host, settings.port, is_shared=True) as reservation:
        port = reservation.getsockname()[1]
        # Do not join the engines of another node on the same data folder: they end with that node.
        async with open_engines(
            settings.data_dir,
            database_url=settings.database_url,
            redis_url=settings.redis_url,
            may_join=False,
            postgres_settings={"max_connections": str(connections_for(settings.workers))},
        ) as addresses:
            signals.take_over()
            # Prometheus reaches any worker on the shared port, and that worker answers for all, from these files.
            with tempfile.TemporaryDirectory(prefix="mysetlist-metrics-") as metrics_folder:
                environment = {
                    **os.environ,
                    "DATABASE_URL": addresses.database_url or "",
                    "REDIS_URL": addresses.redis_url or "",
                    METRICS_FOLDER: metrics_folder,
                    "NOTIFY_SOCKET": "",  # systemd hears from this process only
                }
                commands = [command_of(settings, number, port) for number in range(settings.workers)]
                workers = [
                    Worker(number, command, environment, restart_delay_s=restart_delay_s)
                    for number, command in enumerate(commands)
                ]
                await _run_workers(workers, signals.stopped)


def connections_for(workers: int) -> int:
    """The connections that our own PostgreSQL allows: enough for all workers and some commands, never below its default."""
    return max(int(POSTGRES_SETTINGS["max_connections"]), workers * NODE_CONNECTIONS + COMMAND_CONNECTIONS)


def end_with_parent(parent: int | None = None) -> None:
    """Ends this process when its parent is killed, because the parent's engines end soon too.

    Takes: parent, the process id that the parent gave: it may have died before this call; None: the parent of now
    """
    expected = os.getppid() if parent is None else parent

    def watch() -> None:
        while os.getppid() == expected:
            time.sleep(PARENT_POLL_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="watch the parent", daemon=True).start()


async def _run_workers(workers: list[Worker], stopping: asyncio.Event) -> None:
    running: list[asyncio.Task[None]] = []
    stopped = asyncio.create_task(stopping.wait(), name="wait for a signal")
    try:
        # The first worker migrates, adds sample data and makes the first administrator. The others start after that.
        for batch in (workers[:1], workers[1:]):
            running += [asyncio.create_task(worker.run(), name=f"worker {worker.number}") for worker in batch]
            for worker in batch:
                while not worker.ready.done():
                    await _first_of([worker.ready, stopped, *running])
                    await _raise_failures(running)
                    if stopped.done():
                        return
        print(workers[0].ready.result(), flush=True)  # noqa: T201  the line that `serve` promises
        async with ready_for_systemd():
            await _first_of([stopped, *running])
        await _raise_failures(running)
    finally:
        stopped.cancel()
        for worker in workers:
            worker.stop()
        if running:
            _, slow = await asyncio.wait(running, timeout=STOP_TIMEOUT_S)
            if slow:
                log.warning("worker.stop_slow", count=len(slow))
                for worker in workers:
                    worker.stop(signal.SIGKILL)
            await asyncio.gather(*running, return_exceptions=True)


async def _first_of(futures: list[asyncio.Future[Any]]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


async def _raise_failures(running: list[asyncio.Task[None]]) -> None:
    for task in running:
        if task.done():
            await task
