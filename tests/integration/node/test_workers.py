"""`serve --workers N`: the parent's part, with workers that only say they are ready."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from server.errors import SetupError
from server.node import workers
from server.settings import Settings

# Ready, then alive until SIGTERM; its number and its addresses are what a test looks at.
STAND_IN = """
import os, signal, sys
print("worker", sys.argv[1], os.environ["DATABASE_URL"], os.environ["REDIS_URL"], flush=True)
print("listening on http://127.0.0.1:" + sys.argv[2], flush=True)
signal.pause()
"""
FAILING = "import sys; sys.exit(3)"


def settings(port: int = 0) -> Settings:
    return Settings(
        data_dir=Path("/nowhere"),
        secret="s" * 32,
        port=port,
        workers=3,
        database_url="postgresql://db/fans",
        redis_url="redis://cache",
    )


def children() -> list[psutil.Process]:
    """The stand-ins; the run's engines may be children of ours too."""
    found = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in found if child.cmdline()[1:2] == ["-c"]]


@asynccontextmanager
async def parent(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], script: str = STAND_IN
) -> AsyncIterator[asyncio.Task[None]]:
    """The parent, once it has said that it listens."""
    monkeypatch.setattr(workers, "RESTART_DELAY_S", 0.0)
    monkeypatch.setattr(
        workers, "_command", lambda _, number, port: [sys.executable, "-c", script, str(number), str(port)]
    )
    task = asyncio.create_task(workers.serve_with_workers(settings()))
    try:
        yield task
    finally:
        if not task.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await task


async def until_printed(capfd: pytest.CaptureFixture[str], text: str, count: int = 1) -> str:
    printed = ""
    while printed.count(text) < count:
        await asyncio.sleep(0.01)
        printed += capfd.readouterr().out
    return printed


async def test_workers_share_port_and_engines_and_end_together(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Three workers get the same addresses; `listening on` is printed once; SIGTERM ends them all."""
    async with parent(monkeypatch, capfd):
        printed = await until_printed(capfd, "listening on")
        assert printed.count("listening on") == 1
        for number in range(3):
            assert f"worker {number} postgresql://db/fans redis://cache" in printed
        assert len(children()) == 3
    assert children() == []


async def test_a_worker_that_dies_is_started_again(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One crash does not end the node, and is not announced as a new start."""
    async with parent(monkeypatch, capfd):
        await until_printed(capfd, "listening on")
        children()[0].kill()
        printed = await until_printed(capfd, "worker ")
        assert "listening on" not in printed
        assert len(children()) == 3


async def test_a_worker_that_cannot_start_ends_the_start(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It has said why itself; the parent does not try for ever."""
    with pytest.raises(SetupError, match="worker 0 ended with code 3 before it was ready"):
        async with parent(monkeypatch, capfd, FAILING) as task:
            await asyncio.wait([task])
    assert children() == []


async def test_a_taken_port_is_one_line() -> None:
    """Said before any engine is started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=rf"^cannot listen on 127\.0\.0\.1:{port}: "):
            await workers.serve_with_workers(settings(port=port))


ORPHAN = """
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c",
    "import signal; from server.node.workers import end_with_parent; end_with_parent(); print(flush=True); signal.pause()"],
    stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_workers_end_when_their_parent_is_killed() -> None:
    """A parent killed with -9 leaves no worker behind on the port."""
    done = await asyncio.create_subprocess_exec(sys.executable, "-c", ORPHAN, stdout=asyncio.subprocess.PIPE)
    assert done.stdout is not None
    worker = int(await done.stdout.read())
    await done.wait()
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
        await asyncio.sleep(0.01)
