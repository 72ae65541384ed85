"""A service of several servers: three Valkey primaries with a replica each, PostgreSQL with a synchronous replica, three nodes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import asyncpg
import psutil

from server.cache.keys import meta_key
from server.embedded.postgres import programs_folder
from server.settings import data_folder
from server.store.migrations import migrate_up
from tests.history.probes import SILENCE_S, down
from tests.history.service import go_on, stop
from tests.history.stage import VOTES_PER_DAY, Stage
from tests.support.engines import DEBIAN_POSTGRES
from tests.support.node_process import NodeProcess
from tests.support.open_shows import Show, make_shows
from tests.support.replication import Pair, replicated_postgres
from tests.support.valkey_cluster import ValkeyCluster, valkey_cluster

NODES = ("A", "B", "C")


class Fleet(Stage):
    """Build it with `running`. A replica of Valkey that takes over may lack the last accepted votes."""

    may_lose = True

    def __init__(self, folder: Path, shows: list[Show], valkey: ValkeyCluster, pair: Pair) -> None:
        super().__init__(folder, shows)
        self.valkey = valkey
        self.pair = pair

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, *, shows: int, songs: int) -> AsyncIterator[Fleet]:
        """Everything but the crowd."""
        async with AsyncExitStack() as stack:
            valkey = stack.enter_context(valkey_cluster())
            pair = stack.enter_context(replicated_postgres(programs_folder() or DEBIAN_POSTGRES))
            await pair.make_synchronous()
            await migrate_up(pair.url, data_folder("migrations"))
            fleet = cls(folder, await make_shows(pair.url, count=shows, songs=songs), valkey, pair)
            environ = {
                "DATABASE_URL": pair.url, "REDIS_URL": valkey.url, "MYSETLIST_VOTES_PER_DAY": str(VOTES_PER_DAY),
            }  # fmt: skip
            for name in NODES:
                node = NodeProcess.running(folder / name, **environ)
                fleet.nodes[name] = await stack.enter_async_context(node)
            try:
                yield fleet
            finally:
                await fleet.close_crowd()

    @property
    def database_url(self) -> str:
        """The address of the primary."""
        return self.pair.primary.url()

    @property
    def redis_url(self) -> str:
        """The address of the cluster."""
        return self.valkey.url

    def log_paths(self) -> Iterable[Path]:
        """Those of all servers: an entry is in the file of its primary and of its replica."""
        return [path for server in self.valkey.servers for path in server.folder.glob("appendonlydir/*.incr.aof")]

    async def shorten_log(self) -> None:
        """Nothing: the files are short enough."""


async def valkey_fails_over(fleet: Fleet, rng: Random) -> str:
    """A primary is killed; its replica takes over by itself."""
    async with fleet.part("Valkey"):
        valkey = fleet.valkey
        victim = rng.choice([server for server in valkey.running() if server.is_primary()])
        replica, began_s = valkey.replica_of(victim), time.monotonic()
        victim.kill()
        while not replica.is_primary():
            assert time.monotonic() < began_s + 30, "nobody takes over"
            await asyncio.sleep(0.05)
        took_s = time.monotonic() - began_s
        await down(rng)
        await asyncio.to_thread(valkey.heal)
    return f"{replica.name} is the primary after {took_s:.1f} s"


async def valkey_is_frozen(fleet: Fleet, rng: Random) -> str:
    """A primary answers nothing until its replica has taken over; then it goes on, and hears that it is a replica now."""
    async with fleet.part("Valkey"):
        valkey = fleet.valkey
        victim = rng.choice([server for server in valkey.running() if server.is_primary()])
        replica, began_s = valkey.replica_of(victim), time.monotonic()
        with victim.frozen():
            while not replica.is_primary():
                assert time.monotonic() < began_s + 30, "nobody takes over"
                await asyncio.sleep(0.05)
            took_s = time.monotonic() - began_s
            await down(rng)
        await asyncio.to_thread(valkey.heal)
    return f"{replica.name} is the primary after {took_s:.1f} s"


async def valkey_is_taken_over(fleet: Fleet, rng: Random) -> str:
    """A replica becomes the primary without asking the old one."""
    async with fleet.part("Valkey"):
        valkey = fleet.valkey
        old = rng.choice([server for server in valkey.running() if server.is_primary()])
        replica = valkey.replica_of(old)
        await asyncio.to_thread(valkey.promote, replica)
        await down(rng)
        await asyncio.to_thread(valkey.heal)
    return f"{replica.name} is the primary instead of {old.name}" if replica.is_primary() else ""


async def slot_moves(fleet: Fleet, rng: Random, *, key_by_key: bool) -> str:
    """The slot of a shard with votes goes to another primary."""
    async with fleet.part("Valkey"):
        valkey = fleet.valkey
        key = meta_key(rng.choice(fleet.shows).id % 16)
        source = valkey.primary_of(key)
        target = rng.choice([server for server in valkey.running() if server.is_primary() and server is not source])
        await asyncio.to_thread(valkey.move_slot if key_by_key else valkey.migrate_slot, key, target)
        await down(rng)
    return f"{key} went from {source.name} to {target.name}" if valkey.primary_of(key) is target else ""


async def postgres_is_promoted(fleet: Fleet, rng: Random) -> str:
    """The primary is killed and its replica promoted; then the old one comes back as the replica."""
    async with fleet.part("PostgreSQL"):
        pair = fleet.pair
        old = pair.primary.place
        await asyncio.to_thread(pair.primary.kill)
        await down(rng)
        await asyncio.to_thread(pair.replica.promote)
        await asyncio.to_thread(pair.swap)
        await pair.make_synchronous()
    return f"{pair.primary.place} is the primary instead of {old}" if pair.primary.place != old else ""


async def replica_is_stopped(fleet: Fleet, rng: Random) -> str:
    """The synchronous replica writes nothing for a while: what is committed waits for it."""
    async with fleet.part("PostgreSQL"):
        pids = _processes_of(fleet.pair.replica.data)
        connection = await asyncpg.connect(fleet.database_url, timeout=10)
        stop(pids)
        try:
            committing = asyncio.create_task(connection.execute("create table soak_waits (); drop table soak_waits"))
            done, _ = await asyncio.wait([committing], timeout=SILENCE_S)
            await down(rng)
        finally:
            go_on(pids)
        await committing
        await connection.close()
    return "" if done else f"a commit waited longer than {SILENCE_S} s"


def _processes_of(data: Path) -> list[int]:
    first = psutil.Process(int((data / "postmaster.pid").read_text().splitlines()[0]))
    return [first.pid, *(child.pid for child in first.children(recursive=True))]
