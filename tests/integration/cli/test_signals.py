"""Signals before a command is ready: it ends at once, and nothing that it started goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest

from server.embedded import EmbeddedEngines
from server.node.signals import stop_signals
from server.node.workers import COMMAND_CONNECTIONS, NODE_CONNECTIONS, connections_for
from tests.support.commands import Command
from tests.support.engines import unused_port
from tests.support.node_process import until

# Far below the times after which a start gives up by itself.
ENDS_WITHIN_S = 10.0


@pytest.fixture(autouse=True)
def _hangups_are_not_ignored() -> Iterator[None]:
    """Commands inherit what happens at SIGHUP; under nohup they would ignore it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def processes_of(folder: Path) -> list[psutil.Process]:
    """The processes whose command line names a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and any(str(folder) in part for part in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@asynccontextmanager
async def command(data_dir: Path, errors: Path, *words: str, **environ: str) -> AsyncIterator[Command]:
    """A running `mysetlist` command; killed at the end, if it still runs. Takes: errors, a file for them."""
    running = await Command.start(
        *words, "--data-dir", str(data_dir), environ={"PATH": os.environ["PATH"], "HOME": str(data_dir), **environ},
        output=Path(os.devnull), errors=errors,
    )  # fmt: skip
    try:
        yield running
    finally:
        running.send_signal(signal.SIGKILL)


async def ended(running: Command) -> int:
    """Waits for the end; gives the exit code."""
    async with asyncio.timeout(ENDS_WITHIN_S):
        return await running.wait()


async def let_start_hang(data_dir: Path) -> Path:
    """The next start of PostgreSQL waits for a file of its archive that never comes. Gives the folder that its waiting process names."""
    await (await EmbeddedEngines.start(data_dir)).stop()
    archive = data_dir / "archive"
    with (data_dir / "postgres" / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"restore_command = 'sleep 3600; cp {archive}/%f %p'\n")
    (data_dir / "postgres" / "recovery.signal").touch()
    return archive


@pytest.mark.parametrize(
    ("words", "number", "code"),
    [
        (("serve", "--port", "0"), signal.SIGTERM, 0),
        (("serve", "--port", "0", "--workers", "2"), signal.SIGINT, 0),
        (("token",), signal.SIGHUP, 128 + signal.SIGHUP),
    ],
    ids=["serve", "workers", "token"],
)
async def test_a_start_that_is_ended_leaves_no_engine(
    engine_dir: Path, tmp_path: Path, words: tuple[str, ...], number: signal.Signals, code: int
) -> None:
    """A signal ends the command while its own engines start, and the engines with it."""
    # The command `token` ends by itself soon after a start, so its start never ends.
    part = await let_start_hang(engine_dir) if words == ("token",) else engine_dir / "postgres"
    errors = tmp_path / "errors"
    async with command(engine_dir, errors, *words) as running:
        await until(lambda: bool(processes_of(part)), "an engine has been started")
        running.send_signal(number)
        found = await ended(running)
    assert "Traceback" not in errors.read_text()
    assert found == code
    assert processes_of(engine_dir) == []


async def test_a_command_obeys_when_nobody_reads_its_output(engine_dir: Path) -> None:
    """A terminal that closes sends SIGHUP and takes no text any more: the command ends all the same."""
    archive = await let_start_hang(engine_dir)
    reader, writer = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "server", "token", "--data-dir", str(engine_dir),
            env={"PATH": os.environ["PATH"], "HOME": str(engine_dir)}, stdout=writer, stderr=writer, start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(writer)
    try:
        await until(lambda: bool(processes_of(archive)), "an engine has been started")
        os.close(reader)
        process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(ENDS_WITHIN_S):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
            for left in processes_of(engine_dir):
                left.send_signal(signal.SIGQUIT)
    assert processes_of(engine_dir) == []


async def test_a_node_that_waits_for_the_database_obeys(
    engine_dir: Path, tmp_path: Path, database_url: str, redis_url: str
) -> None:
    """Its first query waits for a lock, so it is not ready for seconds."""
    errors = tmp_path / "errors"
    locking = await asyncpg.connect(database_url)
    looking = await asyncpg.connect(database_url)
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "MYSETLIST_SECRET": "s" * 32}
    try:
        async with (
            locking.transaction(),
            command(engine_dir, errors, "serve", "--port", str(unused_port()), **environ) as running,
        ):
            await locking.execute("lock table log_positions in access exclusive mode")

            async def is_waiting() -> bool:
                count: int = await looking.fetchval(
                    "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
                )
                return count > 0

            async with asyncio.timeout(ENDS_WITHIN_S):
                while not await is_waiting():
                    await asyncio.sleep(0.01)
            running.send_signal(signal.SIGTERM)
            code = await ended(running)
        assert (code, "Traceback" in errors.read_text()) == (0, False)
    finally:
        await locking.close()
        await looking.close()


async def test_a_block_that_no_signal_ends_keeps_its_cancellation() -> None:
    """Only a signal is swallowed: who cancels the task for another reason hears of it."""

    async def block() -> None:
        with stop_signals():
            await asyncio.Event().wait()

    task = asyncio.create_task(block())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_our_own_postgres_has_a_connection_for_every_worker() -> None:
    """And for the successor of one in an upgrade; the default is enough for a single node and its successor."""
    assert connections_for(1) == 100
    assert connections_for(64) == 65 * NODE_CONNECTIONS + COMMAND_CONNECTIONS
