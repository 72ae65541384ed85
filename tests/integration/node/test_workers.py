"""`serve --workers N`: the parent process, with stand-ins for its workers that only print that they are ready."""

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
from server.node.workers import serve_with_workers
from server.settings import Settings

# Ready, then alive until SIGTERM; prints its number and its addresses for the test.
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
    """The stand-ins; the engines of the test run may be child processes too."""
    found = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in found if child.cmdline()[1:2] == ["-c"]]


@asynccontextmanager
async def parent(script: str = STAND_IN) -> AsyncIterator[asyncio.Task[None]]:
    """The parent of three workers that run a script."""

    def command(_: Settings, number: int, port: int) -> list[str]:
        return [sys.executable, "-c", script, str(number), str(port)]

    task = asyncio.create_task(serve_with_workers(settings(), command_of=command, restart_delay_s=0.0))
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


async def test_workers_share_port_and_engines_and_end_together(capfd: pytest.CaptureFixture[str]) -> None:
    """Three workers get the same addresses; `listening on` is printed once; SIGTERM ends them all."""
    async with parent():
        printed = await until_printed(capfd, "listening on")
        assert printed.count("listening on") == 1
        for number in range(3):
            assert f"worker {number} postgresql://db/fans redis://cache" in printed
        assert len(children()) == 3
    assert children() == []


async def test_a_worker_that_dies_is_started_again(capfd: pytest.CaptureFixture[str]) -> None:
    """One crash does not end the other workers, and the new start is not announced."""
    async with parent():
        await until_printed(capfd, "listening on")
        children()[0].kill()
        printed = await until_printed(capfd, "worker ")
        assert "listening on" not in printed
        assert len(children()) == 3


async def test_a_worker_that_cannot_start_ends_the_start() -> None:
    """It has printed its own message; the parent does not try again."""
    with pytest.raises(SetupError, match="worker 0 ended with code 3 before it was ready"):
        async with parent(FAILING) as task:
            await asyncio.wait([task])
    assert children() == []


async def test_a_taken_port_is_one_line() -> None:
    """The parent finds it before it starts an engine."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=rf"^cannot listen on 127\.0\.0\.1:{port}: "):
            await serve_with_workers(settings(port=port))


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
    """A parent that is killed with SIGKILL leaves no worker on the port."""
    done = await asyncio.create_subprocess_exec(sys.executable, "-c", ORPHAN, stdout=asyncio.subprocess.PIPE)
    assert done.stdout is not None
    worker = int(await done.stdout.read())
    await done.wait()
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
        await asyncio.sleep(0.01)
