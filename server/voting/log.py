"""The log of a shard: its scripts, its entries, and how it is opened after Valkey may have lost some of it.

A shard is open when Valkey's `last` is at or past the position PostgreSQL has committed. If it is behind, or gone,
Valkey came back without its newest data: its ballots and locks are old too, and deciding casts by them could let a
vote over its budget. So every fresh connection opens all shards before the first cast goes through
(docs/adr/0002).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import structlog

from server.cache.connection import Ask, Command
from server.cache.keys import SPENT_KEY, log_key, meta_key, shard_prefix
from server.protocol.positions import from_stream_id, stream_id
from server.store.database import Database
from server.store.queries import load_queries
from server.telemetry import LOG_RESETS

log = structlog.get_logger()

_FOLDER = Path(__file__).parent
queries = load_queries(_FOLDER / "queries.sql")

CAST_SCRIPT = (_FOLDER / "cast.lua").read_bytes()
RESET_SCRIPT = (_FOLDER / "reset.lua").read_bytes()
GRANT_SCRIPT = (_FOLDER / "grant.lua").read_bytes()
REVISE_SCRIPT = (_FOLDER / "revise.lua").read_bytes()

_entry_decoder = msgspec.msgpack.Decoder(list[list[int]])


@dataclass(frozen=True, slots=True)
class Entry:
    """One batch of accepted casts.

    casts: list of [show, user, song, choice, …, day, spent], as cast.lua appends them, and of marks (rules.pack_mark)
    """

    position: int
    previous: int
    casts: list[list[int]]


def decode_entry(entry_id: bytes, fields: list[bytes]) -> Entry:
    """A stream entry as XREAD gives it: id and [b"p", previous, b"e", msgpack]."""
    return Entry(from_stream_id(entry_id), int(fields[1]), _entry_decoder.decode(fields[3]))


async def open_shard(
    database: Database, ask: Ask, shard: int, *, is_forked: bool = False, is_log_lost: bool = False, awaited: int = 0
) -> bool:
    """Makes sure the hot copy of a shard is not older than the database, else throws it away.

    Takes:  ask, of a Connection; is_forked: an entry did not follow its predecessor, so throw the copy away;
            is_log_lost: `last` names an entry that is not in the log, so throw the copy away and go on past it;
            awaited: an entry somebody waits for; if the log, all committed, ends before it, go on past it
    Gives:  whether the hot copy was thrown away
    Raises: StoreUnavailable, CacheUnavailable
    Locks:  the shard's row of log_positions, so that only one node opens it at a time and no writer commits meanwhile
    """
    async with database.transaction() as connection:
        committed: int = await queries.lock_position(connection, shard=shard)
        (last,) = await ask([("HGET", meta_key(shard), "last")])
        is_behind = last is None or int(last) < committed
        # A log that lost nothing but uncommitted entries looks whole: only whoever waits for one of them knows.
        is_cut = not is_behind and int(last) == committed < awaited
        if not (is_behind or is_forked or is_log_lost or is_cut):
            return False
        base = committed
        if is_behind or is_cut:
            # Moving the position fences off any writer that still holds entries which Valkey has lost: they must not
            # be committed behind the back of the copy that is read from the database now.
            base = await queries.raise_position(connection, shard=shard, at_least=0)
        # A fork stays one whatever is cast meanwhile, and nobody would find it again.
        expected = b"*" if is_forked else last or b""
        (newest,) = await ask([("EVAL", RESET_SCRIPT, 1, shard_prefix(shard), base, expected)])
        if newest is None:
            return False
        if is_log_lost and int(newest) > base:
            await queries.raise_position(connection, shard=shard, at_least=int(newest))
        await _all(queries.notify_reset(connection, shard=shard))
    if committed == 0 and last is None:
        # A new shard, no loss.
        return True
    reasons = {"gone": last is None, "behind": is_behind, "cut": is_cut, "forked": is_forked, "log_lost": is_log_lost}
    reason = next(reason for reason, holds in reasons.items() if holds)
    LOG_RESETS.labels(reason).inc()
    log.warning("shard.reset", shard=shard, reason=reason, committed=committed, last=int(last or 0), newest=int(newest))
    return True


async def open_shards(database: Database, ask: Ask, shard_count: int) -> None:
    """Opens all shards; a Connection that decides or reads by the hot copy calls this on every fresh connection.

    Raises: StoreUnavailable, CacheUnavailable
    """
    for shard in range(shard_count):
        await open_shard(database, ask, shard)


def read_commands(positions: dict[int, int], *, block_ms: int | None, count: int) -> Command:
    """The XREAD for some shards after the given positions."""
    block: tuple[str | int, ...] = () if block_ms is None else ("BLOCK", block_ms)
    keys = [log_key(shard) for shard in positions]
    ids = [stream_id(position) for position in positions.values()]
    return ("XREAD", "COUNT", count, *block, "STREAMS", *keys, *ids)


async def log_ends(ask: Ask, shards: list[int]) -> list[int]:
    """The last positions that Valkey has handed out, of the shards it knows.

    Raises: CacheError
    """
    commands: list[Command] = []
    for shard in shards:
        commands += [("HGET", meta_key(shard), "last"), ("XREVRANGE", log_key(shard), "+", "-", "COUNT", 1)]
    answers = await ask(commands)
    lasts = [int(last) for last in answers[::2] if last is not None]
    return lasts + [from_stream_id(tail[0][0]) for tail in answers[1::2] if tail]


async def restart_logs(ask: Ask, positions: dict[int, int]) -> None:
    """Throws away all that Valkey holds of shards whose positions in the database are past its logs, log included.

    Takes:  positions, as the database has them: votes before them are in it, or are never to be
    Raises: CacheError
    """
    for shard, position in positions.items():
        prefix = shard_prefix(shard)
        # To remember the revisions of shows is to refuse seeds with older ones.
        (last, *_) = await ask(
            [
                ("HGET", meta_key(shard), "last"),
                ("XTRIM", log_key(shard), "MAXLEN", 0),
                ("UNLINK", f"{prefix}revisions"),
            ]
        )
        await ask([("EVAL", RESET_SCRIPT, 1, prefix, position, last or b"")])
    # A reset keeps it, as the logs may hold more of it than the database; these logs are empty.
    await ask([("UNLINK", SPENT_KEY)])


def trim_command(shard: int, position: int) -> Command:
    """The XTRIM that takes everything up to a committed position out of a shard's log."""
    return ("XTRIM", log_key(shard), "MINID", stream_id(position + 1))


async def _all(rows: Any) -> None:
    async for _ in rows:
        pass
