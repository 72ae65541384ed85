"""What every service of a soak has: nodes, a crowd, and the end of a window."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import orjson

from tests.history.collect import Collector, connected
from tests.history.crowd import Options
from tests.history.records import Recording, Window
from tests.support.audit import until_drained
from tests.support.node_process import NodeProcess
from tests.support.open_shows import Show, User, make_users

ROOT = Path(__file__).parents[2]
VOTES_PER_DAY = 999_999_999
LOOK_S = 0.5
DRAINED_S = 60.0


class CrowdProcess:
    """One process of fans and watchers (tests/history/crowd.py)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, options: Options) -> CrowdProcess:
        """Returns when everybody is connected."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.history.crowd", msgspec.json.encode(options).decode(), cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        crowd = cls(process)
        await crowd._answer()
        return crowd

    async def ask(self, command: str) -> dict[str, Any]:
        """Runs one command; gives its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(command.encode() + b"\n")
        return await self._answer()

    async def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "a process of the crowd has ended"
        return dict(orjson.loads(line))

    async def end(self) -> None:
        """Ends it."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


class Stage(ABC):
    """A service with a crowd. users: of the fans; locks: of a part, held while a fault has it; may_lose: whether a fault may lose accepted votes."""

    may_lose = False

    def __init__(self, folder: Path, shows: list[Show]) -> None:
        self.folder = folder
        self.shows = shows
        self.users: list[User] = []
        self.nodes: dict[str, NodeProcess] = {}
        self.crowd: list[CrowdProcess] = []
        self.are_clocks_right = True
        self._locks: dict[str, asyncio.Lock] = {}
        self._recording: Recording | None = None
        self._collector: Collector | None = None
        self._looking: asyncio.Task[None] | None = None

    @property
    @abstractmethod
    def database_url(self) -> str:
        """The address of PostgreSQL, past proxies."""

    @property
    @abstractmethod
    def redis_url(self) -> str:
        """The address of Valkey, past proxies."""

    @abstractmethod
    def log_paths(self) -> Iterable[Path]:
        """The append-only files that are written command by command."""

    @abstractmethod
    async def shorten_log(self) -> None:
        """Keeps the append-only files short."""

    @property
    def places(self) -> dict[int, str]:
        """What is at some ports of this machine."""
        return {}

    def addresses(self) -> list[str]:
        """Where clients go; one that stands there more often gets more of them."""
        return [node.url for node in self.nodes.values()]

    def part(self, name: str) -> asyncio.Lock:
        """The lock of a part: of two faults at once, one waits for the other if both want the same part."""
        return self._locks.setdefault(name, asyncio.Lock())

    async def open_crowd(
        self, *, processes: int, fans: int, watchers: int, rate: float, votes_per_cast: int, seed: int
    ) -> None:
        """Connects fans and watchers, and begins to record."""
        self.users = await make_users(self.database_url, fans)
        users = [(user.id, user.token) for user in self.users]
        options = [
            Options(
                folder=str(self.folder / f"crowd{number}"), nodes=self.addresses(),
                shows={show.id: list(show.songs) for show in self.shows}, users=users[number::processes],
                watchers=watchers // processes, first=number * (watchers // processes), rate_per_s=rate / processes,
                votes_per_cast=votes_per_cast, seed=seed,
            )
            for number in range(processes)
        ]  # fmt: skip
        self._collector = Collector(self.log_paths)
        connection = await connected(self.database_url)
        await self._collector.begin(connection)
        connection.terminate()
        self.crowd = list(await asyncio.gather(*(CrowdProcess.start(one) for one in options)))
        self._recording = Recording([Path(one.folder) for one in options])
        self._looking = asyncio.create_task(self._look(self._collector), name="looking")

    async def _look(self, collector: Collector) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            collector.look()

    async def close_crowd(self) -> None:
        """Ends all processes of the crowd."""
        if self._looking is not None:
            self._looking.cancel()
        await asyncio.gather(*(part.end() for part in self.crowd))

    async def all_parts(self, command: str) -> list[dict[str, Any]]:
        """Asks all processes of the crowd."""
        return list(await asyncio.gather(*(part.ask(command) for part in self.crowd)))

    async def _until_drained(self) -> None:
        until_s = time.monotonic() + DRAINED_S
        while True:
            try:
                await until_drained(self.database_url, self.redis_url)
            except AssertionError as error:
                if time.monotonic() > until_s:
                    logs = "\n".join(node.log_path.read_text()[-2_000:] for node in self.nodes.values())
                    raise AssertionError(f"{error}; the nodes say:\n{logs}") from None
            else:
                return

    async def window(self) -> tuple[Window, list[dict[str, Any]]]:
        """Ends a window: everything is answered, drained and shown. Gives it, and what the processes say."""
        assert self._recording is not None
        assert self._collector is not None
        assert self._looking is not None
        if self._looking.done():
            self._looking.result()
        quiet = await self.all_parts("pause")
        await self._until_drained()
        connection = await connected(self.database_url)
        try:
            positions = {str(row[0]): row[1] for row in await connection.fetch("select id, position from shows")}
            settled = await self.all_parts(f"settle {orjson.dumps(positions).decode()}")
            window = self._recording.window()
            await self._collector.collect(window, connection)
        finally:
            connection.terminate()
        if not self.are_clocks_right:
            window.commits["begun_ns"] = 0
        self.are_clocks_right = True
        return window, [one | other for one, other in zip(quiet, settled, strict=True)]
