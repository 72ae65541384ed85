"""What goes wrong in a soak: a table of faults. Each is done, undone, and shown to have bitten.

A fault gives a text that says by what it was seen; an empty text means that it did not bite, which fails the soak.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from tests.history import engine_faults, fleet
from tests.history.probes import BACK_S, QUESTIONS, SILENCE_S, answer_s, down, is_silent
from tests.history.service import ENGINES, NODES, Service, go_on, stop
from tests.support.node_process import NodeProcess, until

Act = Callable[[Any, Random], Awaitable[str]]  # of the service that the fault belongs to

HALF_OPEN_S = 15.0


@dataclass(frozen=True)
class Fault:
    """One fault. done: how it is made; seen: what shows that it bit."""

    done: str
    seen: str
    act: Act


async def _start(node: NodeProcess) -> None:
    """Starts a node, again when an engine is away and it gives up."""
    until_s = time.monotonic() + BACK_S
    while True:
        try:
            await node.start()
        except (AssertionError, TimeoutError):
            assert time.monotonic() < until_s, "the node does not start"
            await asyncio.sleep(0.2)
        else:
            return


# ── processes


async def _node_killed(name: str, service: Service, rng: Random) -> str:
    node = service.nodes[name]
    async with service.part(name):
        await node.kill()
        code = node.exit_code
        await down(rng)
        await _start(node)
    return f"node {name} ended with {code}" if code == -9 else ""


async def _node_stopped(name: str, service: Service, rng: Random) -> str:
    node = service.nodes[name]
    async with service.part(name):
        stop([node.pid])
        try:
            answered_s = await answer_s(node.port, QUESTIONS["clients"])
            await down(rng)
        finally:
            go_on([node.pid])
    return "" if answered_s is not None else f"no answer of node {name} in {SILENCE_S} s"


async def _rolling_restart(service: Service, rng: Random) -> str:
    codes = []
    for name in NODES:
        node = service.nodes[name]
        async with service.part(name):
            await node.end()
            codes.append(node.exit_code)
            await _start(node)
            await down(rng)
    return f"the nodes ended with {codes}" if None not in codes else ""


async def _engine_killed(engine: str, service: Service, rng: Random) -> str:
    name: Any = "postgres" if engine == "PostgreSQL" else "valkey"
    async with service.part(engine):
        before = service.pids(engine)[0]
        await service.engines.kill(name)
        await down(rng)
        await service.engines.revive(name)
        after = service.pids(engine)[0]
        if engine == "Valkey":
            await service.keep_log()
    return f"process {before} was killed, {after} took its place" if before != after else ""


async def _engine_stopped(engine: str, service: Service, rng: Random) -> str:
    async with service.part(engine):
        pids = service.pids(engine)
        stop(pids)
        try:
            was_silent = await is_silent(service, engine)
            await down(rng)
        finally:
            go_on(pids)
    return f"no answer of {engine} in {SILENCE_S} s" if was_silent else ""


async def _pooler_killed(service: Service, rng: Random) -> str:
    if service.pooler is None:
        return "left out: PgBouncer is not installed"
    async with service.part("PgBouncer"):
        code = service.pooler.end()
        await down(rng)
        await service.pooler.start()
    return f"PgBouncer ended with {code}" if code == -9 else ""


# ── connections


def _question(link: str) -> bytes:
    return QUESTIONS[next(name for name in QUESTIONS if name in link)]


async def _cut(link: str, service: Service, rng: Random) -> str:
    proxy = service.links[link]
    async with service.part(link):
        await until(lambda: proxy.connection_count > 0, f"{link}: somebody is connected", timeout_s=BACK_S)
        # Somewhere in the middle of what else goes wrong.
        await asyncio.sleep(rng.uniform(0, 1))
        count, accepted = proxy.connection_count, proxy.accepted_count
        proxy.cut()
        await until(lambda: proxy.accepted_count > accepted, f"{link}: somebody comes back", timeout_s=BACK_S)
    return f"{count} connections were reset, {proxy.accepted_count - accepted} came at once"


async def _delayed(link: str, service: Service, rng: Random) -> str:
    proxy = service.links[link]
    delay_s = rng.uniform(0.02, 0.15)
    async with service.part(link):
        proxy.up.delay_s = proxy.down.delay_s = delay_s
        try:
            answered_s = await answer_s(proxy.port, _question(link), timeout_s=3.0)
            await down(rng)
        finally:
            proxy.up.delay_s = proxy.down.delay_s = 0.0
    if answered_s is None:
        return f"no answer in 3 s through a delay of {delay_s * 1000:.0f} ms"
    return f"an answer took {answered_s * 1000:.0f} ms" if answered_s > 2 * delay_s else ""


async def _stalled(link: str, service: Service, rng: Random) -> str:
    """Nothing passes for a while, and nothing is lost: what waited arrives late."""
    proxy = service.links[link]
    async with service.part(link):
        proxy.up.stall()
        proxy.down.stall()
        try:
            answered_s = await answer_s(proxy.port, _question(link))
            await down(rng)
        finally:
            proxy.up.resume()
            proxy.down.resume()
    return "" if answered_s is not None else f"no answer in {SILENCE_S} s"


async def _half_open(link: str, service: Service, rng: Random) -> str:
    """The connections of this moment stay silent for ever; new ones work after a time."""
    proxy = service.links[link]
    async with service.part(link):
        await until(lambda: proxy.connection_count > 0, f"{link}: somebody is connected", timeout_s=BACK_S)
        count, accepted = proxy.connection_count, proxy.accepted_count
        proxy.vanish()
        answered_s = await answer_s(proxy.port, _question(link))
        await down(rng)
        proxy.up.resume()
        proxy.down.resume()
        began_s = time.monotonic()
        back = "still silent after that; cut"
        # Clients of the crowd send no pings: they wait for the end of the connection.
        if not link.startswith("clients"):
            with suppress(AssertionError):
                await until(lambda: proxy.accepted_count > accepted + 1, "", timeout_s=HALF_OPEN_S)
                back = f"new ones came {time.monotonic() - began_s:.1f} s after it could"
        proxy.cut()
    return "" if answered_s is not None or not count else f"{count} connections fell silent; {back}"


def _table() -> dict[str, Fault]:
    killed, silent = "its exit code", "it does not answer a question"
    table = {}
    for name in NODES:
        table[f"node {name} killed"] = Fault("kill -9", killed, partial(_node_killed, name))
        table[f"node {name} stopped"] = Fault("SIGSTOP, then SIGCONT", silent, partial(_node_stopped, name))
    table["rolling restart"] = Fault("SIGTERM and a start, node after node", killed, _rolling_restart)
    for engine in ENGINES:
        table[f"{engine} killed"] = Fault("kill -9", "another process", partial(_engine_killed, engine))
        table[f"{engine} stopped"] = Fault("SIGSTOP of all its processes", silent, partial(_engine_stopped, engine))
        table[f"clock of {engine} jumps"] = Fault(
            "a preloaded library", "its own answer", partial(engine_faults.clock_jumps, engine)
        )
    table["PgBouncer killed"] = Fault("kill -9", killed, _pooler_killed)
    links = [
        *(f"{node} to {engine}" for node in NODES for engine in ENGINES),
        *(f"clients to {node}" for node in NODES),
    ]
    for link in links:
        table[f"{link}: cut"] = Fault("every connection is reset", "how many were, and came back", partial(_cut, link))
        table[f"{link}: delayed"] = Fault("20 to 150 ms each way", "the time of an answer", partial(_delayed, link))
        table[f"{link}: stalled"] = Fault("nothing passes, nothing is lost", silent, partial(_stalled, link))
        table[f"{link}: half open"] = Fault("all packets are dropped", silent, partial(_half_open, link))
    table["disk of PostgreSQL full"] = Fault("a limit on the size of its files", "its error", engine_faults.disk_full)
    table["disk of Valkey full"] = Fault("its folder takes no file", "its error", engine_faults.valkey_cannot_save)
    table["memory of Valkey full"] = Fault("maxmemory 1", "its error", engine_faults.valkey_full)
    table["LISTEN lost"] = Fault(
        "pg_terminate_backend()", "how many ended", partial(engine_faults.session_lost, "mysetlist listener")
    )
    table["leases lost"] = Fault(
        "pg_terminate_backend()", "how many ended", partial(engine_faults.session_lost, "mysetlist leases")
    )
    table["notify queue full"] = Fault(
        "a listener that stays in a transaction", "the error", engine_faults.notify_queue_full
    )
    table["deadlock"] = Fault("locks against the order", "pg_stat_database", engine_faults.deadlock)
    table["migration under load"] = Fault(
        "alter table votes, functions replaced", "pg_attribute", engine_faults.migration
    )
    return table


def _table_of_fleet() -> dict[str, Fault]:
    killed = "its exit code"
    table = {f"node {name} killed": Fault("kill -9", killed, partial(_node_killed, name)) for name in fleet.NODES}
    return table | {
        "a Valkey primary killed": Fault("kill -9; its replica takes over", "ROLE", fleet.valkey_fails_over),
        "a Valkey replica takes over": Fault("CLUSTER FAILOVER TAKEOVER", "ROLE", fleet.valkey_is_taken_over),
        "a slot migrates": Fault("CLUSTER MIGRATESLOTS", "CLUSTER SLOTS", partial(fleet.slot_moves, key_by_key=False)),
        "a slot moves key by key": Fault(
            "MIGRATE of each key", "CLUSTER SLOTS", partial(fleet.slot_moves, key_by_key=True)
        ),
        "the PostgreSQL replica promoted": Fault(
            "kill -9 and pg_ctl promote", "its address", fleet.postgres_is_promoted
        ),
    }


FAULTS = _table()
FAULTS_OF_FLEET = _table_of_fleet()
