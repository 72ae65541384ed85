"""Puts the models in the place of the drivers: below server/cache/connection.py, and in the place of the named queries."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import redis.asyncio
import structlog
from prometheus_client import Histogram

from server.errors import StoreUnavailable
from server.store import listening
from server.voting import leases, settlement, writer
from server.voting.queries import voting
from tests.simulation.postgres_model import Tables
from tests.simulation.postgres_server import Session
from tests.simulation.valkey_server import Driver

# Hot copies go within a run, not within an hour; and what only looks, looks less often, because each look costs steps.
PACE: dict[Any, dict[str, Any]] = {
    writer: {"COOL_EVERY_S": 0.5, "COOL_IDLE_S": 0.2, "COOL_OVER_S": 0.1, "IDLE_BLOCK_MS": 500},
    settlement: {"ACCEPT_EVERY_S": 0.2, "ACCEPT_AFTER_S": 0.5, "SETTLE_EVERY_S": 0.4},
}


def _world() -> Any:
    return asyncio.get_running_loop().world  # type: ignore[attr-defined]


def _reading(name: str) -> Callable[..., AsyncIterator[Any]]:
    async def query(session: Session, *, shard_count: int = 0, **parameters: Any) -> AsyncIterator[Any]:
        del shard_count
        for row in await session.run(lambda tables: getattr(tables, name)(**parameters)):
            yield row

    return query


async def _settled_positions(session: Session) -> AsyncIterator[Any]:
    for row in await session.run(Tables.fetch_positions, session.server.tables.positions):
        yield row


async def _lock_position(session: Session, *, shard: int) -> int:
    position: int = await session.run(lambda tables: tables.positions[shard][0], [shard], holds=True)
    return position


async def _raise_position(session: Session, *, at_least: int, shard: int) -> int:
    def raised(tables: Tables) -> int:
        position, reset_position = tables.positions[shard]
        position = max(position, at_least) if at_least else max(position + 1, session.server.clock.now_ms() << 10)
        session.changes.append(lambda t: t.positions.update({shard: (position, reset_position)}))
        return position

    position: int = await session.run(raised)
    return position


async def _lock_positions(session: Session, *, shards: list[int]) -> AsyncIterator[Any]:
    positions = await session.run(lambda tables: [tables.positions[shard][0] for shard in shards], shards, holds=True)
    for shard, position in zip(shards, positions, strict=True):
        yield {"shard": shard, "position": position}


async def _begin_logs(session: Session, *, shards: list[int]) -> AsyncIterator[Any]:
    def begun(_: Tables) -> int:
        position = session.server.clock.now_ms() << 10
        session.changes.append(lambda t: t.positions.update({s: (position, t.positions[s][1]) for s in shards}))
        return position

    position = await session.run(begun)
    for shard in shards:
        yield {"shard": shard, "position": position}


async def _notify_resets(session: Session, *, shards: list[int], positions: list[int]) -> AsyncIterator[Any]:
    def reset(_: Tables) -> None:
        def change(tables: Tables) -> None:
            for shard, position in zip(shards, positions, strict=True):
                known, reset_position = tables.positions[shard]
                tables.positions[shard] = (known, max(reset_position, position))

        session.changes.append(change)
        session.notices.extend(("resets", str(shard)) for shard in shards)

    await session.run(reset)
    for _shard in shards:
        yield {}


def _note_writer(session: Session, shards: list[int], *, is_overtaken: bool) -> None:
    server = session.server
    if is_overtaken:
        server.seen.add("a writer was overtaken")
    for shard in shards:
        holder = server.leases.get(shard)
        is_deposed = holder is not None and holder.process is not session.process
        if is_overtaken and server.writers.get(shard, session.process) is not session.process:
            server.seen.add("a second writer of a shard was fenced off")
        if is_deposed:
            server.seen.add(
                "a deposed writer was fenced off" if is_overtaken else "a deposed writer committed what was left"
            )
        if not is_overtaken:
            server.writers[shard] = session.process


async def _commit_log(session: Session, **parameters: Any) -> Any:
    def commit(tables: Tables) -> Any:
        row, notices = tables.commit_log(parameters, session.server.clock.now_ms())
        server = session.server
        _note_writer(session, parameters["shards"], is_overtaken=row["changed_count"] < 0)
        if row["changed_count"] < 0:
            return row
        server.loop.note(
            f"commit of {[(s, p % 10**8) for s, p in zip(parameters['shards'], parameters['new_positions'], strict=True)]}"
        )
        for channel, payload in notices:
            if channel == "refusals":
                server.seen.add("the database refused a vote that Valkey had taken")
                server.refused.update(tuple(vote[:3]) for vote in json.loads(payload))
        server.on_commit(parameters["shards"], parameters["entries"])
        server.notify(notices)
        return row

    return await session.run(commit, parameters["shards"], commits=True)


async def _finalise_shows(
    session: Session, *, shard_count: int, held: list[int], hot_now: Any, empty: list[int]
) -> str:
    del shard_count
    server = session.server

    def finalise(tables: Tables) -> None:
        hot_now_ms = int(hot_now.timestamp() * 1000)
        notices = tables.finalise_shows(held, empty, hot_now_ms, server.clock.now_ms())
        if notices:
            server.seen.add("a show became final")
        server.notify(notices)

    await session.run(finalise, [s for s in server.tables.positions if s in held])
    return ""


async def _nothing(session: Session, **_: Any) -> str:
    await session.run(lambda _: None)
    return ""


async def _try_lease(session: Session, *, lease_class: int, shard: int) -> bool:
    del lease_class
    return bool(await session.run(lambda _: session.server.leases.setdefault(shard, session) is session))


async def _release_lease(session: Session, *, lease_class: int, shard: int) -> bool:
    del lease_class
    await session.run(lambda _: session.server.leases.pop(shard, None))
    return True


async def _announce_node(session: Session, *, node_class: int, node: int) -> bool:
    del node_class
    await session.run(lambda _: setattr(session, "node", node))
    return True


async def _fetch_nodes(session: Session, *, node_class: int) -> AsyncIterator[Any]:
    del node_class
    for node in await session.run(lambda _: [s.node for s in session.server.sessions if s.node is not None]):
        yield {"node": node}


QUERIES: dict[str, Any] = {
    name: _reading(name)
    for name in (
        "fetch_positions", "fetch_commits", "shards_to_reset", "fetch_warm_up_shows", "fetch_warm_up_ballots", "fetch_revised_shows",
        "fetch_tally", "fetch_show_positions",
    )
} | {
    "settled_positions": _settled_positions, "lock_position": _lock_position, "raise_position": _raise_position,
    "lock_positions": _lock_positions, "begin_logs": _begin_logs, "notify_resets": _notify_resets, "commit_log": _commit_log, "finalise_shows": _finalise_shows,
    "delete_old_commits": _nothing, "try_lease": _try_lease, "release_lease": _release_lease,
    "announce_node": _announce_node, "fetch_nodes": _fetch_nodes,
}  # fmt: skip


async def change_show(session: Session, show_id: int, **rules: Any) -> None:
    """Changes the rules of a show, as staff's change does: under the row of its shard."""
    shard = session.server.tables.shard_of(show_id)
    await _lock_position(session, shard=shard)

    def write(_: Tables) -> None:
        def change(tables: Tables) -> None:
            show = tables.shows[show_id]
            tables.shows[show_id] = replace(show, **rules, revision=show.revision + 1)

        session.changes.append(change)
        session.notices.append(("shows", str(show_id)))

    await session.run(write)


async def _connect(_url: str, *, name: str = "", idle_max_s: float | None = None) -> Session:
    del idle_max_s
    server = _world().postgres
    await asyncio.sleep(server.delay_s())
    if not server.is_up:
        raise StoreUnavailable("the server is away")
    return Session(server, name)


class _Pool:
    """Stands for redis.asyncio's ConnectionPool."""

    @staticmethod
    def from_url(_url: str, **_: Any) -> Any:
        return SimpleNamespace(make_connection=lambda: Driver(_world().valkey))


@contextmanager
def simulated_engines() -> Iterator[None]:
    """While it is open, the vote path uses the models of the loop that runs."""
    configuration = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with ExitStack() as stack:
        stack.callback(lambda: structlog.configure(**configuration))
        for name, query in QUERIES.items():
            stack.enter_context(patch.object(voting, name, query))
        for module, constants in PACE.items():
            for name, value in constants.items():
                stack.enter_context(patch.object(module, name, value))
        # A tenth of a run would go into histograms that nobody reads.
        stack.enter_context(patch.object(Histogram, "observe", lambda _self, _amount: None))
        stack.enter_context(patch.object(leases, "connect", _connect))
        stack.enter_context(patch.object(listening, "connect", _connect))
        stack.enter_context(patch.object(redis.asyncio, "ConnectionPool", _Pool))
        yield
