"""Faults inside the engines: they refuse, their clocks jump, sessions end, queues fill, locks wait for each other."""

from __future__ import annotations

import asyncio
import struct
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import psutil
import redis

from tests.history.probes import BACK_S, date_of_answer, down, until_answers
from tests.history.service import ENGINES, Service

# ── engines that refuse


async def disk_full(service: Service, rng: Random) -> str:
    """PostgreSQL can write no file past a size: it gives up as on a full disk, and starts again."""
    async with service.part("PostgreSQL"):
        _limit_files(service, "4194304")
        said = ""
        try:
            async with asyncio.timeout(10), service.postgres() as connection:
                await connection.execute(
                    "create table soak_full as select repeat('x', 500) from generate_series(1, 40000)"
                )
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            said = f"{type(error).__name__}: {error}"
        await down(rng)
        with suppress(AssertionError):  # it has no process at this moment: the next one has no limit
            _limit_files(service, "unlimited")
        await until_answers(service, "PostgreSQL")
        async with service.postgres() as connection:
            await connection.execute("drop table if exists soak_full")
    return said.splitlines()[0] if said else ""


def _limit_files(service: Service, size: str) -> None:
    for pid in service.pids("PostgreSQL"):
        # As the user of the process: root itself may not, in a container.
        with suppress(psutil.NoSuchProcess):
            owner = psutil.Process(pid)
            subprocess.run(
                ["prlimit", f"--pid={pid}", f"--fsize={size}:"], check=False, capture_output=True,
                user=owner.uids().real, group=owner.gids().real, extra_groups=[],
            )  # fmt: skip


async def valkey_cannot_save(service: Service, rng: Random) -> str:
    async with service.part("Valkey"), service.valkey() as valkey:
        folder = Path((await valkey.config_get("dir"))["dir"])
        await valkey.config_set("save", "3600 1000000")
        folder.chmod(0o500)
        try:
            await valkey.bgsave()
            said = ""
            for _ in range(100):
                said = await _refusal(valkey)
                if said:
                    break
                await asyncio.sleep(0.05)
            await down(rng)
        finally:
            folder.chmod(0o700)
            await valkey.config_set("save", "")
            await valkey.bgsave()
        await _until_taken(valkey)
    return said


async def valkey_full(service: Service, rng: Random) -> str:
    async with service.part("Valkey"), service.valkey() as valkey:
        await valkey.config_set("maxmemory", 1)
        try:
            said = await _refusal(valkey)
            await down(rng)
        finally:
            await valkey.config_set("maxmemory", 0)
    return said


async def _refusal(valkey: Any) -> str:
    try:
        await valkey.set("{soak}probe", 1)
    except redis.RedisError as error:
        return str(error)[:80]
    return ""


async def _until_taken(valkey: Any) -> None:
    until_s = time.monotonic() + BACK_S
    while said := await _refusal(valkey):
        assert time.monotonic() < until_s, f"Valkey takes no writes: {said}"
        await asyncio.sleep(0.1)
    await valkey.delete("{soak}probe")


async def clock_jumps(part: str, service: Service, rng: Random) -> str:
    """The wall clock of an engine or a node jumps, and jumps back; what runs by the monotonic clock goes on."""
    if service.clocks is None:
        return "left out: there is no C compiler"
    file = service.clocks / ENGINES.get(part, part)
    shift_s = rng.choice((-1, 1)) * rng.uniform(3, 40)
    async with service.part(f"clock of {part}"):
        service.are_clocks_right = service.are_clocks_right and part != "PostgreSQL"
        _shift(file, shift_s)
        try:
            ahead_s = await _ahead_s(service, part)
            await down(rng)
        finally:
            _shift(file, 0)
    # A node tells whole seconds.
    return f"its clock is {ahead_s:+.1f} s ahead" if abs(ahead_s - shift_s) < 2 else ""


def _shift(file: Path, shift_s: float) -> None:
    with file.open("r+b") as opened:
        opened.write(struct.pack("<q", int(shift_s * 1e9)))


async def _ahead_s(service: Service, part: str) -> float:
    if part not in ENGINES:
        return await date_of_answer(service.nodes[part.removeprefix("node ")].port) - time.time()
    await until_answers(service, part)
    if part == "Valkey":
        async with service.valkey() as valkey:
            seconds, _ = await valkey.time()
        return float(seconds) - time.time()
    async with service.postgres() as connection:
        now: float = await connection.fetchval("select extract(epoch from clock_timestamp())::float8")
    return now - time.time()


# ── inside PostgreSQL


async def session_lost(name: str, service: Service, rng: Random) -> str:
    """Ends all sessions of a name, as soon as there is one."""
    async with service.part("PostgreSQL"), service.postgres() as connection:
        until_s = time.monotonic() + BACK_S
        while not (
            count := await connection.fetchval(
                "select count(*) from (select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1) t",
                name,
            )
        ):
            assert time.monotonic() < until_s, f"there is no session '{name}'"
            await asyncio.sleep(0.1)
    return f"{count} sessions '{name}' ended"


async def notify_queue_full(service: Service, rng: Random) -> str:
    """A session that listens and stays in a transaction keeps the queue, which others fill."""
    async with service.part("PostgreSQL"), service.postgres() as idle, service.postgres() as filling:
        await idle.execute("listen soak_fill")
        await idle.execute("begin")
        await idle.fetchval("select 1")
        said = ""
        try:
            for number in range(10_000):
                await filling.execute(f"select pg_notify('soak_fill', '{number} ' || repeat('x', 7000))")
        except asyncpg.PostgresError as error:
            said = str(error)
        await down(rng)
        await idle.execute("rollback")
    return said


async def deadlock(service: Service, rng: Random) -> str:
    """A session takes songs first and then the shards, against the lock order."""
    count = "select deadlocks from pg_stat_database where datname = current_database()"
    async with service.part("PostgreSQL"), service.postgres() as looking:
        before = await looking.fetchval(count)
        for _ in range(8):
            with suppress(asyncpg.PostgresError, OSError):
                async with service.postgres() as connection, connection.transaction():
                    await connection.execute("set local lock_timeout = '5s'")
                    await connection.execute("select 1 from setlist_songs order by id desc for update")
                    await asyncio.sleep(0.2)
                    await connection.execute("select 1 from log_positions order by shard for update")
            await asyncio.sleep(0.3)
            if (after := await looking.fetchval(count)) > before:
                return f"PostgreSQL ended {after - before} deadlocks"
    return ""


async def migration(service: Service, rng: Random) -> str:
    """A column comes and goes in the table of votes, and the functions of the writer are replaced."""
    began_s = time.monotonic()
    async with service.part("PostgreSQL"), service.postgres() as connection:
        for change in ("add column soak_mark smallint", "drop column soak_mark"):
            async with connection.transaction():
                await connection.execute("set local lock_timeout = '10s'")
                await connection.execute("lock table log_positions in exclusive mode")
                await connection.execute(f"alter table votes {change}")
                for row in await connection.fetch(
                    "select pg_get_functiondef(oid) from pg_proc where proname in ('commit_log', 'commit_votes')"
                ):
                    await connection.execute(row[0])
            await down(rng)
        count = await connection.fetchval(
            "select count(*) from pg_attribute where attrelid = 'votes'::regclass and attisdropped"
        )
    return f"votes has {count} dropped columns; it took {time.monotonic() - began_s:.1f} s" if count else ""
