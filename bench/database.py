"""Measures the database alone: batches of votes on an empty and a full database, its reads, and the large seed.

    .venv/bin/python bench/database.py [--shows 1000] [--votes 5000000] [--warm-up 60] [--rounds 5]
        [--batches 10] [--batch 2000] [--seed 1]

It starts a PostgreSQL of its own with two databases of the same shows: one without votes, one with `--votes` votes.
Batches go through commit_log with the writer's rights and with every trigger and the history on. They run one after the
other, by turns on both databases. Reads call the functions of the server, with a request's rights.
It prints one JSON object and asserts nothing.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import uvloop
from measure import cpu_s, data_folder, log_step, print_result, run_facts, spent

from server.catalog.artists_venues_songs import list_venues
from server.catalog.parameters import NearQuery, SearchQuery, ShowQuery
from server.catalog.search import search
from server.catalog.shows import list_shows
from server.embedded import EmbeddedEngines
from server.insight.counting import count_votes
from server.insight.queries import insight
from server.insight.statistics import VoteStatsQuery, fetch_vote_stats
from server.sample.large import LargeSize, seed_large
from server.sample.tours import load_world
from server.settings import data_folder as server_folder
from server.store.database import REQUEST_ROLE, WRITER_ROLE, Database
from server.store.migrations import migrate_up
from server.voting.compaction import Compacted
from server.voting.queries import reconcile, voting
from server.voting.rules import shard_of

SHARD_COUNT = 16
SHOWS_VOTED = 64  # shows with votes at the same time
VOTERS = 20_000
TIMEOUT_S = 600.0
READS = 300
# Whole names, parts of names, typing mistakes, missing accents, and a name that does not exist.
SEARCHES = (
    "velvet", "harbour", "midnight r", "radiohead", "beyonce", "metalica", "velvt harbour", "paris forum", "tokyo",
    "golden machine", "electric foxes london", "sao paulo", "grand theatre", "a", "nothing at all is called so", "AC/DC",
)  # fmt: skip


def main() -> None:
    """Measures and prints the result."""
    arguments = parse()
    facts = run_facts()
    with data_folder() as folder:
        measured = uvloop.run(_measure(folder, arguments))
    print_result({"benchmark": "database", **facts, "settings": vars(arguments), **measured})


def parse(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The options; without `given` those of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shows", type=int, default=1_000)
    parser.add_argument("--votes", type=int, default=5_000_000)
    parser.add_argument("--warm-up", type=int, default=60, help="batches before the first measured one")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; each database has one turn in each")
    parser.add_argument("--batches", type=int, default=10, help="batches in a turn")
    parser.add_argument("--batch", type=int, default=2_000, help="votes in a batch")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(given)


async def _measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    engines = await EmbeddedEngines.start(folder)
    try:
        log_step("create a database without votes")
        empty_url, _ = await seeded(engines.database_url, "bench_empty", arguments, votes=0)
        log_step(f"create a database with {arguments.votes} votes")
        full_url, seeding = await seeded(engines.database_url, "bench_full", arguments, votes=arguments.votes)
        log_step("measure reads")
        reads = await _reads(full_url, arguments.seed)
        user_count = max(VOTERS, seeding["users"])
        batches = await measure_batches(engines, {"empty": empty_url, "full": full_url}, arguments, user_count)
        batches["full_to_empty"] = round(batches["full"]["votes_per_s"] / batches["empty"]["votes_per_s"], 3)
        log_step("check all counts")
        return {"seed": seeding, "reads_ms": reads, "batches": batches, "violations": await _violations(full_url)}
    finally:
        await engines.stop()


async def seeded(server_url: str, name: str, arguments: argparse.Namespace, *, votes: int) -> tuple[str, Any]:
    """Creates a database with so many votes; gives its address and the facts about its seed."""
    administration = await asyncpg.connect(server_url)
    try:
        await administration.execute(f"create database {name}")
    finally:
        await administration.close()
    url = server_url.replace("/mysetlist?", f"/{name}?")
    await migrate_up(url, server_folder("migrations"))
    size = LargeSize.of(arguments.shows, votes, arguments.seed)
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    added = await seed_large(url, size)
    seconds = time.monotonic() - began_s
    owner = await asyncpg.connect(url)
    try:
        bytes_used = await owner.fetchval("select pg_database_size(current_database())")
        # The state of the database a few minutes later, after autovacuum.
        await owner.execute("vacuum analyze")
        await owner.execute("checkpoint")
    finally:
        await owner.close()
    return url, {
        "seconds": round(seconds, 1),
        "votes_per_s": round(added.votes / seconds),
        "command_cpu_s": round(time.process_time() - began_cpu_s, 1),
        "command_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "database_mib": round(bytes_used / 2**20),
        **{name: getattr(added, name) for name in added.__struct_fields__},
    }


# ──────────────────────────────────────────────────────────────────── batches


@dataclass
class VotingDatabase:
    """The songs, voters and positions of a database under test."""

    database: Database
    songs: list[list[tuple[int, int]]]  # by show: (song, show)
    users: list[int]
    positions: list[int]
    rng: random.Random


async def measure_batches(
    engines: EmbeddedEngines, urls: dict[str, str], arguments: argparse.Namespace, user_count: int
) -> dict[str, Any]:
    """Commits batches on these databases, by turns; gives the figures of each by its name."""
    postgres = psutil.Process(engines.postgres_pid)
    databases = {name: await open_voting(url, arguments.seed, user_count) for name, url in urls.items()}
    stored = {name: await _stored(target) for name, target in databases.items()}
    rates: dict[str, list[float]] = {name: [] for name in databases}
    times_ms: dict[str, list[float]] = {name: [] for name in databases}
    cpu_us: dict[str, list[float]] = {name: [] for name in databases}
    log_step("warm up")
    for target in databases.values():
        # Each voter should have voted once: the first change of a page after a checkpoint costs many times the next ones.
        for _ in range(arguments.warm_up):
            await commit_batch(target, arguments.batch)
    for number in range(arguments.rounds):
        log_step(f"round {number + 1} of {arguments.rounds}")
        for name, target in databases.items():
            before = cpu_s([postgres])
            taken_s = [await commit_batch(target, arguments.batch) for _ in range(arguments.batches)]
            votes = arguments.batch * arguments.batches
            cpu_us[name].append(spent(before, cpu_s([postgres]))["postgres"] / votes * 1e6)
            rates[name].append(arguments.batch * len(taken_s) / sum(taken_s))
            times_ms[name] += [seconds * 1_000 for seconds in taken_s]
    summary: dict[str, Any] = {}
    for name, target in databases.items():
        summary[name] = {
            "stored_votes": stored[name],
            "votes_per_s": round(statistics.median(rates[name])),
            "votes_per_s_by_round": [round(rate) for rate in rates[name]],
            "batch_ms": _percentiles(times_ms[name]),
            "postgres_us_per_vote": round(statistics.median(cpu_us[name]), 2),
        }
        await target.database.close()
    return summary


async def open_voting(url: str, seed: int, user_count: int) -> VotingDatabase:
    """Opens a database with the writer's rights, and with so many users."""
    owner = await asyncpg.connect(url)
    try:
        rows = await owner.fetch(
            "select w.id as show, array_agg(s.id order by s.id) as songs from shows w join setlist_songs s on s.show_id = w.id"
            " where w.closes_at > now() group by w.id order by w.starts_at, w.slug limit $1",
            SHOWS_VOTED,
        )
        # Budgets are checked before commit_votes, so this benchmark needs none.
        shows = [row["show"] for row in rows]
        await owner.execute("update shows set votes_per_user_max = null where id = any($1::bigint[])", shows)
        # Fans are drawn from all there are, and there are equally many: an index of their ballots is read all over.
        missing = user_count - await owner.fetchval("select count(*) from users")
        await owner.execute("insert into users select from generate_series(1, $1::int)", missing)
        users = await owner.fetch("select id from users order by id")
        positions = [row[0] for row in await owner.fetch("select position from log_positions order by shard")]
    finally:
        await owner.close()
    database = await Database.open(url, role=WRITER_ROLE, pool_size=1, timeout_s=TIMEOUT_S)
    songs = [[(song, row["show"]) for song in row["songs"]] for row in rows]
    rng = random.Random(seed)
    voters = rng.sample([row["id"] for row in users], k=min(VOTERS, len(users)))
    return VotingDatabase(database, songs, voters, positions, rng)


async def _stored(target: VotingDatabase) -> int:
    async with target.database.connection() as connection:
        count: int = await connection.fetchval("select count(*) from votes")
    return count


async def commit_batch(target: VotingDatabase, size: int) -> float:
    """Commits one batch; gives the time of its transaction [s]."""
    votes = sorted(_drawn(target, size).items())
    shards = sorted({shard_of(show, SHARD_COUNT) for (_, _), (show, _) in votes})
    old = [target.positions[shard] for shard in shards]
    at = time.time_ns() // 1_000_000
    for shard in shards:
        target.positions[shard] = max(target.positions[shard] + 1, at << 10)
    users = sorted({user for (_, user), _ in votes})
    today = (datetime.now(UTC).date() - datetime(1970, 1, 1, tzinfo=UTC).date()).days
    arguments: dict[str, Any] = {
        "shards": shards,
        "old_positions": old,
        "new_positions": [target.positions[shard] for shard in shards],
        "entries": [str(target.positions[shard]) for shard in shards],
        "song_ids": [song for (song, _), _ in votes],
        "user_ids": [user for (_, user), _ in votes],
        "show_ids": [show for _, (show, _) in votes],
        "choices": [choice for _, (_, choice) in votes],
        "cast_ms": [at] * len(votes),
        "spent_user_ids": users,
        "spent_days": [today] * len(users),
        "spent": [target.rng.randint(1, 99) for _ in users],
        **Compacted().mark_parameters(),
        "order_user_ids": [],
        "order_show_ids": [],
        "cast_orders": [],
        "group_ids": [],
    }
    async with target.database.connection() as connection:
        began_s = time.perf_counter()
        row = await voting.commit_log(connection, **arguments)
        taken_s = time.perf_counter() - began_s
    if row["changed_count"] < 0:
        raise SystemExit("another writer moved a position")
    return taken_s


def _drawn(target: VotingDatabase, size: int) -> dict[tuple[int, int], tuple[int, str | None]]:
    """Draws `size` votes with different (song, user): a few shows and songs get most of them, some votes are withdrawn."""
    chance, songs = target.rng.random, target.songs
    votes: dict[tuple[int, int], tuple[int, str | None]] = {}
    while len(votes) < size:
        choices = songs[int(len(songs) * chance() ** 2)]
        song, show = choices[int(len(choices) * chance() ** 1.5)]
        user = target.users[int(len(target.users) * chance())]
        choice = chance()
        votes[song, user] = show, "up" if choice < 0.75 else "down" if choice < 0.97 else None
    return votes


# ────────────────────────────────────────────────────────────────────── reads


async def _reads(url: str, seed: int) -> dict[str, Any]:
    rng = random.Random(seed)
    owner = await Database.open(url, pool_size=1, timeout_s=TIMEOUT_S)
    try:
        async with owner.connection() as connection:
            began_s = time.perf_counter()
            await reconcile.update_trending_scores(connection)
            refresh_ms = (time.perf_counter() - began_s) * 1_000
            await count_votes(connection)
            await connection.execute("vacuum analyze")  # autovacuum does it within a minute
            shows = [row["id"] for row in await connection.fetch("select id from shows order by vote_count desc, id")]
            artists = [row["id"] for row in await connection.fetch("select distinct artist_id as id from shows")]
            venues = [row["id"] for row in await connection.fetch("select distinct venue_id as id from shows")]
    finally:
        await owner.close()
    db = await Database.open(url, role=REQUEST_ROLE, pool_size=1)
    cities = load_world().city

    async def stats(**of: Any) -> None:
        await fetch_vote_stats(db, VoteStatsQuery(**of), None, _hides_nothing, now=datetime.now(UTC))

    async def trending() -> None:
        async with db.connection() as connection:
            _ = [row async for row in insight.trending_shows(connection, count=20, as_of=datetime.now(UTC))]

    def near() -> str:
        city = rng.choice(cities)
        return f"{city.latitude + rng.uniform(-0.2, 0.2):.4f},{city.longitude + rng.uniform(-0.2, 0.2):.4f}"

    now = datetime.now(UTC)
    largest = shows[: max(1, len(shows) // 50)]
    try:
        return {
            "update_trending_scores": round(refresh_ms, 1),
            "vote_stats": {
                "show": await _timed(lambda: stats(show=str(rng.choice(shows)))),
                "largest show": await _timed(lambda: stats(show=str(rng.choice(largest)))),
                "artist": await _timed(lambda: stats(artist=str(rng.choice(artists)))),
                "venue": await _timed(lambda: stats(venue=str(rng.choice(venues)))),
                "platform": await _timed(stats),
                "platform, a month": await _timed(
                    lambda: stats(first=now.date() - timedelta(days=30), last=now.date())
                ),
            },
            "get_trending_shows": await _timed(trending),
            "search": await _timed(lambda: search(db, SearchQuery(q=rng.choice(SEARCHES)), now=now)),
            "search_by_query": {
                q: (await _timed(partial(search, db, SearchQuery(q=q), now=now), READS // 10))["p50"] for q in SEARCHES
            },
            "nearby_shows": await _timed(lambda: list_shows(db, ShowQuery(near=near()), now=now)),
            "nearby_venues": await _timed(lambda: list_venues(db, NearQuery(near=near()))),
        }
    finally:
        await db.close()


async def _hides_nothing(*_: Any) -> None:
    """Everybody may see the counts of every show."""


async def _timed(read: Callable[[], Awaitable[Any]], count: int = READS) -> dict[str, float]:
    await read()
    times_ms = []
    for _ in range(count):
        began_s = time.perf_counter()
        await read()
        times_ms.append((time.perf_counter() - began_s) * 1_000)
    return _percentiles(times_ms)


def _percentiles(times_ms: Sequence[float]) -> dict[str, float]:
    ordered = sorted(times_ms)
    return {
        "p50": round(statistics.median(ordered), 2),
        "p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 2),
        "max": round(ordered[-1], 2),
    }


async def _violations(url: str) -> dict[str, int]:
    owner = await asyncpg.connect(url)
    try:
        return {
            name: await owner.fetchval(f"select count(*) from {name}()") for name in ("miscounts", "integrity_check")
        }
    finally:
        await owner.close()


if __name__ == "__main__":
    main()
