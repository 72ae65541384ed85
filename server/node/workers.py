"""`serve --workers N`: the parent runs the engines, and N child processes run a node each on one port (SO_REUSEPORT).

Owns:      the embedded engines, the reservation of the port, the worker processes
Lifecycle: engines → first worker ready (it migrates, adds sample data) → the others → SIGTERM → workers → engines;
           an upgrade replaces one worker after the other
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
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from server.embedded import open_engines
from server.embedded.postgres import SETTINGS as POSTGRES_SETTINGS
from server.node.signals import stop_signals
from server.node.systemd import ready_for_systemd
from server.node.upgrades import Upgrades
from server.node.worker import Worker
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


def python_beside(script: str, executable: str) -> str:
    """The path of this Python through the folder of the script that was started.

    A link to an installation may lead to another one when a process is started next; the script names its own Python without it.

    Takes: script, executable: of this process
    """
    path = Path(script).absolute().with_name(Path(executable).name)
    return str(path) if path.exists() and path.parent.samefile(Path(executable).parent) else executable


# Asked at the start of this process, before the link moves.
PYTHON = python_beside(sys.argv[0], sys.executable)


def serve_command(settings: Settings, number: int, port: int, *, is_shared: bool = True) -> list[str]:
    """The command line of a worker. Takes: is_shared, whether other workers listen on the port, too."""
    # -P: a folder named `server` in the working directory must not be imported instead of this package.
    flags = ["--host", settings.host, "--port", str(port), "--data-dir", str(settings.data_dir)]
    flags += [*(["--reuse-port"] if is_shared else []), "--with-parent", str(os.getpid())]
    if number == 0:
        flags += [*(["--demo"] if settings.demo else []), "--crowd", str(settings.crowd)]
    return [PYTHON, "-P", "-m", "server", "serve", *flags]


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
        engines = open_engines(
            settings.data_dir,
            database_url=settings.database_url,
            redis_url=settings.redis_url,
            may_join=False,
            postgres_settings={"max_connections": str(connections_for(settings.workers))},
        )
        async with engines as addresses:
            signals.take_over()
            # Prometheus reaches any worker on the shared port, and that worker answers for all, from these files.
            with (
                tempfile.TemporaryDirectory(prefix="mysetlist-metrics-") as metrics_folder,
                Upgrades.asked_for(settings.data_dir, port) as upgrades,
            ):
                environment = {
                    **os.environ,
                    "DATABASE_URL": addresses.database_url or "",
                    "REDIS_URL": addresses.redis_url or "",
                    METRICS_FOLDER: metrics_folder,
                    "NOTIFY_SOCKET": "",  # systemd hears from this process only
                }
                commands = [command_of(settings, number, port) for number in range(settings.workers)]
                workers = [
                    Worker(
                        number,
                        command,
                        environment,
                        restart_delay_s=restart_delay_s,
                        has_own_database=settings.database_url is None,
                    )
                    for number, command in enumerate(commands)
                ]
                await _run_workers(workers, signals.stopped, upgrades)


def connections_for(workers: int) -> int:
    """The connections that our own PostgreSQL allows: enough for all workers, the successor of one, and some commands; never below
    its default.
    """
    return max(int(POSTGRES_SETTINGS["max_connections"]), (workers + 1) * NODE_CONNECTIONS + COMMAND_CONNECTIONS)


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


def one_worker(settings: Settings, port: int, *, has_own_database: bool) -> Worker:
    """The worker that serves in place of this process after its first upgrade. Takes: settings with both addresses."""
    command = serve_command(replace(settings, demo=False, crowd=0), 0, port, is_shared=False)
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url or "",
        "REDIS_URL": settings.redis_url or "",
    }
    # It feeds the watchdog of systemd in place of this process.
    environment.pop("WATCHDOG_PID", None)
    return Worker(0, command, environment, restart_delay_s=RESTART_DELAY_S, has_own_database=has_own_database)


async def run_worker(worker: Worker, stopping: asyncio.Event, upgrades: Upgrades) -> None:
    """Keeps the worker that has taken over running until a signal comes.

    Raises: SetupError: it gave up
    """
    running = [asyncio.create_task(worker.run(), name="worker")]
    stopped = asyncio.create_task(stopping.wait(), name="wait for a signal")
    try:
        await supervise([worker], running, stopped, upgrades)
    finally:
        stopped.cancel()
        await end_workers([worker], running)


async def supervise(
    workers: list[Worker], running: list[asyncio.Task[None]], stopped: asyncio.Task[Any], upgrades: Upgrades
) -> None:
    """Keeps workers running until a signal comes, and replaces their processes when it is asked to.

    Raises: SetupError: a worker gave up
    """
    upgrading = asyncio.create_task(upgrades.run([worker.upgrade for worker in workers]), name="upgrades")
    try:
        await _first_of([stopped, upgrading, *running])
    finally:
        upgrading.cancel()
        await asyncio.gather(upgrading, return_exceptions=True)
    await _raise_failures(running)


async def end_workers(workers: list[Worker], running: list[asyncio.Task[None]]) -> None:
    """Stops workers, by force if they take longer than STOP_TIMEOUT_S."""
    for worker in workers:
        worker.stop()
    if running:
        _, slow = await asyncio.wait(running, timeout=STOP_TIMEOUT_S)
        if slow:
            log.warning("worker.stop_slow", count=len(slow))
            for worker in workers:
                worker.stop(signal.SIGKILL)
        await asyncio.gather(*running, return_exceptions=True)


async def _run_workers(workers: list[Worker], stopping: asyncio.Event, upgrades: Upgrades) -> None:
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
            await supervise(workers, running, stopped, upgrades)
    finally:
        stopped.cancel()
        await end_workers(workers, running)


async def _first_of(futures: list[asyncio.Future[Any]]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


async def _raise_failures(running: list[asyncio.Task[None]]) -> None:
    for task in running:
        if task.done():
            await task
