"""`mysetlist upgrade` under a crowd: new processes take the sockets over, and nobody notices."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import socket
import struct
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.audit import settled
from tests.support.commands import run_command
from tests.support.node_process import NodeProcess, until
from tests.support.open_shows import make_shows, make_users
from tests.support.recording_crowd import Crowd

pytestmark = pytest.mark.timeout(60)

FANS = 6


async def upgrade(node: NodeProcess) -> tuple[int, str]:
    """Runs the command; gives its exit code, and what it printed."""
    code, output, errors = await run_command("upgrade", "--data-dir", str(node.folder / "d"), environ=node.environ)
    return code, output + errors


class Systemd:
    """What a service tells systemd. told: each message with the process that sent it."""

    def __init__(self, path: Path) -> None:
        self.told: list[tuple[str, int]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(str(path))
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    def _receive(self) -> None:
        text, ((_, _, credentials),), _, _ = self._socket.recvmsg(100, socket.CMSG_SPACE(12))
        self.told.append((text.decode(), struct.unpack("3i", credentials)[0]))

    def close(self) -> None:
        """Listens no more."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()


def closed(crowd: Crowd) -> list[Any]:
    """How the server has closed sockets of fans."""
    return [code for fan in crowd.fans for code in fan.close_codes]


async def test_a_node_with_its_own_engines_is_upgraded_and_goes_back(engine_dir: Path) -> None:
    """Twice, and the engines stay. A successor that cannot start, and one that is killed, change nothing; SIGTERM ends all."""
    data = engine_dir / "d"
    environ = {"NOTIFY_SOCKET": str(engine_dir / "notify"), "WATCHDOG_USEC": "300000"}
    async with AsyncExitStack() as stack:
        systemd = stack.enter_context(closing(Systemd(engine_dir / "notify")))
        node = await stack.enter_async_context(NodeProcess.running(engine_dir, **environ))
        addresses = json.loads((data / "engines.json").read_text())
        engines = [
            int((data / name).read_text().split()[0]) for name in ("postgres/postmaster.pid", "valkey/valkey.pid")
        ]
        shows = await make_shows(addresses["database_url"], count=2)
        users = await make_users(addresses["database_url"], FANS)
        async with Crowd.voting([node], shows, users) as crowd:
            await crowd.more(20)
            code, text = await upgrade(node)
            assert code == 0, text
            # The fans, and a watcher.
            assert re.fullmatch(
                r"upgraded to \S+: 7 websockets went on, 0 connections were sent away, in \S+ s\n", text
            )
            await crowd.more(20)
            # The process that serves now is asked, as one of `--workers`: it means its parent.
            os.kill(node.records("successor.started")[0]["pid"], signal.SIGUSR2)
            await until(lambda: len(node.records("upgrade.done")) == 2, "the node is upgraded once more")
            done = node.records("upgrade.done")[1]
            assert (done["websockets"], done["drained"]) == (7, 0)
            # The successor tells this itself, perhaps after its parent has told the other.
            await until(lambda: len(node.records("node.took_over")) == 2, "the second successor says that it took over")
            await crowd.more(20)
            upgrading = asyncio.create_task(upgrade(node))
            await until(lambda: len(node.records("successor.started")) == 3, "a successor starts")
            os.kill(node.records("successor.started")[-1]["pid"], signal.SIGKILL)
            assert (await upgrading)[0] == 1
            # The next successor inherits this, and ends with a line.
            psutil.Process(node.pid).rlimit(resource.RLIMIT_NOFILE, (150, 150))
            code, text = await upgrade(node)
            assert code == 1
            assert "was not upgraded and goes on" in text
            assert "the new process failed, and its message is in the node's log" in text
            assert [pid for told, pid in systemd.told if told == "READY=1"] == [node.pid]
            systemd.told.clear()
            await until(lambda: len(systemd.told) > 2, "the watchdog is fed")
            assert set(systemd.told) == {("WATCHDOG=1", node.records("successor.started")[1]["pid"])}
            assert closed(crowd) == []
            assert await settled(crowd, addresses["database_url"], addresses["redis_url"]) == []
        assert [psutil.Process(pid).is_running() for pid in engines] == [True, True]
        children = psutil.Process(node.pid).children(recursive=True)
        assert await node.terminate() == 0
        assert not any(child.is_running() for child in children)
        assert not list(data.glob("serve-*.json"))
        assert not node.tracebacks()


async def test_a_node_that_does_not_run_is_not_upgraded(tmp_path: Path) -> None:
    """One line says where it was looked for, and what else to do."""
    (tmp_path / "serve-8080.json").write_text('{"pid": 4194303, "started_s": 1.5, "port": 8080, "version": "0.1.0"}')
    code, _, errors = await run_command("upgrade", "--data-dir", str(tmp_path), environ=dict(os.environ))
    assert code == 1
    assert f"no node runs with the data dir {tmp_path}" in errors
    assert "kill -USR2" in errors
