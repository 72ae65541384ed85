"""Starts, supervises and stops both engines of a data dir."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from server.embedded.folders import (
    DataDirLock,
    data_dir_failures,
    let_through,
    make_data_dir,
    make_private,
    owner_of,
    socket_dir,
)
from server.embedded.postgres import Postgres
from server.embedded.process import Engine
from server.embedded.valkey import Valkey
from server.errors import SetupError

log = structlog.get_logger(__name__)

EngineName = Literal["postgres", "valkey"]

SUPERVISE_EVERY_S = 0.1
RESTART_DELAY_S = (0.1, 5.0)  # the first delay and the longest; doubled after each failure
# How long a command waits for a node that has the lock and is still starting.
STARTING_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of PostgreSQL and Valkey; None for an engine that is not needed."""

    database_url: str | None
    redis_url: str | None


class EmbeddedEngines:
    """A node's own PostgreSQL and Valkey. Build it with `start`.

    An engine that dies is started again, and its clients reconnect.
    """

    def __init__(self, data_dir: Path, lock: DataDirLock, postgres: Postgres | None, valkey: Valkey | None) -> None:
        self._data_dir = data_dir
        self._lock = lock
        self._postgres = postgres
        self._valkey = valkey
        self._supervisors: list[asyncio.Task[None]] = []

    @classmethod
    async def start(
        cls,
        data_dir: Path,
        *,
        postgres: bool = True,
        valkey: bool = True,
        postgres_settings: Mapping[str, str] | None = None,
    ) -> EmbeddedEngines:
        """Starts the wanted engines at the same time, and waits until they take commands.

        Takes:  data_dir, created if it is missing; postgres_settings, added to ours
        Raises: SetupError: another process runs engines there, or an engine does not start; nothing is left running
        Cancel: the engines are stopped
        Cost:   about 0.3 s; about 2 s the first time
        """
        data_dir = data_dir.expanduser().resolve()
        with data_dir_failures(data_dir):
            return await cls._start(
                data_dir, postgres=postgres, valkey=valkey, postgres_settings=postgres_settings or {}
            )

    @classmethod
    async def _start(
        cls, data_dir: Path, *, postgres: bool, valkey: bool, postgres_settings: Mapping[str, str]
    ) -> EmbeddedEngines:
        lock = _locked(data_dir)
        try:
            # A killed node leaves its file behind, and the file does not describe the engines of this node.
            (data_dir / "engines.json").unlink(missing_ok=True)
            owner = owner_of(data_dir)
            let_through(data_dir / "postgres", owner)
            sockets = socket_dir(data_dir)
            make_private(sockets, owner)
            engines = cls(
                data_dir,
                lock,
                Postgres(data_dir, sockets, owner, postgres_settings) if postgres else None,
                Valkey(data_dir, sockets, owner) if valkey else None,
            )
        except BaseException:
            lock.release()
            raise
        try:
            await engines._start_all()
        except BaseException:
            await engines.stop()
            raise
        return engines

    @property
    def database_url(self) -> str:
        """The address of PostgreSQL for asyncpg."""
        return self._get_postgres().url

    @property
    def redis_url(self) -> str:
        """The address of Valkey for its client."""
        return self._get_valkey().url

    @property
    def postgres_pid(self) -> int | None:
        """The process id of PostgreSQL, while it runs."""
        return self._get_postgres().pid

    @property
    def valkey_pid(self) -> int | None:
        """The process id of Valkey, while it runs."""
        return self._get_valkey().pid

    @property
    def valkey_log_path(self) -> Path:
        """The append-only file that Valkey writes now. Fault tests shorten it while the server is down."""
        return self._get_valkey().log_tail_path

    async def kill(self, name: EngineName) -> None:
        """Kills an engine as a power cut does, and keeps it down until `revive`. For fault tests."""
        engine = self._get(name)
        engine.is_held = True
        await engine.kill()

    async def revive(self, name: EngineName) -> None:
        """Starts an engine that `kill` keeps down."""
        engine = self._get(name)
        await engine.start()
        engine.is_held = False

    async def stop(self) -> None:
        """Stops the engines cleanly and releases the data dir. A second call does nothing."""
        for task in self._supervisors:
            task.cancel()
        await asyncio.gather(*self._supervisors, return_exceptions=True)
        self._supervisors = []
        # Without the lock, nobody reads it. Where it cannot be removed any more, the engines must still be stopped.
        with suppress(OSError):
            (self._data_dir / "engines.json").unlink(missing_ok=True)
        await asyncio.gather(*(engine.stop() for engine in self._all()))
        self._lock.release()

    async def _start_all(self) -> None:
        # gather, not a task group: both starts must end before the failure of one stops the other engine.
        results = await asyncio.gather(*(engine.start() for engine in self._all()), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        self._write_addresses()
        self._supervisors = [
            asyncio.create_task(self._supervise(engine), name=f"supervise {engine.name}") for engine in self._all()
        ]

    async def _supervise(self, engine: Engine) -> None:
        delay_s = RESTART_DELAY_S[0]
        while True:
            await asyncio.sleep(SUPERVISE_EVERY_S)
            if engine.is_held or engine.is_running():
                continue
            log.error("engine.died", engine=engine.name)
            try:
                await engine.start()
            except (SetupError, OSError) as error:
                # One clear line for each attempt is enough; a traceback would hide it.
                log.error("engine.restart_failed", engine=engine.name, reason=str(error), retry_in_s=delay_s)  # noqa: TRY400
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, RESTART_DELAY_S[1])
            else:
                log.info("engine.restarted", engine=engine.name, pid=engine.pid)
                delay_s = RESTART_DELAY_S[0]

    def _write_addresses(self) -> None:
        """Writes engines.json, where other commands find the engines of a running node."""
        addresses = {
            "database_url": self._postgres.url if self._postgres else None,
            "redis_url": self._valkey.url if self._valkey else None,
        }
        draft = self._data_dir / "engines.json.draft"
        draft.write_text(json.dumps(addresses))
        draft.replace(self._data_dir / "engines.json")

    def _all(self) -> list[Engine]:
        return [engine for engine in (self._postgres, self._valkey) if engine is not None]

    def _get(self, name: EngineName) -> Engine:
        return self._get_postgres() if name == "postgres" else self._get_valkey()

    def _get_postgres(self) -> Postgres:
        if self._postgres is None:
            raise LookupError("this node has the address of a PostgreSQL and runs none of its own")
        return self._postgres

    def _get_valkey(self) -> Valkey:
        if self._valkey is None:
            raise LookupError("this node has the address of a Valkey and runs none of its own")
        return self._valkey


@asynccontextmanager
async def open_engines(
    data_dir: Path,
    *,
    database_url: str | None,
    redis_url: str | None,
    postgres: bool = True,
    valkey: bool = True,
    may_join: bool = True,
    postgres_settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Addresses]:
    """Opens the engines for one command or node.

    An engine whose address is given is used by that address. For the others, a node that runs on the data dir shares its
    engines; without such a node, new ones are started and stopped at the end of the block.

    Takes:  database_url, redis_url, the addresses that are given; postgres, valkey, whether this engine is needed;
            may_join, False for a node: it must not use the engines of another node; postgres_settings, added to ours
    Raises: SetupError: an engine does not start, or another node uses the data dir and may not be joined
    """
    need_postgres = postgres and database_url is None
    need_valkey = valkey and redis_url is None
    if not need_postgres and not need_valkey:
        yield Addresses(database_url, redis_url)
        return
    running = await _running_addresses(data_dir) if may_join else None
    if running is not None:
        for name, needed, found in (
            ("DATABASE_URL", need_postgres, running.database_url),
            ("REDIS_URL", need_valkey, running.redis_url),
        ):
            if needed and found is None:
                raise SetupError(f"{name}: is missing; set it to the address that the node on {data_dir} uses")
        yield Addresses(database_url or running.database_url, redis_url or running.redis_url)
        return
    engines = await EmbeddedEngines.start(
        data_dir, postgres=need_postgres, valkey=need_valkey, postgres_settings=postgres_settings
    )
    try:
        yield Addresses(
            engines.database_url if need_postgres else database_url, engines.redis_url if need_valkey else redis_url
        )
    finally:
        await engines.stop()


async def _running_addresses(data_dir: Path) -> Addresses | None:
    """Waits for the engines of the process that holds the lock of the data dir; None: no process holds it.

    Raises: SetupError: the process does not get ready, or the data dir cannot be read
    """
    deadline = time.monotonic() + STARTING_TIMEOUT_S
    lock = DataDirLock(data_dir)
    with data_dir_failures(data_dir):
        # engines.json of a killed node may still be there; it is out of date.
        while data_dir.is_dir() and lock.is_held():
            try:
                return Addresses(**json.loads((data_dir / "engines.json").read_text()))
            except FileNotFoundError:
                if time.monotonic() > deadline:
                    raise SetupError(
                        f"the node on {data_dir} (process {lock.holder()}) is not ready; try again"
                    ) from None
                await asyncio.sleep(SUPERVISE_EVERY_S)
    return None


def _locked(data_dir: Path) -> DataDirLock:
    """Creates the data dir if it is missing, and locks it.

    Raises: SetupError: another process holds the lock; OSError: the folder cannot be written
    """
    make_data_dir(data_dir)
    lock = DataDirLock(data_dir)
    if not lock.acquire():
        raise SetupError(
            f"another mysetlist (process {lock.holder()}) is running on {data_dir};"
            " stop it, or give this one another --data-dir"
        )
    return lock
