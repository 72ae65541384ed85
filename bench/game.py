"""Measures the game: a show with many picks, scored again after each song, and the time in which fans get their place.

    .venv/bin/python bench/game.py [--picks 300000] [--songs 10] [--fans 100] [--asks 2000] [--at-once 4]

A node of its own, and picks that are inserted into its database. `first_s` is the first question after the lock, which reads all picks;
`rescored_ms` the first answer after each "played", with the scoring; `place_ms` a fan's own place over HTTP; `final_s` the time until
the points of a finished show stand on all boards. It prints one JSON object and asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from typing import Any

import aiohttp
import asyncpg
import uvloop
from measure import Node, log_step, node, print_result, run_facts

CATALOGUE = 60  # songs of the artist, the first ones are picked most
PLAYED = 12


def main() -> None:
    """Measures and prints the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picks", type=int, default=300_000)
    parser.add_argument("--songs", type=int, default=10, help="of a pick")
    parser.add_argument("--fans", type=int, default=100, help="fans who ask for their place")
    parser.add_argument("--asks", type=int, default=2_000)
    parser.add_argument("--at-once", type=int, default=4)
    arguments = parser.parse_args()
    facts = run_facts()
    with node() as server:
        measured = uvloop.run(_measure(server, arguments))
    print_result({"benchmark": "game", **facts, "settings": vars(arguments), **measured})


async def _measure(server: Node, arguments: argparse.Namespace) -> dict[str, Any]:
    sql = await asyncpg.connect(server.database_url(), command_timeout=600)
    async with aiohttp.ClientSession(server.url, cookie_jar=aiohttp.DummyCookieJar()) as http:
        tokens = []
        for _ in range(arguments.fans):
            async with http.post("/api/session") as response:
                tokens.append(await response.json())
        log_step(f"insert {arguments.picks} picks")
        show, entries = await _fill(sql, arguments, [token["user"]["id"] for token in tokens])
        headers = [{"Authorization": f"Bearer {token['token']}"} for token in tokens]
        memory = server.server_rss_bytes()
        path = f"/api/leaderboard?show={show}&limit=1"
        await sql.execute("update setlist_songs set played_at = now() where id = $1", entries[0])
        log_step("first question")
        first_s = await _timed(http, path, headers[0])
        rescored = [await _rescored(sql, http, path, headers[0], entry) for entry in entries[1:]]
        log_step("places")
        places = await _places(http, path, headers, arguments)
        log_step("final points")
        began_s = time.monotonic()
        await sql.execute("update shows set status = 'finished' where id = $1", show)
        while not await sql.fetchval(  # noqa: ASYNC110  another process counts
            "select exists (select from standings where board = 'artist') and not exists (select from boards_to_count)"
        ):
            await asyncio.sleep(0.1)
        final_s = time.monotonic() - began_s
        stored = await _places(http, path, headers, arguments)
    await sql.close()
    return {
        "first_s": round(first_s, 3),
        "rescored_ms": _spread(rescored),
        "place_ms": _spread(places),
        "final_s": round(final_s, 1),
        "place_when_final_ms": _spread(stored),
        "memory_mib": round((server.server_rss_bytes() - memory) / 2**20, 1),
    }


async def _rescored(sql: Any, http: aiohttp.ClientSession, path: str, headers: dict[str, str], entry: int) -> float:
    """The first answer after one more song."""
    await sql.execute("update setlist_songs set played_at = now() where id = $1", entry)
    return await _timed(http, path, headers)


async def _fill(sql: Any, arguments: argparse.Namespace, fans: list[int]) -> tuple[int, list[int]]:
    """A show of today with so many picks, the first of them by `fans`. Gives: it, and the places of its songs."""
    artist = await sql.fetchval("insert into artists (slug, name) values ('bench', 'Bench') returning id")
    show: int = await sql.fetchval(
        "insert into shows (slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at, status)"
        " select 'bench', $1, min(id), 'Bench', current_date, 'UTC', now() - interval '1 hour', now() - interval '1 day',"
        " now() + interval '5 hours', 'live' from venues returning id",
        artist,
    )
    songs = [
        row["id"]
        for row in await sql.fetch(
            "insert into songs (artist_id, title) select $1, 'Bench ' || n from generate_series(1, $2::int) n returning id",
            artist, CATALOGUE,
        )
    ]  # fmt: skip
    entries = [
        row["id"]
        for row in await sql.fetch(
            "with l as (insert into setlists (show_id, type, name) values ($1, 'predicted', 'Main') returning id)"
            " insert into setlist_songs (setlist_id, show_id, song_id, position)"
            " select l.id, $1, s.song, s.place from l, unnest($2::bigint[]) with ordinality as s (song, place) returning id",
            show, songs[:PLAYED],
        )
    ]  # fmt: skip
    rows = await sql.fetch(
        "insert into users (role) select 'user' from generate_series(1, $1::int) returning id",
        arguments.picks - len(fans),
    )
    rng = random.Random(1)
    weights = [1 / (1 + place) for place in range(CATALOGUE)]

    def pick(user: int) -> tuple[Any, ...]:
        picked = list(dict.fromkeys(rng.choices(songs, weights, k=3 * arguments.songs)))[: arguments.songs]
        opener, closer, encore = (rng.choice(picked) for _ in range(3))
        return show, user, picked, opener, closer, encore, made_at

    made_at = await sql.fetchval("select now() - interval '2 hours'")
    await sql.copy_records_to_table(
        "picks",
        records=(pick(user) for user in [*fans, *(row["id"] for row in rows)]),
        columns=["show_id", "user_id", "song_ids", "opener", "closer", "encore", "picked_at"],
    )
    await sql.execute("insert into picked_shows values ($1, 1)", show)
    await sql.execute("analyze picks; analyze users")
    return show, entries


async def _places(
    http: aiohttp.ClientSession, path: str, headers: list[dict[str, str]], arguments: argparse.Namespace
) -> list[float]:
    """Fans ask for their place, some of them at once."""
    rng = random.Random(2)
    left = iter(range(arguments.asks))
    times: list[float] = []

    async def ask() -> None:
        for _ in left:
            seconds = await _timed(http, path, rng.choice(headers))
            times.append(seconds)

    await asyncio.gather(*(ask() for _ in range(arguments.at_once)))
    return times


async def _timed(http: aiohttp.ClientSession, path: str, headers: dict[str, str]) -> float:
    began_s = time.perf_counter()
    async with http.get(path, headers=headers) as response:
        document = await response.json()
    assert document["you"] is not None, document
    return time.perf_counter() - began_s


def _spread(seconds: list[float]) -> dict[str, float]:
    """Median, 99th percentile and maximum [ms]."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {
        name: round(value * 1000, 1) for name, value in (("p50", cuts[49]), ("p99", cuts[98]), ("max", max(seconds)))
    }


if __name__ == "__main__":
    main()
