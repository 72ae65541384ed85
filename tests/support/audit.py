"""Compares what a crowd was promised with what the engines hold, and the engines with themselves.

Every difference is one line; an empty list means that every acknowledged vote is there and counts once.
"""

from __future__ import annotations

import itertools
import re
from typing import Any

import asyncpg
import redis.asyncio

from server.cache.keys import SPENT_KEY, ballots_key, meta_key, tally_key
from server.voting.rules import ballot_of, shard_of
from tests.support.node import until_async
from tests.support.recording_crowd import Crowd, Ledger, Mark, Pair, Watcher

SHARD_COUNT = 16

_COUNTS = """
select s.id, s.setlist_id, s.show_id, s.up_count, s.down_count,
       count(v.*) filter (where v.choice = 'up') as ups, count(v.*) filter (where v.choice = 'down') as downs
  from setlist_songs s left join votes v on v.setlist_song_id = s.id
 group by s.id order by s.id
"""
_TOTALS = """
select 'setlist ' || l.id as name, l.vote_count as told, count(v.*) as counted
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


async def until_drained(database_url: str, redis_url: str) -> None:
    """Returns once everything in Valkey's log is in PostgreSQL."""
    connection = await asyncpg.connect(database_url)
    async with redis.asyncio.Redis.from_url(redis_url) as valkey:

        async def is_drained() -> bool:
            rows = await connection.fetch("select shard, position from log_positions")
            ends = [await valkey.hget(meta_key(row["shard"]), "last") for row in rows]
            return all(int(end or 0) == row["position"] for row, end in zip(rows, ends, strict=True))

        try:
            await until_async(is_drained, "the log is drained")
        finally:
            await connection.close()


async def differences(
    database_url: str, redis_url: str, ledger: Ledger | None = None, *, may_lose_accepted: bool = False
) -> list[str]:
    """All that is wrong, once the log is drained and nobody casts any more.

    Takes: ledger, of everybody who ever cast on this database, None: nothing was promised; may_lose_accepted, Valkey
           lost some of its log, so that only `committed` binds
    """
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            found = await _promises(connection, ledger, may_lose_accepted=may_lose_accepted) if ledger else []
            found += await _counts(connection)
            found += await _history(connection)
            found += await _limits(connection)
            found += await _hot(connection, redis_url, may_lose_accepted=may_lose_accepted)
            return found
    finally:
        await connection.close()


async def _votes(connection: Any) -> dict[tuple[int, int], str]:
    # Ballots of people who were erased are nobody's: no promise is held against them, and their history has no name.
    rows = await connection.fetch(
        "select v.user_id, v.setlist_song_id, v.choice::text from votes v join users u on u.id = v.user_id"
        " where u.nobody is null"
    )
    return {(row[0], row[1]): row[2] for row in rows}


async def _promises(connection: Any, ledger: Ledger, *, may_lose_accepted: bool) -> list[str]:
    found = []
    said: dict[Pair, str] = {**await _votes(connection)}
    said |= {(row["user_id"], (row["op"], row["subject"])): "yes" for row in await connection.fetch(_MARKS)}
    for pair in ledger.by_pair:
        allowed = ledger.allowed(pair, may_lose_accepted=may_lose_accepted)
        held = said.get(pair, "none")
        if held not in allowed:
            told = [(cast.votes[pair[1]], cast.outcome, cast.code, cast.at) for cast in ledger.by_pair[pair][-4:]]
            found.append(f"promise: user {pair[0]} holds {held} on {pair[1]}, not {allowed}; told {told}")
    found += [f"promise: nobody said {pair} {choice}" for pair, choice in said.items() if pair not in ledger.by_pair]
    # Exactly once: the entry an acknowledgement names is in PostgreSQL, and no entry is there twice.
    rows = await connection.fetch("select shard, entry, count(*) from log_commits, unnest(entries) entry group by 1, 2")
    committed = {(row[0], row[1]) for row in rows}
    found += [f"promise: entry {row[1]} of shard {row[0]} was committed {row[2]} times" for row in rows if row[2] != 1]
    found += [
        f"promise: {cast.at} of {cast.subject} was called committed and is not"
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
        f"total: {row['name']} says {row['told']}, rows say {row['counted']}"
        for row in await connection.fetch(_TOTALS)
        if row["told"] != row["counted"]
    ]
    return found


async def _history(connection: Any) -> list[str]:
    """Each change begins where the one before ended, and the last one ends at the vote that is held."""
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
    """Every vote in the history was paid for; those that a fan took back before they were committed are not in it."""
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


async def _hot(connection: Any, redis_url: str, *, may_lose_accepted: bool) -> list[str]:
    """Valkey's positions, tallies, ballots and spent budgets, wherever it has any, against the rows.

    A budget that is in doubt since a reset says nothing; what a lost cast has cost may still count (ADR 4).
    """
    found = []
    positions = dict(await connection.fetch("select shard, position from log_positions"))
    counts = {row["id"]: (row["ups"], row["downs"]) for row in await connection.fetch(_COUNTS)}
    ballots: dict[tuple[int, int], dict[int, str]] = {}
    for row in await connection.fetch("select show_id, user_id, setlist_song_id, choice::text from votes"):
        ballots.setdefault((row[0], row[1]), {})[row[2]] = row[3]
    async with redis.asyncio.Redis.from_url(redis_url, decode_responses=True) as valkey:
        for shard, position in positions.items():
            last = int(await valkey.hget(meta_key(shard), "last") or 0)
            if last != position:
                found.append(f"log: shard {shard} ends at {last}, committed is {position}")
        for (show,) in await connection.fetch("select id from shows"):
            shard = shard_of(show, SHARD_COUNT)
            for song, packed in (await valkey.hgetall(tally_key(shard, show))).items():
                hot = tuple(int(part) for part in packed.split())
                if hot != counts.get(int(song)):
                    found.append(f"hot tally: song {song} says {hot}, rows say {counts.get(int(song))}")
            for user, packed in (await valkey.hgetall(ballots_key(shard, show))).items():
                rows = ballots.get((show, int(user)), {})
                if not re.fullmatch(r"(\d+[ud])*", packed) or ballot_of(packed) != rows:
                    found.append(f"hot ballot: show {show} user {user} says {packed}, rows say {rows}")
        spent = await connection.fetch(
            "select user_id, day - date '1970-01-01' as day, spent from user_vote_limits"
            " where day = (now() at time zone 'UTC')::date"
        )
        generation = await valkey.hget(SPENT_KEY, "generation")
        for row in spent:
            known_in, *hot = (await valkey.hget(SPENT_KEY, row["user_id"]) or "never").split()
            held = (row["day"], row["spent"])
            if known_in != generation or (told := tuple(map(int, hot))) == held:
                continue
            if not may_lose_accepted or told < held:
                found.append(f"hot limit: user {row['user_id']} says {told}, rows say {held}")
    return found


def watcher_differences(watcher: Watcher, counts: dict[int, tuple[int, int]], crowds: dict[Mark, int]) -> list[str]:
    """What a watcher holds against the counts, and whether it was ever told something older than it knew."""
    found = [f"watcher: song {song} shows {watcher.tallies.get(song)}, is {held}" for song, held in counts.items()
             if watcher.tallies.get(song) != held]  # fmt: skip
    found += [f"watcher: {mark} shows {count}, is {crowds.get(mark, 0)}" for mark, count in watcher.crowds.items()
              if count != crowds.get(mark, 0)]  # fmt: skip
    return found + [f"watcher: {line}" for line in watcher.went_back]


async def settled(crowd: Crowd, database_url: str, redis_url: str, *, may_lose_accepted: bool = False) -> list[str]:
    """Everything that is wrong after a crowd has been stopped: at once, and after it has settled its doubts.

    Raises: AssertionError: a cast stays unanswered, the log is not drained, a watcher does not get the final counts
    """
    await crowd.stop()
    await until_drained(database_url, redis_url)
    found = await differences(database_url, redis_url, crowd.ledger, may_lose_accepted=may_lose_accepted)
    await crowd.confirm()
    await until_drained(database_url, redis_url)
    found += await differences(database_url, redis_url, crowd.ledger)
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch("select id, up_count, down_count from setlist_songs")
        marks = await connection.fetch(f"select op, subject, count(*) from ({_MARKS}) m group by 1, 2")
    finally:
        await connection.close()
    counts = {row[0]: (row[1], row[2]) for row in rows}
    crowds: dict[Mark, int] = {(row[0], row[1]): row[2] for row in marks}

    async def is_shown() -> bool:
        return not any(watcher_differences(watcher, counts, crowds) for watcher in crowd.watchers)

    try:
        # The promise is two seconds; two more for a test machine that does something else as well.
        await until_async(is_shown, "watchers hold the final counts", timeout_s=4)
    except AssertionError:
        found += [line for watcher in crowd.watchers for line in watcher_differences(watcher, counts, crowds)]
    return found
