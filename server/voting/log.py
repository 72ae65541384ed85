"""The log of a shard: its scripts, its entries, and the check for lost data when a shard is opened.

A shard is open when Valkey's `last` is at or past the position that PostgreSQL has committed. If `last` is behind or gone,
Valkey came back without its newest data. Its ballots and locks are then old too, and a cast decided by them could exceed
its budget. So every new connection opens all shards before it sends the first cast (docs/adr/0002).

In a cluster the scripts know when a shard has to be opened: it names the process that it was opened on. Another one may have
older data (a promoted replica, a restart) or only a part of it (keys that were moved), so its copy is thrown away (docs/adr/0040).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import structlog

from server.cache.connection import Ask, Command, Connection, Line
from server.cache.keys import SPENT_KEY, log_key, meta_key, shard_prefix, spent_key
from server.errors import CacheError, CacheUnavailable
from server.protocol.positions import from_stream_id, stream_id
from server.store.database import Database
from server.telemetry import LOG_RESETS
from server.voting.queries import voting as queries

log = structlog.get_logger()

_FOLDER = Path(__file__).parent
CAST_SCRIPT = (_FOLDER / "cast.lua").read_bytes()
CAST_SHA = hashlib.sha1(CAST_SCRIPT, usedforsecurity=False).hexdigest()  # Valkey's name for it
RESERVE_SCRIPT = (_FOLDER / "reserve.lua").read_bytes()
RESET_SCRIPT = (_FOLDER / "reset.lua").read_bytes()
GRANT_SCRIPT = (_FOLDER / "grant.lua").read_bytes()
HOLD_SCRIPT = (_FOLDER / "hold.lua").read_bytes()
REVISE_SCRIPT = (_FOLDER / "revise.lua").read_bytes()
ADVANCE_SCRIPT = (_FOLDER / "advance.lua").read_bytes()
TALLY_SCRIPT = (_FOLDER / "tally.lua").read_bytes()
COOL_SCRIPT = (_FOLDER / "cool.lua").read_bytes()

_entry_decoder = msgspec.msgpack.Decoder(list[list[int]])


@dataclass(frozen=True, slots=True)
class Entry:
    """One batch of accepted casts.

    casts: [show, user, song, choice, …, day, spent] each, as cast.lua appends them (a last song below 0 is the negative order
           of the cast), and marks (rules.pack_mark)
    """

    position: int
    previous: int
    casts: list[list[int]]


def decode_entry(entry_id: bytes, fields: list[bytes]) -> Entry:
    """Decodes a stream entry as XREAD gives it: id and [b"p", previous, b"e", msgpack]."""
    return Entry(from_stream_id(entry_id), int(fields[1]), _entry_decoder.decode(fields[3]))


async def open_shard(
    database: Database,
    ask: Ask,
    shard: int,
    *,
    server: str = "",
    is_forked: bool = False,
    is_log_lost: bool = False,
    awaited: int = 0,
) -> bool:
    """Opens a shard: throws its hot copy away if that is older than the database, or if another process of a cluster left it.

    Takes:  ask and server, of a reserved connection: one that connects now would open shards, and wait for the row that is locked
            here; is_forked: an entry did not follow its predecessor, so throw the copy away;
            is_log_lost: `last` names an entry that is not in the log, so throw the copy away and continue past that entry;
            awaited: the position of an entry that a cast waits for (0: none). A log that is committed to its end and ends
            before this entry has lost it, so throw the copy away
    Gives:  whether the hot copy was thrown away
    Raises: StoreUnavailable, CacheUnavailable
    Locks:  the shard's row of log_positions, so only one node opens it at a time, and no writer commits meanwhile
    """
    loss = await _fence(database, ask, shard, awaited)
    async with database.transaction() as connection:
        committed: int = await queries.lock_position(connection, shard=shard)
        ((last, opened_on),) = await ask([("HMGET", meta_key(shard), "last", "server")])
        is_moved = server != (opened_on or b"").decode() if server else False
        is_behind = _is_behind(last, committed)
        if not (is_behind or is_forked or is_log_lost or is_moved):
            return False
        # A shard without votes begins at an instant of now. Nobody has anything that a fence would have to keep out.
        is_new = last is None and committed == 0
        base = await queries.raise_position(connection, shard=shard, at_least=0) if is_new else committed
        # A forked log is reset even if casts have moved `last` meanwhile: no later entry would show the fork again.
        expected = b"*" if is_forked or is_moved else last or b""
        # Counts that were shown up to the end of the log may have votes that are lost. A position that is new to everyone
        # follows them, with the counts of the database.
        is_end_shown = is_forked or is_log_lost or (is_moved and last is not None)
        (answer,) = await ask([_reset(shard, base, expected, int(is_end_shown), server, is_cluster=bool(server))])
        if answer is None:
            return False
        newest, is_appended = answer
        if is_end_shown and not is_appended:
            await queries.raise_position(connection, shard=shard, at_least=int(newest))
        await _exhaust(queries.notify_resets(connection, shards=[shard], positions=[int(newest)]))
    if is_new:
        return True
    reasons = {"behind": is_behind, "forked": is_forked, "log_lost": is_log_lost, "moved": is_moved}
    reason = loss or next(reason for reason, applies in reasons.items() if applies)
    LOG_RESETS.labels(reason).inc()
    log.warning("shard.reset", shard=shard, reason=reason, committed=committed, last=int(last or 0), newest=int(newest))
    return True


async def _fence(database: Database, ask: Ask, shard: int, awaited: int) -> str:
    """Raises the position of a shard whose log lacks committed entries, or an entry that a cast waits for.

    It is committed before the hot copy is thrown away. Who dies in between leaves a copy that is behind, and the next node opens the
    shard. A raised position also fences off any writer that still holds entries which Valkey has lost: it must not commit them
    after the new copy was read from the database.

    Gives:  "" when nothing is missing, or the shard is new; else "gone", "behind", or "cut" (only the awaited entry is missing)
    Raises: StoreUnavailable, CacheUnavailable
    """
    async with database.transaction() as connection:
        committed: int = await queries.lock_position(connection, shard=shard)
        (last,) = await ask([("HGET", meta_key(shard), "last")])
        is_behind = _is_behind(last, committed)
        # A log that lost only uncommitted entries looks complete: only a cast that waits for such an entry shows the loss.
        if (last is None and committed == 0) or not (is_behind or int(last) == committed < awaited):
            return ""
        raised: int = await queries.raise_position(connection, shard=shard, at_least=0)
        await _exhaust(queries.notify_resets(connection, shards=[shard], positions=[raised]))
    return "gone" if last is None else "behind" if is_behind else "cut"


def _is_behind(last: bytes | None, committed: int) -> bool:
    return last is None or int(last) < committed


def _reset(shard: int, *arguments: int | bytes | str, is_cluster: bool) -> Command:
    keys = (shard_prefix(shard),) if is_cluster else (shard_prefix(shard), SPENT_KEY)
    return ("EVAL", RESET_SCRIPT, len(keys), *keys, *arguments)


async def reopen_shard(
    database: Database,
    connection: Connection,
    shard: int,
    *,
    is_forked: bool = False,
    is_log_lost: bool = False,
    awaited: int = 0,
) -> bool:
    """Opens a shard as `open_shard` does, and reserves the connection to its server for that."""
    async with connection.reserved(shard_prefix(shard)) as (ask, server):
        return await open_shard(
            database, ask, shard, server=server, is_forked=is_forked, is_log_lost=is_log_lost, awaited=awaited
        )


async def open_shards(database: Database, line: Line) -> None:
    """Opens all shards. A Line that uses the hot copy calls this each time it has connected; in a cluster the scripts do.

    No row is locked while Valkey is asked, unless it has lost data.

    Raises: StoreUnavailable, CacheUnavailable
    """
    if line.server:
        return
    ask = line.ask_first
    async with database.connection() as connection:
        rows = [row async for row in queries.settled_positions(connection)]
    positions: dict[int, int] = {row["shard"]: row["position"] for row in rows}
    behind = await _shards_behind(ask, positions)
    if behind and not any(positions[shard] for shard in behind):
        behind = await _begin_logs(database, ask, behind)
    for shard in behind:
        await open_shard(database, ask, shard)


async def _shards_behind(ask: Ask, positions: dict[int, int]) -> list[int]:
    """The shards whose logs end before these positions, or are gone. Raises: CacheUnavailable."""
    ends = await ask([("HGET", meta_key(shard), "last") for shard in positions])
    return [shard for shard, end in zip(positions, ends, strict=True) if _is_behind(end, positions[shard])]


async def _begin_logs(database: Database, ask: Ask, shards: list[int]) -> list[int]:
    """Opens shards without votes, as `open_shard` does, but all in one transaction: a new service has no others.

    Gives:  those of them that have lost data meanwhile
    Raises: StoreUnavailable, CacheUnavailable
    Locks:  their rows of log_positions, in order
    """
    async with database.transaction() as connection:
        positions = {row["shard"]: row["position"] async for row in queries.lock_positions(connection, shards=shards)}
        behind = await _shards_behind(ask, positions)
        new = [shard for shard in behind if positions[shard] == 0]
        if new:
            begun = {row["shard"]: row["position"] async for row in queries.begin_logs(connection, shards=new)}
            answers = await ask([_reset(shard, at, b"", 0, "", is_cluster=False) for shard, at in begun.items()])
            if None in answers:
                raise CacheUnavailable("somebody else has opened shards without their lock")
            newest = [int(last) for last, _ in answers]
            await _exhaust(queries.notify_resets(connection, shards=list(begun), positions=newest))
    return [shard for shard in behind if positions[shard] != 0]


def read_commands(positions: dict[int, int], *, block_ms: int | None, count: int) -> Command:
    """The XREAD of some shards after the given positions."""
    block: tuple[str | int, ...] = () if block_ms is None else ("BLOCK", block_ms)
    keys = [log_key(shard) for shard in positions]
    ids = [stream_id(position) for position in positions.values()]
    return ("XREAD", "COUNT", count, *block, "STREAMS", *keys, *ids)


async def read_logs(
    connection: Connection,
    positions: dict[int, int],
    *,
    count: int,
    block_ms: int | None = None,
    before: Sequence[Command] = (),
) -> list[tuple[int, list[Any]]]:
    """Reads the logs of some shards after the given positions.

    Takes:  block_ms, how long a single server waits for the first entry; the servers of a cluster answer at once;
            before, commands that are sent first; nobody needs their answers
    Gives:  the shards whose logs have entries, with them; in a cluster, shards that cannot be read now are left out
    Raises: CacheError
    """
    if not connection.is_cluster:
        *_, streams = await connection.ask([*before, read_commands(positions, block_ms=block_ms, count=count)])
        shards = {log_key(shard).encode(): shard for shard in positions}
        return [(shards[key], entries) for key, entries in streams or []]
    # Each shard has a slot of its own, and one command may not read several slots.
    reads = [read_commands({shard: position}, block_ms=None, count=count) for shard, position in positions.items()]
    answers = (await connection.ask_shards([*before, *reads]))[len(before) :]
    return [
        (shard, streams[0][1])
        for shard, streams in zip(positions, answers, strict=True)
        if streams and not isinstance(streams, CacheError)
    ]


async def log_ends(ask: Ask, shards: list[int]) -> list[int]:
    """The last positions that Valkey has assigned: `last` and the newest entry of each shard, where they exist.

    Raises: CacheError
    """
    commands: list[Command] = []
    for shard in shards:
        commands += [("HGET", meta_key(shard), "last"), ("XREVRANGE", log_key(shard), "+", "-", "COUNT", 1)]
    answers = await ask(commands)
    lasts = [int(last) for last in answers[::2] if last is not None]
    return lasts + [from_stream_id(tail[0][0]) for tail in answers[1::2] if tail]


async def restart_logs(connection: Connection, positions: dict[int, int]) -> None:
    """Throws away the hot copies and logs of shards whose positions in the database are past those logs.

    Takes:  positions, as the database has them: it has all votes before them that it will ever have
    Raises: CacheError
    """
    for shard, position in positions.items():
        prefix = shard_prefix(shard)
        # The kept revisions of shows would refuse rows of older revisions.
        spent = spent_key(shard, is_cluster=connection.is_cluster)
        (last, *_) = await connection.ask(
            [
                ("HGET", meta_key(shard), "last"),
                ("XTRIM", log_key(shard), "MAXLEN", 0),
                ("UNLINK", f"{prefix}revisions"),
            ]
        )
        # A reset keeps the spent budgets, because logs may hold more casts than the database; these logs are empty.
        await connection.ask(
            [_reset(shard, position, last or b"", 0, is_cluster=connection.is_cluster), ("UNLINK", spent)]
        )


def trim_command(shard: int, position: int) -> Command:
    """The XTRIM that removes everything up to a committed position from a shard's log."""
    return ("XTRIM", log_key(shard), "MINID", stream_id(position + 1))


async def _exhaust(rows: Any) -> None:
    async for _ in rows:
        pass
