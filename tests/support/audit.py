"""Compares the acknowledgements of a crowd with the engines, and the engines with each other.

Each difference is one line. An empty list means that every acknowledged vote is stored and counted once.
"""

from __future__ import annotations

import itertools
import re
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import redis.asyncio

from server.cache.keys import ballots_key, meta_key, spent_key, tally_key
from server.voting.rules import ballot_of, shard_of
from tests.support.node_process import until_async
from tests.support.recording_crowd import Crowd, Ledger, Mark, UserTarget, Watcher

SHARD_COUNT = 16

_COUNTS = """
select s.id, s.setlist_id, s.show_id, s.up_count, s.down_count,
       count(v.*) filter (where v.choice = 'up') as ups, count(v.*) filter (where v.choice = 'down') as downs
  from setlist_songs s left join votes v on v.setlist_song_id = s.id
 group by s.id order by s.id
"""
_TOTALS = """
select 'setlist ' || l.id as name, l.vote_count as stored, count(v.*) as counted
  from setlists l left join setlist_songs s on s.setlist_id = l.id left join votes v on v.setlist_song_id = s.id
 group by l.id
union all
select 'show ' || w.id, w.vote_count, (select count(*) from votes v where v.show_id = w.id) from shows w
union all
select 'going to ' || w.id, w.attendance_count, (select count(*) from user_show_attendance a where a.show_id = w.id)
  from shows w
union all
select 'followers of ' || s.artist_id, s.follower_count,
       (select count(*) from user_follows_artists f where f.artist_id = s.artist_id)
  from artist_stats s
"""
_MARKS = """
select 'attend' as op, user_id, show_id as subject from user_show_attendance
union all
select 'follow', user_id, artist_id from user_follows_artists
"""
_ROLLUPS = """
select coalesce(r.show_id, h.show_id) as show_id, r.ups, r.downs, r.withdrawn, h.hups, h.hdowns, h.hwithdrawn
  from (select show_id, sum(up_count) as ups, sum(down_count) as downs, sum(withdrawn_count) as withdrawn
          from vote_rollups group by 1) r
  full join (select show_id, count(*) filter (where choice = 'up') as hups,
                    count(*) filter (where choice = 'down') as hdowns,
                    count(*) filter (where choice is null) as hwithdrawn
               from vote_analytics group by 1) h on h.show_id = r.show_id
"""
_IS_COUNTED = """
select not exists (select from votes_to_count) and not exists (select from voters_to_count)
   and not exists (select from scopes_to_recount) and not exists (select from set_asides_to_count) and not exists (select from artists_to_rank)
   and not exists (select from shows_to_score) and not exists (select from acts_to_chain)
"""


def valkey_client(redis_url: str) -> Any:
    """A client for single commands, also to a cluster."""
    if "+cluster" in redis_url:
        host, _, port = urlsplit(redis_url).netloc.split(",")[0].rpartition(":")
        return redis.asyncio.RedisCluster(host=host, port=int(port), decode_responses=True)
    return redis.asyncio.Redis.from_url(redis_url, decode_responses=True)


async def until_drained(database_url: str, redis_url: str) -> None:
    """Waits until every entry of Valkey's log is in PostgreSQL."""
    connection = await asyncpg.connect(database_url)
    try:
        await _until_drained(connection, redis_url)
    finally:
        await connection.close()


async def _until_drained(connection: Any, redis_url: str) -> None:
    async with valkey_client(redis_url) as valkey:

        async def is_drained() -> bool:
            rows = await connection.fetch("select shard, position from log_positions")
            ends = [await valkey.hget(meta_key(row["shard"]), "last") for row in rows]
            return all(int(end or 0) == row["position"] for row, end in zip(rows, ends, strict=True))

        await until_async(is_drained, "the log is drained")


async def until_counted(database_url: str) -> None:
    """Waits until the node that does the chores has counted everything that was noted: then nothing changes by itself."""
    connection = await asyncpg.connect(database_url)

    async def is_counted() -> bool:
        return await connection.fetchval(_IS_COUNTED) is True

    try:
        await until_async(is_counted, "everything that was noted is counted")
    finally:
        await connection.close()


async def differences(
    database_url: str, redis_url: str, ledger: Ledger | None = None, *, may_lose_accepted: bool = False
) -> list[str]:
    """All differences, after casting has stopped and the log is committed.

    Takes: ledger, with all casts ever sent to this database, None: there are none; may_lose_accepted, Valkey lost a part
           of its log, so that only `committed` is a promise
    """
    connection = await asyncpg.connect(database_url)
    try:
        return await _differences(connection, redis_url, ledger, may_lose_accepted=may_lose_accepted)
    finally:
        await connection.close()


async def _differences(
    connection: Any, redis_url: str, ledger: Ledger | None, *, may_lose_accepted: bool = False
) -> list[str]:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await differences_seen(connection, redis_url, ledger, may_lose_accepted=may_lose_accepted)


async def differences_seen(
    connection: Any, redis_url: str, ledger: Ledger | None = None, *, may_lose_accepted: bool = False
) -> list[str]:
    """See `differences`: those that the transaction of a connection sees."""
    found = await _promises(connection, ledger, may_lose_accepted=may_lose_accepted) if ledger else []
    found += await _counts(connection)
    found += await _history(connection)
    found += await _limits(connection)
    found += await _hot(connection, redis_url, may_lose_accepted=may_lose_accepted)
    return found


async def _votes(connection: Any) -> dict[tuple[int, int], str]:
    # The votes of erased users belong to placeholder users: no promise applies to them, and their history has no user.
    rows = await connection.fetch(
        "select v.user_id, v.setlist_song_id, v.choice::text from votes v join users u on u.id = v.user_id"
        " where u.nobody is null"
    )
    return {(row[0], row[1]): row[2] for row in rows}


async def _promises(connection: Any, ledger: Ledger, *, may_lose_accepted: bool) -> list[str]:
    found = []
    stored = dict[UserTarget, str]((await _votes(connection)).items())
    stored |= {(row["user_id"], (row["op"], row["subject"])): "yes" for row in await connection.fetch(_MARKS)}
    for pair in ledger.by_user_target:
        allowed = ledger.allowed(pair, may_lose_accepted=may_lose_accepted)
        held = stored.get(pair, "none")
        if held not in allowed:
            acknowledged = [
                (cast.votes[pair[1]], cast.outcome, cast.code, cast.at) for cast in ledger.by_user_target[pair][-4:]
            ]
            found.append(
                f"promise: user {pair[0]} holds {held} on {pair[1]}, not {allowed}; acknowledged {acknowledged}"
            )
    found += [
        f"promise: {pair} is {choice}, and no fan sent it"
        for pair, choice in stored.items()
        if pair not in ledger.by_user_target
    ]
    # Exactly once: the entry of each acknowledgement is in PostgreSQL, and no entry is there twice.
    rows = await connection.fetch("select shard, entry, count(*) from log_commits, unnest(entries) entry group by 1, 2")
    committed = {(row[0], row[1]) for row in rows}
    found += [f"promise: entry {row[1]} of shard {row[0]} was committed {row[2]} times" for row in rows if row[2] != 1]
    found += [
        f"promise: {cast.at} of {cast.subject} was acknowledged as committed and is not in PostgreSQL"
        for cast in ledger.casts
        if cast.outcome == "committed" and (shard_of(cast.subject, SHARD_COUNT), cast.at) not in committed
    ]
    return found


async def _counts(connection: Any) -> list[str]:
    found = [
        f"tally: song {row['id']} says {row['up_count']}/{row['down_count']}, rows say {row['ups']}/{row['downs']}"
        for row in await connection.fetch(_COUNTS)
        if (row["up_count"], row["down_count"]) != (row["ups"], row["downs"])
    ]
    found += [
        f"total: {row['name']} says {row['stored']}, rows say {row['counted']}"
        for row in await connection.fetch(_TOTALS)
        if row["stored"] != row["counted"]
    ]
    return found


async def _history(connection: Any) -> list[str]:
    """Each change starts at the choice of the one before, and the last change ends at the stored vote."""
    found = []
    rows = await connection.fetch(
        "select user_id, setlist_song_id, previous::text, choice::text from vote_analytics where user_id > 0"
        " order by 1, 2, id"
    )
    ends: dict[tuple[int, int], str] = {}
    for pair, changes in itertools.groupby(rows, key=lambda row: (row["user_id"], row["setlist_song_id"])):
        choice = None
        for change in changes:
            if change["previous"] != choice:
                found.append(f"history: {pair} changes from {change['previous']}, which was {choice}")
            choice = change["choice"]
        if choice is not None:
            ends[pair] = choice
    votes = await _votes(connection)
    found += [f"history: {pair} ends at {ends.get(pair)}, held is {votes.get(pair)}"
              for pair in ends.keys() | votes.keys() if ends.get(pair) != votes.get(pair)]  # fmt: skip
    found += [
        f"rollup: {dict(row)}"
        for row in await connection.fetch(_ROLLUPS)
        if (row["ups"], row["downs"], row["withdrawn"]) != (row["hups"], row["hdowns"], row["hwithdrawn"])
    ]
    return found


async def _limits(connection: Any) -> list[str]:
    """The spent budget covers every vote in the history. Votes withdrawn before their commit are not in the history."""
    rows = await connection.fetch(
        "select u.id, coalesce(l.spent, 0) as spent,"
        "       (select count(*) from vote_analytics a where a.user_id = u.id and a.choice is not null) as cast_count"
        "  from users u left join (select user_id, sum(spent) as spent from user_vote_limits group by 1) l"
        "    on l.user_id = u.id where u.nobody is null"
    )
    return [
        f"limit: user {r['id']} cast {r['cast_count']}, has spent {r['spent']}"
        for r in rows
        if r["spent"] < r["cast_count"]
    ]


async def _generation(valkey: Any, key: str, *, is_cluster: bool) -> str | None:
    """The generation in which a number of spent votes counts; None: none does."""
    if is_cluster:
        info = await valkey.execute_command("INFO", "server", target_nodes=valkey.get_node_from_key(key))
        if await valkey.hget(key, "server") != info["run_id"]:
            # Another process left it: a new generation begins before anyone reads a number of it.
            return None
    generation: str | None = await valkey.hget(key, "generation")
    return generation


async def _hot(connection: Any, redis_url: str, *, may_lose_accepted: bool) -> list[str]:
    """Compares Valkey's positions, tallies, ballots and spent budgets, where it has any, with the rows.

    A budget that is in doubt after a reset is not compared; a lost cast may still count in a budget (ADR 4).
    """
    found = []
    positions = dict(await connection.fetch("select shard, position from log_positions"))
    counts = {row["id"]: (row["ups"], row["downs"]) for row in await connection.fetch(_COUNTS)}
    ballots: dict[tuple[int, int], dict[int, str]] = {}
    for row in await connection.fetch("select show_id, user_id, setlist_song_id, choice::text from votes"):
        ballots.setdefault((row[0], row[1]), {})[row[2]] = row[3]
    orders = {
        (row[0], row[1]): f"{row[2]}:"
        for row in await connection.fetch("select show_id, user_id, cast_order from cast_orders")
    }
    is_cluster = "+cluster" in redis_url
    async with valkey_client(redis_url) as valkey:
        for shard, position in positions.items():
            last = int(await valkey.hget(meta_key(shard), "last") or 0)
            if last != position:
                found.append(f"log: shard {shard} ends at {last}, committed is {position}")
        for (show,) in await connection.fetch("select id from shows"):
            shard = shard_of(show, SHARD_COUNT)
            for song, packed in await _hash(valkey, tally_key(shard, show)):
                hot = tuple(int(part) for part in packed.split())
                if hot != counts.get(int(song)):
                    found.append(f"hot tally: song {song} says {hot}, rows say {counts.get(int(song))}")
            for user, packed in await _hash(valkey, ballots_key(shard, show)):
                rows = ballots.get((show, int(user)), {})
                order = orders.get((show, int(user)), "")
                if not re.fullmatch(rf"{order}(\d+[ud])*", packed) or ballot_of(packed) != rows:
                    found.append(f"hot ballot: show {show} user {user} says {packed}, rows say {order}{rows}")
        spent = await connection.fetch(
            "select user_id, day - date '1970-01-01' as day, spent from user_vote_limits"
            " where day = (now() at time zone 'UTC')::date"
        )
        for row in spent:
            key = spent_key(shard_of(row["user_id"], SHARD_COUNT), is_cluster=is_cluster)
            generation = await _generation(valkey, key, is_cluster=is_cluster)
            known_in, *spent_in = str(await valkey.hget(key, row["user_id"]) or "never").split()
            held = (row["day"], row["spent"])
            if known_in != generation or (budget := tuple(map(int, spent_in))) == held:
                continue
            if not may_lose_accepted or budget < held:
                found.append(f"hot limit: user {row['user_id']} says {budget}, rows say {held}")
    return found


async def _hash(valkey: Any, key: str) -> list[tuple[str, str]]:
    return [(str(field), str(value)) for field, value in (await valkey.hgetall(key)).items()]


def watcher_differences(
    watcher: Watcher, counts: dict[int, tuple[int, int]], mark_counts: dict[Mark, int]
) -> list[str]:
    """Compares the counts of a watcher with the right ones, and lists the positions that went back."""
    found = [f"watcher: song {song} shows {watcher.tallies.get(song)}, is {held}" for song, held in counts.items()
             if watcher.tallies.get(song) != held]  # fmt: skip
    found += [f"watcher: {mark} shows {count}, is {mark_counts.get(mark, 0)}" for mark, count in watcher.mark_counts.items()
              if count != mark_counts.get(mark, 0)]  # fmt: skip
    return found + [f"watcher: {line}" for line in watcher.went_back]


async def settled(crowd: Crowd, database_url: str, redis_url: str, *, may_lose_accepted: bool = False) -> list[str]:
    """Stops a crowd and gives all differences: at once, and after the crowd has settled its doubts.

    Raises: AssertionError: a cast stays unanswered, or the log is not committed
    """
    await crowd.stop()
    # One connection, which plans each query once.
    connection = await asyncpg.connect(database_url)
    try:
        await _until_drained(connection, redis_url)
        found = await _differences(connection, redis_url, crowd.ledger, may_lose_accepted=may_lose_accepted)
        await crowd.confirm()
        await _until_drained(connection, redis_url)
        found += await _differences(connection, redis_url, crowd.ledger)
        rows = await connection.fetch(
            "select id, up_count, down_count from setlist_songs where show_id = any($1)",
            [show.id for show in crowd.shows],
        )
        marks = await connection.fetch(f"select op, subject, count(*) from ({_MARKS}) m group by 1, 2")
    finally:
        await connection.close()
    counts = {row[0]: (row[1], row[2]) for row in rows}
    mark_counts: dict[Mark, int] = {(row[0], row[1]): row[2] for row in marks}

    async def is_shown() -> bool:
        return not any(watcher_differences(watcher, counts, mark_counts) for watcher in crowd.watchers)

    try:
        # The promise is two seconds; a busy test machine gets two more.
        await until_async(is_shown, "watchers hold the final counts", timeout_s=4)
    except AssertionError:
        found += [line for watcher in crowd.watchers for line in watcher_differences(watcher, counts, mark_counts)]
    return found
