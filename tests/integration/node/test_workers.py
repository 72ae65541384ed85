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
from server.node.descriptor_channel import DescriptorChannel
from server.node.hand_over import READY_TIMEOUT_S, REPLY_TIMEOUT_S
from server.node.handover_messages import Begin, HandedOver, HandOverFailed
from server.node.worker import HAND_OVER_TIMEOUT_S, Worker, WorkerProcess
from server.node.workers import python_beside, serve_command, serve_with_workers
from server.settings import Settings
from server.web.listening import reserve_port

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


def environment() -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": "", "REDIS_URL": ""}


def children() -> list[psutil.Process]:
    """The stand-ins; engines and the process that forks nodes may be child processes too."""
    found = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in found if child.cmdline()[1:3] in (["-c", STAND_IN], ["-c", FAILING])]


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


async def test_a_successor_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not hold up the upgrade that failed, nor the end of the node."""
    monkeypatch.setattr("server.node.worker.END_TIMEOUT_S", 0.1)
    worker = Worker(0, [sys.executable, "-c", STAND_IN, "0", "80"], environment(), restart_delay_s=0.0)

    async def hangs(connected: socket.socket) -> HandedOver:
        connected.close()
        await worker.ready
        (child,) = children()
        child.suspend()
        raise HandOverFailed("it hangs")

    with pytest.raises(HandOverFailed, match="it hangs"):
        async with asyncio.timeout(20):
            await worker.replace(hangs)
    assert children() == []


async def test_a_worker_that_hangs_does_not_hold_up_an_upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    """The upgrade fails and names the process. A late answer is not taken for that of the next upgrade."""
    monkeypatch.setattr("server.node.worker.HAND_OVER_TIMEOUT_S", 0.1)
    hung = await WorkerProcess.start(
        [sys.executable, "-c", STAND_IN, "0", "80"], environment(), Begin(has_own_database=False), lambda _: None
    )
    ours, theirs = socket.socketpair()
    hung._control.close()
    hung._control, worker = DescriptorChannel(ours), DescriptorChannel(theirs)

    async def asked() -> HandedOver:
        connected, successor = socket.socketpair()
        successor.close()
        async with asyncio.timeout(20):
            return await hung.hand_over(connected)

    try:
        with pytest.raises(HandOverFailed, match=f"^the old process does not answer; .* kill -9 {hung.pid}, "):
            await asked()
        monkeypatch.setattr("server.node.worker.HAND_OVER_TIMEOUT_S", 20.0)
        await worker.send(HandedOver(reason="the new process has ended"))
        await worker.send(HandedOver(version="2.0"))
        assert (await asked()).version == "2.0"
    finally:
        worker.close()
        hung.send_signal(signal.SIGKILL)
        await hung.ended()


def test_a_worker_has_more_time_than_it_takes_itself() -> None:
    """Else the upgrade would fail while a large database is migrated."""
    assert HAND_OVER_TIMEOUT_S > READY_TIMEOUT_S + 4 * REPLY_TIMEOUT_S


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


@pytest.mark.parametrize("family", ["127.0.0.1", "::1"])
def test_a_port_that_a_node_left_a_moment_ago_is_free(family: str) -> None:
    """The connections of a node that has ended hold the port for a minute (TIME_WAIT)."""
    address = socket.AF_INET6 if ":" in family else socket.AF_INET
    with socket.create_server((family, 0), family=address) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection((family, port)) as client:
            accepted, _ = listening.accept()
            accepted.close()
            assert client.recv(1) == b""
    with reserve_port(family, port, is_shared=True) as reservation:
        assert reservation.getsockname()[1] == port


async def test_a_worker_whose_parent_died_before_it_looked_ends() -> None:
    """It compares with the process id that its parent gave it, and not with its parent of now."""
    code = f"import signal; from server.node.workers import end_with_parent; end_with_parent({2**22}); signal.pause()"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    async with asyncio.timeout(20):
        assert await process.wait() == -signal.SIGTERM


def test_a_link_to_the_installation_leads_to_the_version_that_is_installed_now(tmp_path: Path) -> None:
    """A script names the Python of its own installation, and the link to it may lead to another one since."""
    for name in ("old/bin", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    real, link = tmp_path / "old/bin/python3", tmp_path / "current"
    link.symlink_to(tmp_path / "old")
    for folder in (real.parent, tmp_path / "elsewhere"):
        for name in ("python3", "mysetlist"):
            (folder / name).touch()
    assert python_beside(str(link / "bin/mysetlist"), str(real)) == str(link / "bin/python3")
    # A link to the script alone, as pipx makes it, and `python -m server`.
    assert python_beside(str(tmp_path / "elsewhere/mysetlist"), str(real)) == str(real)
    assert python_beside(str(tmp_path / "server/__main__.py"), str(real)) == str(real)


def test_a_worker_gets_the_id_of_its_parent() -> None:
    """It ends with this process."""
    command = serve_command(settings(), 1, 80)
    assert command[command.index("--with-parent") + 1] == str(os.getpid())
