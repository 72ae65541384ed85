"""A node in a process of its own. Tests start, stop and kill it, and read its log and metrics."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.commands import Command, plain_environ

SECRET = "0123456789abcdef0123456789abcdef"


async def until(condition: Callable[[], bool], why: str, *, timeout_s: float = 20.0) -> None:
    """Waits for another process or task; fails with `why` after `timeout_s`."""
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{why}: not within {timeout_s:.0f} s") from None


async def until_async(condition: Callable[[], Awaitable[bool]], why: str, *, timeout_s: float = 20.0) -> None:
    """`until` for an asynchronous condition."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await condition():
                await asyncio.sleep(0.1)  # an answer of a node costs more than a look at a file
    except TimeoutError:
        raise AssertionError(f"{why}: not within {timeout_s:.0f} s") from None


class NodeProcess:
    """`mysetlist serve`, by default on shared engines; its port stays the same over restarts.

    file_limit: how many files its process may open; None: as many as this one
    """

    def __init__(self, folder: Path, *flags: str, **environ: str) -> None:
        """Takes: folder, for the data dir and the log; flags of `serve`; environ, more settings."""
        self.folder = folder
        self.file_limit: int | None = None
        self.log_path = folder / "node.log"
        self.output_path = folder / "node.out"
        self.url = ""
        self._flags = flags
        self._port = 0
        self.environ = plain_environ() | {
            "MYSETLIST_SECRET": SECRET,
            "MYSETLIST_LOG_FORMAT": "json",
            # No test sends requests to the real one.
            "MUSICBRAINZ_API_URL": "http://127.0.0.1:9",
            **environ,
        }
        self._process: Command | None = None

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, *flags: str, **environ: str) -> AsyncIterator[NodeProcess]:
        """Runs a node until the end of the block."""
        folder.mkdir(exist_ok=True)
        # The engines of a node that runs as root have another user, who must pass through.
        folder.chmod(0o711)
        node = cls(folder, *flags, **environ)
        await node.start()
        try:
            yield node
        finally:
            await node.end()

    @property
    def port(self) -> int:
        """The port, the same after a restart."""
        return self._port

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, or the negative number of the signal that ended it; None: it runs."""
        assert self._process is not None
        return self._process.exit_code

    async def launch(self, *, port: int | None = None) -> Command:
        """Starts the process without waiting until it listens."""
        port = self._port if port is None else port
        self._process = await Command.start(
            "serve", "--port", str(port), "--data-dir", str(self.folder / "d"), *self._flags,
            environ=self.environ, output=self.output_path, errors=self.log_path, file_limit=self.file_limit,
        )  # fmt: skip
        return self._process

    async def start(self) -> None:
        """Starts the process and waits until it listens."""
        self.output_path.write_text("")
        process = await self.launch()
        async with asyncio.timeout(30):
            while True:
                has_ended = process.exit_code is not None
                if found := re.search(
                    r"^listening on (http://\S+:(\d+))\n", self.output_path.read_text(), re.MULTILINE
                ):
                    self.url, self._port = found[1], int(found[2])
                    return
                assert not has_ended, f"the node did not start: {self.log_path.read_text()[-2000:]}"
                await asyncio.sleep(0.005)

    async def kill(self) -> None:
        """Kills the process with SIGKILL, and waits for its end."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    async def terminate(self) -> int:
        """Sends SIGTERM and waits for the end; gives the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            return await self._process.wait()

    async def end(self) -> None:
        """Stops the process, by force if it takes longer than 10 s. A second call does nothing."""
        if self._process is None or self._process.exit_code is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(10):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    # ── log and metrics

    def records(self, action: str) -> list[dict[str, Any]]:
        """The log records of one action, so far."""
        found = []
        for line in self.log_path.read_text().splitlines():
            # The last line may be incomplete.
            if line.startswith("{") and line.endswith("}") and f'"{action}"' in line:
                record = json.loads(line)
                if record["action"] == action:
                    found.append(record)
        return found

    def tracebacks(self) -> str:
        """The first traceback in the log, or an empty text. No fault may cause a traceback."""
        text = self.log_path.read_text()
        place = text.find("Traceback")
        return "" if place < 0 else text[max(0, place - 500) : place + 3000]

    async def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/metrics") as response:
            text = await response.text()
        return sum(map(float, re.findall(rf"^{re.escape(name)}(?:\{{.*)? (\S+)$", text, re.MULTILINE)))
