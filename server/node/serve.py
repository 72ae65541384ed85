"""Runs one node in a process: its own engines, migrations, signals, and a simulated crowd beside it."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from server import __version__
from server.cache.engine import check_valkey
from server.embedded import open_engines
from server.errors import SetupError
from server.node.control import Control
from server.node.hand_over import hand_over
from server.node.node import Node
from server.node.outgoing import check_outgoing
from server.node.signals import StopSignals, stop_signals
from server.node.systemd import fed_watchdog, ready_for_systemd
from server.node.take_over import take_over
from server.node.upgrades import Upgrades
from server.node.worker import Worker
from server.node.workers import one_worker, run_worker
from server.settings import Settings, data_folder
from server.store.engine import POOLED, check_pooler, check_postgres
from server.store.migrations import migrate_up
from server.voting.leases import refuse_other_keys
from server.web.listening import reserve_port

log = structlog.get_logger()

CROWD_CASTS_PER_VOTER_S = 0.1
CROWD_STOP_S = 5.0


async def serve(settings: Settings, control_descriptor: int | None = None) -> None:
    """Runs one node until SIGTERM or SIGINT, with its own engines where the settings have no address.

    After its first upgrade, this process only runs the engines and looks after the node, which is a child process.

    Takes:  control_descriptor, of a worker: its socket to its parent
    Raises: SetupError: the node cannot start, or one of its loops died; the message is one clear line
    """
    log.info("node.starting", version=__version__, pid=os.getpid(), settings=settings.shown())
    with stop_signals() as signals:
        if control_descriptor is None:
            await _serve(settings, signals)
        else:
            await _serve_as_worker(settings, signals, Control(control_descriptor))
    log.info("node.stopped", pid=os.getpid())


async def _serve_as_worker(settings: Settings, signals: StopSignals, control: Control) -> None:
    """Runs a node on the engines of its parent, from its first word on, until the parent ends or replaces it."""
    begin, predecessor = await control.begin()
    if predecessor is None:
        _check_port(settings)
    await _prepare(settings)
    node = await Node.start(settings, has_own_database=begin.has_own_database, is_successor=predecessor is not None)
    async with _running(node):
        await node.wait_until_ready()
        if predecessor is not None:
            await take_over(node, predecessor)
        await _go_on(node, signals, is_announced=predecessor is None)
        async with _crowd_beside(node), fed_watchdog():
            if await _until_end(node, signals, control.replaced(node)):
                await node.finish_requests()


async def _serve(settings: Settings, signals: StopSignals) -> None:
    # Told before the engines start. The node itself binds last, when all else works.
    _check_port(settings)
    engines = open_engines(
        settings.data_dir, database_url=settings.database_url, redis_url=settings.redis_url, may_join=False
    )
    has_own_database = settings.database_url is None
    async with engines as addresses, AsyncExitStack() as beside:
        settings = replace(settings, database_url=addresses.database_url, redis_url=addresses.redis_url)
        await _prepare(settings)
        node = await Node.start(settings, has_own_database=has_own_database)
        async with _running(node):
            await node.wait_until_ready()
            await _go_on(node, signals, is_announced=True)
            upgrades = beside.enter_context(Upgrades.asked_for(settings.data_dir, node.port))
            await beside.enter_async_context(_crowd_beside(node))
            stop_feeding = await beside.enter_async_context(ready_for_systemd())
            worker = one_worker(settings, node.port, has_own_database=has_own_database)
            if not await _until_end(node, signals, _replaced(node, worker, upgrades)):
                await beside.aclose()  # the crowd ends before its node
                return
            stop_feeding()
            await node.finish_requests()
        # This process only looks after the other one from now on.
        del node
        gc.unfreeze()
        gc.collect()
        await run_worker(worker, signals.stopped, upgrades)


async def _replaced(node: Node, worker: Worker, upgrades: Upgrades) -> None:
    """Returns when a process of `worker` serves in place of this one."""
    while not await upgrades.run_once([partial(worker.replace, partial(hand_over, node))]):
        pass


@asynccontextmanager
async def _running(node: Node) -> AsyncIterator[None]:
    """Stops a node at the end of the block.

    Raises: SetupError: one of its loops died
    """
    try:
        yield
    finally:
        await node.stop()
    if node.failed.done():
        raise SetupError(f"the loop {node.failed.result()!r} died; read its traceback in the log")


async def _go_on(node: Node, signals: StopSignals, *, is_announced: bool) -> None:
    """The end of a start: from now on the node ends by itself."""
    signals.take_over()
    # The objects that exist now live as long as the process.
    gc.freeze()
    if is_announced:
        # The person or the program that started this node reads this line.
        print(f"listening on {node.url}", flush=True)  # noqa: T201
        await node.greet_first_admin()


async def _until_end(node: Node, signals: StopSignals, replaced: Coroutine[Any, Any, None]) -> bool:
    """Waits for a signal, the death of a loop, or until another process serves; gives whether one does."""
    stopped = asyncio.create_task(signals.stopped.wait(), name="signals")
    replacing = asyncio.create_task(replaced, name="upgrade")
    endings: list[asyncio.Future[Any]] = [stopped, node.failed, replacing]
    await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
    for task in (stopped, replacing):
        task.cancel()
    await asyncio.wait([stopped, replacing])
    if replacing.cancelled():
        return False
    replacing.result()
    return True


def _check_port(settings: Settings) -> None:
    reserve_port(settings.host, settings.port, is_shared=settings.reuse_port).close()


@asynccontextmanager
async def _crowd_beside(node: Node) -> AsyncIterator[None]:
    """Runs a simulated crowd during the block, if the settings ask for one."""
    voters = node.rooms.settings.crowd
    crowd = await _start_crowd(node.url, voters) if voters else None
    try:
        yield
    finally:
        if crowd is not None and crowd.returncode is None:
            await _end_crowd(crowd)


async def _prepare(settings: Settings) -> None:
    """Checks the engines, migrates the schema, and adds the sample data if the settings ask for it."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    check_outgoing()
    postgres = await check_postgres(settings.database_url)
    if postgres.is_pooled:
        log.warning("postgres.warning", reason=POOLED)
    await refuse_other_keys(settings.database_url, settings.secret)
    valkey = await check_valkey(settings.redis_url)
    for warning in filter(None, (*valkey.warnings, valkey.why_no_writes)):
        log.warning("valkey.warning", reason=warning)
    log.info("engines.found", postgres=postgres.version, **{valkey.name.lower(): valkey.version})
    await migrate_up(settings.database_url, data_folder("migrations"))
    if settings.database_pooled_url is not None:
        await check_pooler(settings.database_pooled_url, settings.database_url)
    if settings.demo:
        from server.sample.demo import seed_demo

        await seed_demo(settings.database_url)


async def _end_crowd(crowd: asyncio.subprocess.Process) -> None:
    crowd.terminate()
    try:
        async with asyncio.timeout(CROWD_STOP_S):
            await crowd.wait()
    except TimeoutError:
        # It waits for answers that this node may never give.
        crowd.kill()
        await crowd.wait()


async def _start_crowd(url: str, voters: int) -> asyncio.subprocess.Process:
    """Starts a simulated crowd in a process of its own, so that it does not slow the node down."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "server", "crowd", "--url", url, "--voters", str(voters),
        "--rate", str(max(1.0, voters * CROWD_CASTS_PER_VOTER_S)), "--duration", "0", "--natural", "--with-parent", str(os.getpid()),
        stdout=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
