"""Who asks a node for an upgrade: the signal, and the file that tells how it ended."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from pathlib import Path

import pytest

from server.errors import SetupError
from server.node.handover_messages import HandedOver
from server.node.upgrades import Upgrades, ask_for_upgrade, running_nodes
from tests.support.commands import Command, plain_environ


async def test_a_node_that_starts_outlives_the_signal_of_an_upgrade(tmp_path: Path) -> None:
    """Its default action would kill the process."""
    async with asyncio.timeout(30):
        asked = asyncio.Event()

        async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.set()
            await reader.read(-1)
            writer.close()

        async with await asyncio.start_server(says_nothing, "127.0.0.1", 0) as silent:
            host, port = silent.sockets[0].getsockname()[:2]
            environ = plain_environ() | {
                "DATABASE_URL": f"postgresql://me@{host}:{port}/x",
                "REDIS_URL": "redis://127.0.0.1:1",
            }
            node = await Command.start(
                "serve", "--port", "0", "--data-dir", str(tmp_path),
                environ=environ, output=tmp_path / "output", errors=tmp_path / "errors",
            )  # fmt: skip
            await asked.wait()
            node.send_signal(signal.SIGUSR2)
            node.send_signal(signal.SIGTERM)
            assert await node.wait() == 0


async def test_the_signal_of_an_upgrade_is_ignored_once_the_node_stops(tmp_path: Path) -> None:
    """What it drains goes on to its end."""
    before = signal.getsignal(signal.SIGUSR2)
    try:
        with Upgrades.asked_for(tmp_path, 8080):
            assert (tmp_path / "serve-8080.json").exists()
        assert signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGUSR2, before)


async def test_who_asks_for_an_upgrade_does_not_wait_for_a_file_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: the command says so, and the node is upgraded all the same."""

    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def upgraded() -> HandedOver:
        return HandedOver(version="9")

    before = signal.getsignal(signal.SIGUSR2)
    try:
        with Upgrades.asked_for(tmp_path, 8080) as upgrades:
            (node,) = running_nodes(tmp_path)
            monkeypatch.setattr(Path, "write_bytes", fails)
            async with asyncio.timeout(5):
                asking = asyncio.create_task(ask_for_upgrade(tmp_path, node))
                assert await upgrades.run_once([upgraded])
                with pytest.raises(SetupError, match="cannot write into"):
                    await asking
    finally:
        signal.signal(signal.SIGUSR2, before)


async def test_who_asks_for_an_upgrade_does_not_wait_for_a_node_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command says so. For an upgrade that has begun it waits to its end, however long that takes."""
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> HandedOver:
        begun.set()
        await may_end.wait()
        return HandedOver(version="9")

    before = signal.getsignal(signal.SIGUSR2)
    try:
        with Upgrades.asked_for(tmp_path, 8080) as upgrades:
            (node,) = running_nodes(tmp_path)
            monkeypatch.setattr("server.node.upgrades.BEGIN_TIMEOUT_S", 0.0)
            monkeypatch.setattr("server.node.upgrades.POLL_S", 0.0)
            async with asyncio.timeout(5):
                with pytest.raises(
                    SetupError, match=rf"^the node on port 8080 \(process {os.getpid()}\) has not begun within"
                ):
                    await ask_for_upgrade(tmp_path, node)
                # The signal has come all the same.
                upgrading = asyncio.create_task(upgrades.run_once([slow]))
                await begun.wait()
                asking = asyncio.create_task(ask_for_upgrade(tmp_path, node))
                for _ in range(100):
                    await asyncio.sleep(0)
                assert not asking.done()
                may_end.set()
                assert (await asking).last == [HandedOver(version="9")]
                assert await upgrading
    finally:
        signal.signal(signal.SIGUSR2, before)


@pytest.mark.parametrize("damaged", ["", '{"pid": 1', "[]"])
def test_a_damaged_file_is_named(tmp_path: Path, damaged: str) -> None:
    """One sentence says what to do instead."""
    (tmp_path / "serve-8080.json").write_text(damaged)
    with pytest.raises(SetupError, match=r"^cannot read .*serve-8080\.json \(.*\); ask the node with: kill -USR2 PID$"):
        running_nodes(tmp_path)
