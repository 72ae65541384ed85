"""The upgrade in place of a running node: the signal that asks for it, and the file that tells how it ended.

The signal is SIGUSR2. The file serve-<port>.json in the data dir tells the process to signal, and the result of its last
upgrade; `mysetlist upgrade` reads it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import psutil
import structlog

from server import __version__
from server.embedded.folders import data_dir_failures
from server.errors import SetupError
from server.node.handover_messages import HandedOver, HandOverFailed

log = structlog.get_logger()

POLL_S = 0.1
BEGIN_TIMEOUT_S = 60.0

# Replaces one process of this node. Raises: HandOverFailed
Upgrade = Callable[[], Awaitable[HandedOver]]


class RunFile(msgspec.Struct, kw_only=True):
    """The facts about a running node for other commands. upgrade_count: ended upgrades; last: the result for each process; is_upgrading:
    None in the file of an older version, which does not say.
    """

    pid: int
    started_s: float  # tells this process from a later one with the same id
    port: int
    version: str
    upgrade_count: int = 0
    is_upgrading: bool | None = None
    last: list[HandedOver] = msgspec.field(default_factory=list)


class Upgrades:
    """The upgrades of this process. Make it with `asked_for`."""

    def __init__(self, path: Path, run_file: RunFile) -> None:
        self._path = path
        self._run_file = run_file
        self._asked = asyncio.Event()

    @classmethod
    @contextmanager
    def asked_for(cls, data_dir: Path, port: int) -> Iterator[Upgrades]:
        """Handles SIGUSR2 inside the block. The file exists as long as the block runs."""
        path = run_file_path(data_dir, port)
        started_s = psutil.Process().create_time()
        run_file = RunFile(pid=os.getpid(), started_s=started_s, port=port, version=__version__, is_upgrading=False)
        upgrades = cls(path, run_file)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR2, upgrades._asked.set)
        try:
            upgrades._write()
            yield upgrades
        finally:
            loop.remove_signal_handler(signal.SIGUSR2)
            # The node still has to drain. The default would kill it.
            signal.signal(signal.SIGUSR2, signal.SIG_IGN)
            path.unlink(missing_ok=True)

    async def run(self, steps: Sequence[Upgrade]) -> None:
        """Upgrades whenever it is asked to, until cancelled. Takes: steps, done one after the other; the first failure ends them."""
        while True:
            await self.run_once(steps)

    async def run_once(self, steps: Sequence[Upgrade]) -> bool:
        """Waits until an upgrade is asked for, and does it; gives whether it was done."""
        await self._asked.wait()
        log.info("upgrade.begun", version=__version__)
        self._run_file.is_upgrading = True
        self._write()
        outcomes: list[HandedOver] = []
        try:
            for step in steps:
                outcomes.append(await step())  # noqa: PERF401  after a failure, finished steps are told too
        except HandOverFailed as error:
            outcomes.append(HandedOver(reason=str(error)))
            log.error("upgrade.failed", reason=str(error))  # noqa: TRY400  a line is enough
        else:
            log.info("upgrade.done", **_sums(outcomes))
        # Signals that came meanwhile ask for nothing more: this upgrade answers them, too.
        self._asked.clear()
        self._run_file.is_upgrading = False
        self._run_file.upgrade_count += 1
        self._run_file.last = outcomes
        self._write()
        return not outcomes[-1].reason

    def _write(self) -> None:
        draft = self._path.with_suffix(".draft")
        try:
            draft.write_bytes(msgspec.json.encode(self._run_file))
            draft.replace(self._path)
        except OSError as error:
            # Its folder belongs to another user, or the disk is full. `kill -USR2` upgrades the node all the same.
            log.warning("run_file.not_written", path=str(self._path), reason=error.strerror)
            # Without the file, a command that waits for the end of an upgrade fails. With an old one it would wait for ever.
            for path in (draft, self._path):
                with suppress(OSError):
                    path.unlink(missing_ok=True)


def run_file_path(data_dir: Path, port: int) -> Path:
    """The file of the node that listens on a port."""
    return data_dir / f"serve-{port}.json"


def running_nodes(data_dir: Path) -> list[RunFile]:
    """The nodes that run with a data dir.

    Raises: SetupError: the folder or a file cannot be read
    """
    with data_dir_failures(data_dir):
        # Unlike Path.glob, it does not call a folder empty that this user may not list.
        paths = sorted(path for path in data_dir.iterdir() if path.match("serve-*.json")) if data_dir.exists() else []
    found = [_read(path) for path in paths]
    return [node for node in found if node is not None and _runs(node)]


async def ask_for_upgrade(data_dir: Path, node: RunFile) -> RunFile:
    """Upgrades a node, and waits for the end; gives the node's file as it is then.

    Raises: SetupError: it belongs to another user, has died, does not begin within BEGIN_TIMEOUT_S, or cannot write its file
    """
    deadline_s = time.monotonic() + BEGIN_TIMEOUT_S
    try:
        os.kill(node.pid, signal.SIGUSR2)
    except OSError as error:
        raise SetupError(f"cannot ask the node on port {node.port} (process {node.pid}): {error.strerror}") from error
    while True:
        now = _read(run_file_path(data_dir, node.port))
        if now is not None and now.upgrade_count > node.upgrade_count:
            return now
        if not _runs(node):
            raise SetupError(f"the node on port {node.port} (process {node.pid}) has ended; its log says why")
        if now is None:
            raise SetupError(
                f"the node on port {node.port} (process {node.pid}) stops, or cannot write into {data_dir}; its log says why"
            )
        if now.is_upgrading is False and time.monotonic() > deadline_s:
            raise SetupError(
                f"the node on port {node.port} (process {node.pid}) has not begun within {BEGIN_TIMEOUT_S:.0f} s: it is still starting, or"
                " it hangs; its log says which"
            )
        await asyncio.sleep(POLL_S)


def _read(path: Path) -> RunFile | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunFile)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise SetupError(f"cannot read {path} ({error}); ask the node with: kill -USR2 PID") from error


def _runs(node: RunFile) -> bool:
    try:
        return psutil.Process(node.pid).create_time() == node.started_s
    except psutil.NoSuchProcess:
        return False


def _sums(outcomes: Sequence[HandedOver]) -> dict[str, str | int | float]:
    return {
        "version": outcomes[-1].version,
        "websockets": sum(one.moved_count for one in outcomes),
        "drained": sum(one.drained_count for one in outcomes),
        "took_s": round(sum(one.took_s for one in outcomes), 3),
    }
