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
NO_POOLER = "left out: PgBouncer is not installed"


@dataclass(frozen=True)
class Fault:
    """One fault. kind: what it has in common with those of other parts; done: how it is made; seen: what shows that it bit."""

    kind: str
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


async def _pooler_stopped(service: Service, rng: Random) -> str:
    if service.pooler is None:
        return NO_POOLER
    async with service.part("PgBouncer"):
        pids = service.pids("PgBouncer")
        stop(pids)
        try:
            answered_s = await answer_s(service.pooler.port, QUESTIONS["PgBouncer"])
            await down(rng)
        finally:
            go_on(pids)
    return "" if answered_s is not None else f"no answer of PgBouncer in {SILENCE_S} s"


async def _pooler_killed(service: Service, rng: Random) -> str:
    if service.pooler is None:
        return NO_POOLER
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


async def _at_link(
    act: Callable[[str, Service, Random], Awaitable[str]], link: str, service: Service, rng: Random
) -> str:
    """A fault of a connection between two parts."""
    return await act(link, service, rng) if link in service.links else NO_POOLER


_KILLED, _SILENT = "its exit code is that of the signal", "it does not answer a question"
# Every two parts that talk to each other. Nodes talk through the engines only, and PgBouncer reaches PostgreSQL by the way of node B.
LINKS = (
    *(f"{node} to {engine}" for node in NODES for engine in ENGINES),
    "B to PgBouncer",
    *(f"clients to {node}" for node in NODES),
)
_LINK_FAULTS: dict[str, tuple[str, str, Any]] = {
    "cut": ("a proxy resets every connection", "how many there were, and how many came back", _cut),
    "delayed": ("a proxy waits 20 to 150 ms each way", "the time of an answer", _delayed),
    "stalled": ("a proxy passes nothing for a while; nothing is lost", _SILENT, _stalled),
    "half open": (
        "the kernel drops all packets of the connections of this moment, for ever", "the silence, and when new ones came", _half_open,
    ),
}  # fmt: skip


def _table() -> dict[str, Fault]:
    table = {}
    for name in NODES:
        table[f"node {name} killed"] = Fault("a node killed", "kill -9", _KILLED, partial(_node_killed, name))
        table[f"node {name} stopped"] = Fault(
            "a node stopped", "SIGSTOP, then SIGCONT", _SILENT, partial(_node_stopped, name)
        )
        table[f"clock of node {name} jumps"] = Fault(
            "the clock of a node jumps", "a preloaded library moves it by 3 to 40 s, and back", "its header Date",
            partial(engine_faults.clock_jumps, f"node {name}"),
        )  # fmt: skip
    table["rolling restart"] = Fault(
        "rolling restart", "SIGTERM and a start, node after node", "the exit codes", _rolling_restart
    )
    for engine in ENGINES:
        table[f"{engine} killed"] = Fault(
            "an engine killed", "kill -9", "another process took its place", partial(_engine_killed, engine)
        )
        table[f"{engine} stopped"] = Fault(
            "an engine stopped", "SIGSTOP of all its processes, then SIGCONT", _SILENT, partial(_engine_stopped, engine)
        )
        table[f"clock of {engine} jumps"] = Fault(
            "the clock of an engine jumps", "a preloaded library moves it by 3 to 40 s, and back", "its own answer",
            partial(engine_faults.clock_jumps, engine),
        )  # fmt: skip
    table["PgBouncer killed"] = Fault("PgBouncer killed", "kill -9", _KILLED, _pooler_killed)
    table["PgBouncer stopped"] = Fault("PgBouncer stopped", "SIGSTOP, then SIGCONT", _SILENT, _pooler_stopped)
    for link in LINKS:
        for name, (done, seen, act) in _LINK_FAULTS.items():
            table[f"{link}: {name}"] = Fault(f"a connection {name}", done, seen, partial(_at_link, act, link))
    return table | {
        name: Fault(name, done, seen, act)
        for name, done, seen, act in (
            ("disk of PostgreSQL full", "no file of it may grow past 4 MB, so it cannot write its log", "its error",
             engine_faults.disk_full),
            ("disk of Valkey full", "its folder takes no file, so it refuses writes", "its error MISCONF",
             engine_faults.valkey_cannot_save),
            ("memory of Valkey full", "maxmemory 1", "its error OOM", engine_faults.valkey_full),
            ("LISTEN lost", "pg_terminate_backend() of the listeners", "how many sessions ended",
             partial(engine_faults.session_lost, "mysetlist listener")),
            ("leases lost", "pg_terminate_backend() of the sessions with the leases of writers", "how many sessions ended",
             partial(engine_faults.session_lost, "mysetlist leases")),
            ("ledger lost", "pg_terminate_backend() of the session of the sequencer", "how many sessions ended",
             partial(engine_faults.session_lost, "mysetlist-ledger")),
            ("notify queue full", "a session listens in a transaction that stays open, another fills the queue",
             "the error of the next NOTIFY", engine_faults.notify_queue_full),
            ("deadlock", "a session locks songs first and then the shards, against the lock order",
             "pg_stat_database counts it", engine_faults.deadlock),
            ("migration under load", "a column of votes comes and goes, the functions of the writer are replaced",
             "pg_attribute has the dropped columns", engine_faults.migration),
        )
    }  # fmt: skip


def _table_of_fleet() -> dict[str, Fault]:
    table = {}
    for name in fleet.NODES:
        table[f"node {name} killed"] = Fault("a node killed", "kill -9", _KILLED, partial(_node_killed, name))
        table[f"node {name} stopped"] = Fault(
            "a node stopped", "SIGSTOP, then SIGCONT", _SILENT, partial(_node_stopped, name)
        )
    return table | {
        name: Fault(name, done, seen, act)
        for name, done, seen, act in (
            ("a Valkey primary killed", "kill -9, and its replica is elected", "ROLE", fleet.valkey_fails_over),
            ("a Valkey primary stopped", "SIGSTOP, and its replica is elected; then SIGCONT", "ROLE", fleet.valkey_is_frozen),
            ("a Valkey replica takes over", "CLUSTER FAILOVER TAKEOVER", "ROLE", fleet.valkey_is_taken_over),
            ("a slot migrates", "CLUSTER MIGRATESLOTS", "CLUSTER SLOTS", partial(fleet.slot_moves, key_by_key=False)),
            ("a slot moves key by key", "MIGRATE of each key of a shard with votes", "CLUSTER SLOTS",
             partial(fleet.slot_moves, key_by_key=True)),
            ("the PostgreSQL replica promoted", "kill -9 of the primary, pg_ctl promote; the old one comes back as the replica",
             "the address of the primary", fleet.postgres_is_promoted),
            ("the PostgreSQL replica stopped", "SIGSTOP of a synchronous replica, so commits wait; then SIGCONT",
             "a commit does not end", fleet.replica_is_stopped),
        )
    }  # fmt: skip


FAULTS = _table()
FAULTS_OF_FLEET = _table_of_fleet()

# Those that end a node: nothing grows in a process that is young.
ENDING = {
    name for name, fault in (FAULTS | FAULTS_OF_FLEET).items() if fault.kind in {"a node killed", "rolling restart"}
}


def described(table: dict[str, Fault]) -> list[str]:
    """Rows of a Markdown table: each kind of fault, how it is done, how it is seen to have bitten."""
    return list(dict.fromkeys(f"| {fault.kind} | {fault.done} | {fault.seen} |" for fault in table.values()))
