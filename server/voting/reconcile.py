"""`mysetlist reconcile`: compares the rows of votes, their counts, and Valkey's copy of both.

The database itself compares rows and counts, in one snapshot (miscounts(), repair_counts()). Valkey is ahead of PostgreSQL by
the entries in the log, so a shard is compared only at a moment when its log is drained; under load that takes a few
tries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from server.cache.cluster import connection_to
from server.cache.connection import Command, Connection
from server.cache.keys import ballots_key, meta_key, shard_prefix, show_key, tally_key
from server.moderation.logs import write_command_log
from server.store.database import Database
from server.voting.log import reopen_shard
from server.voting.queries import reconcile as queries
from server.voting.queries import voting as log_queries
from server.voting.rules import ballot_of, shard_of

DRAIN_TRIES = 50
DRAIN_PAUSE_S = 0.1
# Every vote is read; a repair reads it twice.
TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that differs between two places."""

    shard: int | None  # whose hot copy a repair discards; None: Valkey does not hold this count
    text: str

    def __str__(self) -> str:
        return self.text


async def run(database_url: str, redis_url: str, *, repair: bool = False) -> list[Difference]:
    """Finds every difference. With `repair` the rows win: they are counted again, and Valkey's copy is discarded.

    Raises: StoreUnavailable, CacheError
    """
    database = await Database.open(database_url, pool_size=2, timeout_s=TIMEOUT_S)
    connection = connection_to(redis_url)
    try:
        async with database.connection() as c:
            shards = [row["shard"] async for row in log_queries.fetch_positions(c)]
        differences = await _compare_tallies(database, len(shards))
        for shard in shards:
            differences += await _compare_hot(database, connection, shard)
        if repair and differences:
            await _repair(database, connection, {difference.shard for difference in differences})
        return differences
    finally:
        await connection.close()
        await database.close()


async def miscounted(database_url: str) -> list[Difference]:
    """Finds counts in the database that differ from the rows they count.

    Raises: StoreUnavailable
    """
    database = await Database.open(database_url, pool_size=1, timeout_s=TIMEOUT_S)
    try:
        async with database.connection() as c:
            shards = [row["shard"] async for row in log_queries.fetch_positions(c)]
        return await _compare_tallies(database, len(shards))
    finally:
        await database.close()


async def _compare_tallies(database: Database, shard_count: int) -> list[Difference]:
    async with database.snapshot() as c:
        rows = [row async for row in queries.fetch_miscounts(c)]
    differences = []
    for row in rows:
        show_id = row["show_id"]
        shard = None if show_id is None else shard_of(show_id, shard_count)
        of_show = "" if row["subject"] == "show" or show_id is None else f" of show {show_id}"
        text = f"{row['count_of']} is {row['stored']}, the rows say {row['counted']}"
        differences.append(Difference(shard, f"{row['subject']} {row['id']}{of_show}: {text}"))
    return differences


async def _compare_hot(database: Database, connection: Connection, shard: int) -> list[Difference]:
    for _ in range(DRAIN_TRIES):
        found = await _compare_drained(database, connection, shard)
        if found is not None:
            return found
        await asyncio.sleep(DRAIN_PAUSE_S)
    return [Difference(shard, f"shard {shard}: its log does not drain into the database; is a node running?")]


async def _compare_drained(database: Database, connection: Connection, shard: int) -> list[Difference] | None:
    """The differences of a shard; None: its log was not drained during the whole comparison."""
    end_command: Command = ("HGET", meta_key(shard), "last")
    end, shows = await connection.ask([end_command, ("SMEMBERS", f"{shard_prefix(shard)}shows")])
    if end is None:
        return []
    show_ids = sorted(int(show) for show in shows)
    async with database.snapshot() as c:
        rows = [row async for row in queries.fetch_shard_tallies(c, shard=shard, show_ids=show_ids)]
        if rows[0]["position"] != int(end):
            return None
        ballots = {show_id: await _stored_ballots(c, show_id) for show_id in show_ids}
        set_aside = {(row["show_id"], row["user_id"]) async for row in queries.fetch_set_aside(c, show_ids=show_ids)}
    commands: list[Command] = []
    for show_id in show_ids:
        commands += [
            ("HGETALL", tally_key(shard, show_id)),
            ("HGETALL", ballots_key(shard, show_id)),
            ("HGET", show_key(shard, show_id), "n"),
        ]
    *answers, end_after = await connection.ask([*commands, end_command])
    if end_after != end:
        return None
    stored: dict[int, dict[int, str]] = {show_id: {} for show_id in show_ids}
    for row in rows:
        if row["show_id"] is not None:
            stored[row["show_id"]][row["id"]] = f"{row['up_count']} {row['down_count']}"
    differences = []
    for show_id, tally, hot_ballots, is_new in zip(show_ids, answers[::3], answers[1::3], answers[2::3], strict=True):
        differences += _tally_differences(shard, show_id, _pairs(tally), stored[show_id])
        hot = _pairs(hot_ballots)
        if is_new == b"1":  # cast.lua takes every other ballot for empty
            hot = dict.fromkeys(ballots[show_id], "") | hot
        differences += _ballot_differences(shard, show_id, hot, ballots[show_id])
        differences += [
            Difference(shard, f"ballot of user {user} in show {show_id}: only one of Valkey and the rows sets it aside")
            for user, packed in sorted(hot.items())
            if packed.startswith("-") != ((show_id, user) in set_aside)
        ]
    return differences


async def _stored_ballots(connection: Any, show_id: int) -> dict[int, dict[int, str]]:
    ballots: dict[int, dict[int, str]] = {}
    async for row in queries.fetch_ballots(connection, show_id=show_id):
        ballots.setdefault(row["user_id"], {})[row["setlist_song_id"]] = row["choice"]
    return ballots


def _tally_differences(shard: int, show_id: int, hot: dict[int, str], stored: dict[int, str]) -> list[Difference]:
    return [
        Difference(
            shard,
            f"song {song} of show {show_id}: Valkey has {hot.get(song, 'nothing')} (up down), "
            f"the tally is {stored.get(song, 'nothing')}",
        )
        for song in sorted(hot.keys() | stored.keys())
        if hot.get(song) != stored.get(song)
    ]


def _ballot_differences(
    shard: int, show_id: int, hot: dict[int, str], stored: dict[int, dict[int, str]]
) -> list[Difference]:
    """The differences of hot ballots. A ballot that is not among them is cold, which is no difference."""
    return [
        Difference(
            shard,
            f"ballot of user {user} in show {show_id}: Valkey has {ballot_of(packed)}, the rows say "
            f"{stored.get(user, {})}",
        )
        for user, packed in sorted(hot.items())
        if ballot_of(packed) != stored.get(user, {})
    ]


def _pairs(flat: list[bytes]) -> dict[int, str]:
    return {int(field): value.decode() for field, value in zip(flat[::2], flat[1::2], strict=True)}


async def _repair(database: Database, connection: Connection, shards: set[int | None]) -> None:
    async with database.transaction() as c:
        await queries.repair_counts(c)
        await write_command_log(c, "database.reconcile", "", {"shards": len(shards)})
        await queries.update_trending_scores(c)
    for shard in sorted(shard for shard in shards if shard is not None):
        await reopen_shard(database, connection, shard, is_forked=True)


async def reopen_shards(database: Database, redis_url: str, show_ids: Sequence[int]) -> None:
    """Discards the hot copies of these shows' shards, because their tallies were changed in the database.

    Raises: StoreUnavailable, CacheError
    """
    connection = connection_to(redis_url)
    try:
        async with database.connection() as c:
            shard_count = len([row async for row in log_queries.fetch_positions(c)])
        for shard in sorted({shard_of(show_id, shard_count) for show_id in show_ids}):
            await reopen_shard(database, connection, shard, is_forked=True)
    finally:
        await connection.close()
