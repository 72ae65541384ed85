"""The parts that all benchmarks share: a node of their own, CPU seconds by engine, and the facts about a run."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psutil
from calibration import calibrate

ROOT = Path(__file__).resolve().parent.parent
# The benchmarks measure this checkout, also if another version is installed.
sys.path.insert(0, str(ROOT))

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
READY_LINE = "listening on "
# No voter of a benchmark may run out of votes: the rule is on and its number is high.
VOTES_PER_DAY = 999_999_999


class Node:
    """One node with engines of its own in `data_dir`.

    Takes:  arguments, more flags for `serve`
    Gives:  `url`; `ready_s`, the time from the start of the process to its ready line
    """

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        environment["MYSETLIST_VOTES_PER_DAY"] = str(VOTES_PER_DAY)
        self._data_dir = data_dir
        began_s = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "server", "serve", "--port", "0", "--data-dir", str(data_dir), *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        killer = threading.Timer(START_TIMEOUT_S, self._process.kill)
        killer.start()
        try:
            self.url = self._wait_ready()
        finally:
            killer.cancel()
        self.ready_s = time.monotonic() - began_s
        # Later output must not fill the pipe.
        threading.Thread(target=self._discard_output, daemon=True).start()
        self.process = psutil.Process(self._process.pid)

    def _wait_ready(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if READY_LINE in line:
                return line.partition(READY_LINE)[2].split()[0].rstrip("/")
        raise SystemExit(f"the node exited with {self._process.wait()} before it was ready; stderr says why")

    def _discard_output(self) -> None:
        assert self._process.stdout is not None
        for _ in self._process.stdout:
            pass

    def cpu_s(self) -> dict[str, float]:
        """The CPU seconds so far, user and system, of `server`, `postgres` and `valkey`."""
        return cpu_s([self.process])

    def server_rss_bytes(self) -> int:
        """The memory of the server, all workers, without its engines."""
        return sum(int(process.memory_info().rss) for kind, process in _processes([self.process]) if kind == "server")

    def database_url(self) -> str:
        """The address of its PostgreSQL."""
        return str(orjson.loads((self._data_dir / "engines.json").read_bytes())["database_url"])

    def stop(self) -> None:
        """Stops the node, which stops its engines."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def data_folder() -> Iterator[Path]:
    """An empty folder for engines: its path is short enough for their sockets, and their user may enter it."""
    folder = Path(tempfile.mkdtemp(prefix="mysetlist-bench-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def node(*arguments: str, has_shows: bool = True) -> Iterator[Node]:
    """Runs a node in a folder of its own, with sample data if it has shows."""
    with data_folder() as folder:
        log_step("start a node")
        started = Node(folder, *(["--demo"] if has_shows else []), *arguments)
        try:
            yield started
        finally:
            started.stop()


def cpu_s(roots: Iterable[psutil.Process]) -> dict[str, float]:
    """The CPU seconds so far, user and system, of these processes and their children: `server`, `postgres` and `valkey`."""
    spent = {"server": 0.0, "postgres": 0.0, "valkey": 0.0}
    for kind, process in _processes(roots):
        with suppress(psutil.NoSuchProcess, OSError):
            spent[kind] += _process_cpu_s(process)
    return spent


def _processes(roots: Iterable[psutil.Process]) -> Iterator[tuple[str, psutil.Process]]:
    """These processes and their children, each with its kind."""
    for process in (one for root in roots for one in (root, *root.children(recursive=True))):
        with suppress(psutil.NoSuchProcess):
            name = process.name()
            kind = "postgres" if "postgres" in name else "valkey" if "valkey" in name or "redis" in name else "server"
            yield kind, process


def _process_cpu_s(process: psutil.Process) -> float:
    if sys.platform != "linux":
        times = process.cpu_times()
        return float(times.user + times.system)
    # The clock of another process: clock_getcpuclockid(3) makes its number so. psutil's times have steps of 10 ms.
    return time.clock_gettime((~process.pid << 3) | 2)


def spent(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """The CPU seconds between two readings."""
    return {name: after[name] - before[name] for name in after}


def own_cpu_s() -> float:
    """The CPU seconds of this process, all threads."""
    return time.process_time()


def summary_ms(seconds: Sequence[float]) -> dict[str, float | int | None]:
    """`count`, `median` and `max` [ms]."""
    if not seconds:
        return {"count": 0, "median": None, "max": None}
    return {
        "count": len(seconds),
        "median": round(statistics.median(seconds) * 1000, 1),
        "max": round(max(seconds) * 1000, 1),
    }


def run_facts() -> dict[str, Any]:
    """The date, the commit and the machine of a run, and how fast this machine is now (bench/calibration.py); takes seconds."""
    date, machine = datetime.now(UTC).isoformat(timespec="seconds"), _machine()
    log_step("calibrate")
    return {"date": date, "commit": _commit(), "machine": machine, "calibration": asyncio.run(_calibrated())}


async def _calibrated() -> dict[str, float | str]:
    from server.embedded import EmbeddedEngines

    with data_folder() as folder:
        engines = await EmbeddedEngines.start(folder, valkey=False)
        try:
            return await calibrate(engines.database_url)
        finally:
            await engines.stop()


def log_step(text: str) -> None:
    """Prints a line of progress on stderr."""
    print(text, file=sys.stderr, flush=True)


def print_result(result: dict[str, Any]) -> None:
    """Prints the result as one JSON object on stdout."""
    sys.stdout.write(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode() + "\n")


def _commit() -> dict[str, Any]:
    def git(*arguments: str) -> str | None:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    return {"revision": git("rev-parse", "HEAD"), "is_changed": bool(git("status", "--porcelain"))}


def _machine() -> dict[str, Any]:
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [
            line.partition(":")[2].strip() for line in information.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }
