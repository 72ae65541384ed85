"""Measures committed votes a second over many websockets, on one machine, with all rules on.

    .venv/bin/python bench/votes.py [--voters 1500] [--seconds 20] [--warm-up 5] [--in-flight 2] [--seed 1]
        [--shows 63] [--workers 1] [--in-c]

It starts a node with its own PostgreSQL and Valkey. A crowd in this process votes as fast as its votes are acknowledged, and
checks at the end that every acknowledged vote is counted once. It prints one JSON object and asserts nothing.

The crowd is that of `mysetlist crowd`, in Python, and takes a fifth of both cores. With --in-c the same voters are a loop in C
(bench/cast_loop.py), which takes a few µs a vote; nobody watches, and each cast has one vote.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import asyncpg
import uvloop
from cast_loop import CastLoop, Voter, cast_library, differences, open_voters
from measure import Node, log_step, node, own_cpu_s, print_result, run_facts, spent

from server.cli.terminal import raise_file_limit
from server.client.http import HttpClient, Tally
from server.load.crowd import CrowdOptions, polls_of, run, votable_shows
from server.load.plan import make_poll
from server.load.report import verdict

SONGS_PER_SHOW = 20
SETTLE_S = 20.0
# Voters in C get as many casts as this rate needs. It has room to spare, because some voters are faster than others.
CASTS_PER_S_MAX = 60_000
# Shows `first` to `last`, whose voting is open for a day.
_ADD_SHOWS = (
    """insert into artists (slug, name) select 'bench-' || n, 'Bench ' || n from generate_series($1::int, $2::int) n""",
    """insert into venues (slug, name, city, country, latitude, longitude, time_zone)
       select 'bench-' || n, 'Bench ' || n, 'Austin', 'US', 30, -97, 'America/Chicago' from generate_series($1::int, $2::int) n""",
    """insert into shows (slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at, votes_per_user_max)
       select a.slug, a.id, v.id, a.name, current_date, v.time_zone, now() + interval '1 day', now() - interval '1 day',
              now() + interval '1 day', null
         from generate_series($1::int, $2::int) n join artists a on a.slug = 'bench-' || n join venues v on v.slug = a.slug""",
    """insert into setlists (show_id, type, name)
       select s.id, 'predicted', 'Main set' from generate_series($1::int, $2::int) n join shows s on s.slug = 'bench-' || n""",
    f"""insert into songs (artist_id, title) select a.id, 'Song ' || place
          from generate_series($1::int, $2::int) n join artists a on a.slug = 'bench-' || n, generate_series(1, {SONGS_PER_SHOW}) place""",
    """insert into setlist_songs (setlist_id, show_id, song_id, position)
       select l.id, s.id, g.id, row_number() over (partition by s.id order by g.id)
         from generate_series($1::int, $2::int) n join shows s on s.slug = 'bench-' || n
         join setlists l on l.show_id = s.id join songs g on g.artist_id = s.artist_id""",
)


def main() -> None:
    """Measures and prints the result."""
    arguments = parse()
    raise_file_limit()
    facts = run_facts()
    with node("--workers", str(arguments.workers), has_shows=arguments.shows is None) as server:
        if arguments.shows is not None:
            uvloop.run(add_shows(server.database_url(), 1, arguments.shows))
        measured = measure_in_c(server, arguments) if arguments.in_c else measure(server, arguments)
        print_result({"benchmark": "votes", **facts, **measured})


def parse(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The options; without `given` those of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voters", type=int, default=1500)
    parser.add_argument("--watchers", type=int, help="default: 20; with --in-c nobody watches")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--warm-up", type=float, default=5.0)
    parser.add_argument("--in-flight", type=int, default=2, help="unanswered casts allowed to a voter")
    parser.add_argument("--votes-per-cast", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.0, help="casts a second; 0: as fast as acknowledged")
    parser.add_argument("--show", type=int, default=None, help="id of one show; default: all with open voting")
    parser.add_argument("--shows", type=int, default=None, help="so many shows of 20 songs instead of the sample data")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--no-verify", action="store_true", help="does not compare ballots and tallies at the end")
    parser.add_argument("--subscribe", action="store_true", help="voters also watch their shows")
    parser.add_argument("--in-c", action="store_true", help="the voters are a loop in C, and nobody watches")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(given)
    if arguments.in_c:
        of_the_crowd = ("watchers", "rate", "votes_per_cast", "subscribe", "no_verify")
        ignored = [name for name in of_the_crowd if getattr(arguments, name) != parser.get_default(name)]
        if ignored:
            parser.error(f"--in-c takes no {', '.join('--' + name.replace('_', '-') for name in ignored)}")
    elif arguments.watchers is None:
        arguments.watchers = 20
    return arguments


async def add_shows(database_url: str, first: int, last: int) -> None:
    """Adds shows with these numbers, in one transaction: the node never sees half a show."""
    database = await asyncpg.connect(database_url)
    try:
        async with database.transaction():
            for statement in _ADD_SHOWS:
                await database.execute(statement, first, last)
        await database.execute("analyze")
    finally:
        await database.close()


def measure(server: Node, arguments: argparse.Namespace) -> dict[str, Any]:
    """Lets a crowd vote on all shows of the node."""
    options = CrowdOptions(
        url=server.url,
        show=arguments.show,
        voters=arguments.voters,
        watchers=arguments.watchers,
        rate_per_s=arguments.rate,
        duration_s=arguments.seconds,
        warm_up_s=arguments.warm_up,
        verify=not arguments.no_verify,
        seed=arguments.seed,
        in_flight=arguments.in_flight,
        votes_per_cast=arguments.votes_per_cast,
        subscribe=arguments.subscribe,
        settle_s=SETTLE_S,
        processes=1,
    )
    readings: dict[str, tuple[dict[str, float], float]] = {}

    async def on_step(step: str) -> None:
        log_step(step)
        if step in {"counting", "counted"}:
            readings[step] = (server.cpu_s(), own_cpu_s())

    report = uvloop.run(run(options, on_step=on_step))
    casts = report["casts"]
    votes = casts["committed"] * options.votes_per_cast
    cpu_s = spent(readings["counting"][0], readings["counted"][0])
    cpu_s["crowd"] = readings["counted"][1] - readings["counting"][1]
    return {
        "settings": report["settings"],
        "shows": report["shows"],
        "seconds": report["seconds"],
        "committed_votes_per_s": round(votes / report["seconds"], 1),
        "acknowledgement_ms": report["acknowledgement_ms"],
        **cpu_figures(cpu_s, votes, report["seconds"]),
        "pushes_per_s_per_channel_max": report["pushes"]["per_s_max"],
        "pushes": report["pushes"],
        "last_watcher_ms": report["last_watcher_ms"],
        "convergence_ms": report["convergence_ms"],
        "casts": casts,
        "errors": report["errors"],
        "reconnects": report["reconnects"],
        "verify": report["verify"],
    }


def measure_in_c(server: Node, arguments: argparse.Namespace) -> dict[str, Any]:
    """As measure(), with voters in C."""
    library = cast_library()
    before, voters = uvloop.run(_open(server.url, arguments))
    loop = CastLoop(library, voters, arguments.in_flight)
    log_step("casting")
    loop.cast(arguments.warm_up)
    log_step("counting")
    first, cpu_before_s, own_before_s, began_s = loop.committed(), server.cpu_s(), own_cpu_s(), time.monotonic()
    loop.cast(arguments.seconds)
    last, cpu_after_s, own_after_s, seconds = loop.committed(), server.cpu_s(), own_cpu_s(), time.monotonic() - began_s
    log_step("counted")
    unanswered = loop.settle(SETTLE_S)
    expected = loop.expected_ballots()
    found = uvloop.run(differences(server.url, before, expected))
    verified = verdict(found, ballots=len(expected), views=0, unanswered=unanswered)
    votes = last - first
    if not votes:
        raise SystemExit("no cast was acknowledged in the measured time")
    cpu_s = spent(cpu_before_s, cpu_after_s) | {"crowd": own_after_s - own_before_s}
    return {
        "settings": {
            name: getattr(arguments, name) for name in ("voters", "in_flight", "warm_up", "show", "seed", "in_c")
        },
        "shows": len(before),
        "seconds": round(seconds, 3),
        "committed_votes_per_s": round(votes / seconds, 1),
        "acknowledgement_ms": loop.latencies(first, last).summary(),
        **cpu_figures(cpu_s, votes, seconds),
        "verify": verified | {"ok": verified["ok"] and not unanswered},
    }


def cpu_figures(cpu_s: dict[str, float], votes: int, seconds: float) -> dict[str, Any]:
    """The CPU of each program for a vote, and in cores. Takes: cpu_s, program -> CPU spent in this time."""
    return {
        "cpu_us_per_vote": {name: round(used_s / max(1, votes) * 1e6, 2) for name, used_s in cpu_s.items()},
        "cpu_cores_used": {name: round(used_s / seconds, 3) for name, used_s in cpu_s.items()},
    }


async def _open(url: str, arguments: argparse.Namespace) -> tuple[dict[int, Tally], list[Voter]]:
    """The tallies before the run, and the voters, connected and with more casts than they can send."""
    http = HttpClient(url)
    try:
        shows = await votable_shows(http, arguments.show)
    finally:
        await http.close()
    polls = [make_poll(poll.show_id, poll.songs, poll.votes_max, arguments.seed) for poll in polls_of(shows)]
    casts = int(CASTS_PER_S_MAX * (arguments.warm_up + arguments.seconds) / arguments.voters)
    voters = await open_voters(
        url, polls, arguments.voters, seed=arguments.seed, casts=casts, in_flight=arguments.in_flight
    )
    return {show_id: show.tally() for show_id, show in shows.items()}, voters


if __name__ == "__main__":
    main()
