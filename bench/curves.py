"""Measures what grows: a vote over shows, stored votes and workers; a frame over watchers; a connection over connections.

    .venv/bin/python bench/curves.py [NAME…] [--quick] [--write] [--draw]

`make bench-curves CURVES="shows watchers" OPTIONS="--quick"` does the same. Without names it measures all curves. The other benchmarks do the
work (bench/votes.py, bench/fanout.py, bench/connections.py, bench/database.py); each point has a calibration (bench/calibration.py) taken just
before it, on its own PostgreSQL.

It prints one JSON object. With --write it also writes the curves that it measured into docs/speed.md, its charts and docs/speed.json; the other
curves stay. --draw writes page and charts from docs/speed.json and measures nothing. --quick: fewer points, and two seconds for each.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import connections
import database
import fanout
import uvloop
import votes
from calibration import calibrate
from curve_page import read_record, write_curves
from measure import ROOT, Node, data_folder, log_step, node, print_result, run_facts

from server.cli.terminal import raise_file_limit
from server.embedded import EmbeddedEngines

SECONDS = 4.0
QUICK_SECONDS = 2.0
SHOWS_STORED = 1_000
WORKERS_WATCHERS = 1_000
SHARED_BY_MIN = 1_000  # watchers; with fewer, the work for the votes and for a push hides that for a frame

Point = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve. expected_s: about what its points take, whole and quick, on a machine that does nothing else."""

    points: tuple[int, ...]
    quick_points: tuple[int, ...]
    expected_s: tuple[float, float]
    measure: Callable[[Sequence[int], float], Iterator[Point]]


def parse(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The options; without `given` those of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("curves", nargs="*", metavar="NAME", help=", ".join(CURVES))
    parser.add_argument("--quick", action="store_true", help="fewer points, a few seconds each")
    parser.add_argument("--write", action="store_true", help="writes docs/speed.md from this run")
    parser.add_argument("--draw", action="store_true", help="draws docs/speed.md again and measures nothing")
    arguments = parser.parse_args(given)
    if unknown := [name for name in arguments.curves if name not in CURVES]:
        parser.error(f"no curve is called {', '.join(unknown)}; there are {', '.join(CURVES)}")
    if arguments.draw and (arguments.curves or arguments.quick or arguments.write):
        parser.error("--draw draws all curves of the last run: it takes no NAME, --quick or --write")
    return arguments


def main() -> None:
    """Measures the curves, prints them, and writes or draws them if asked."""
    arguments = parse()
    docs = ROOT / "docs"
    if arguments.draw:
        write_curves(read_record(docs), docs)
        return
    raise_file_limit()
    os.environ.setdefault("MYSETLIST_LOG_LEVEL", "warning")  # progress stays readable
    names = arguments.curves or list(CURVES)
    expected_s = sum(CURVES[name].expected_s[arguments.quick] for name in names)
    log_step(f"{', '.join(names)}: about {expected_s / 60:.0f} minutes")
    command = _command(arguments)
    measured = {name: {**run_facts(), "command": command, "points": _points(name, arguments.quick)} for name in names}
    print_result({"benchmark": "curves", "command": command, "curves": measured})
    if arguments.write:
        write_curves(read_record(docs) | measured, docs)


def _command(arguments: argparse.Namespace) -> str:
    options = " ".join(f"--{name}" for name in ("quick", "write") if getattr(arguments, name))
    return " ".join(
        [
            "make bench-curves",
            *([f'CURVES="{" ".join(arguments.curves)}"'] if arguments.curves else []),
            *([f'OPTIONS="{options}"'] if options else []),
        ]
    )


def _points(name: str, is_quick: bool) -> list[Point]:
    curve = CURVES[name]
    points = []
    began_s = time.monotonic()
    for point in curve.measure(
        curve.quick_points if is_quick else curve.points, QUICK_SECONDS if is_quick else SECONDS
    ):
        told = ", ".join(f"{key} {value}" for key, value in point["figures"].items())
        log_step(f"{name} {point['at']:,} after {time.monotonic() - began_s:.0f} s: {told}")
        points.append(point)
    return sorted(points, key=lambda point: int(point["at"]))


def _shows(counts: Sequence[int], seconds: float) -> Iterator[Point]:
    arguments = votes.parse(["--in-c", "--in-flight", "4", "--seconds", str(seconds), "--warm-up", "3"])
    with node(has_shows=False) as server:
        added = 0
        for count in counts:
            uvloop.run(votes.add_shows(server.database_url(), added + 1, count))
            added = count
            taken = uvloop.run(calibrate(server.database_url()))
            yield _point(count, taken, _vote_figures(votes.measure_in_c(server, arguments)))


def _watchers(counts: Sequence[int], seconds: float) -> Iterator[Point]:
    for count in counts:
        with node() as server:
            taken = uvloop.run(calibrate(server.database_url()))
            yield _point(count, taken, _frame_figures(server, count, 1, seconds))


def _connections(counts: Sequence[int], _seconds: float) -> Iterator[Point]:
    for count in counts:
        with node() as server:
            taken = uvloop.run(calibrate(server.database_url()))
            yield _point(count, taken, _connection_figures(server, count))


def _workers(counts: Sequence[int], seconds: float) -> Iterator[Point]:
    for count in counts:
        workers = ["--workers", str(count)]
        arguments = votes.parse([
            "--in-c", "--in-flight", "4", "--seconds", str(seconds), "--warm-up", "3", *workers,
        ])  # fmt: skip
        with node(*workers) as server:
            taken = uvloop.run(calibrate(server.database_url()))
            figures = _vote_figures(votes.measure_in_c(server, arguments))
            yield _point(count, taken, figures | _frame_figures(server, WORKERS_WATCHERS, count, seconds))


def _stored(counts: Sequence[int], seconds: float) -> Iterator[Point]:
    yield from uvloop.run(_stored_points(counts, seconds))


async def _stored_points(counts: Sequence[int], seconds: float) -> list[Point]:
    points = []
    with data_folder() as folder:
        engines = await EmbeddedEngines.start(folder, valkey=False)
        user_count = database.VOTERS
        try:
            # The largest first: all others get as many users.
            for count in sorted(counts, reverse=True):
                warm_up, rounds = (60, 5) if seconds == SECONDS else (10, 2)
                arguments = database.parse([
                    "--shows", str(SHOWS_STORED), "--warm-up", str(warm_up), "--rounds", str(rounds),
                ])  # fmt: skip
                log_step(f"create a database with {count:,} votes")
                name = f"bench_{count}"
                url, seeding = await database.seeded(engines.database_url, name, arguments, votes=count)
                user_count = max(user_count, seeding["users"])
                taken = await calibrate(engines.database_url)
                batches = await database.measure_batches(engines, {name: url}, arguments, user_count)
                points.append(_point(count, taken, _batch_figures(batches[name])))
        finally:
            await engines.stop()
    return points


def _point(at: int, calibration: dict[str, float | str], figures: dict[str, Any]) -> Point:
    return {"at": at, "calibration": calibration, "figures": figures}


def _vote_figures(measured: dict[str, Any]) -> dict[str, Any]:
    cpu, acknowledgement = measured["cpu_us_per_vote"], measured["acknowledgement_ms"]
    engines = {f"{name}_us": cpu[name] for name in ("server", "postgres", "valkey")}
    return {
        "vote_us": round(sum(engines.values()), 2),
        **engines,
        "votes_per_s": measured["committed_votes_per_s"],
        "acknowledgement_p50_ms": acknowledgement["p50"],
        "acknowledgement_p99_ms": acknowledgement["p99"],
    }


def _frame_figures(server: Node, watchers: int, workers: int, seconds: float) -> dict[str, Any]:
    options = ["--watchers", str(watchers), "--workers", str(workers), "--seconds", str(seconds)]
    measured = uvloop.run(fanout.measure(server, fanout.parse(options)))
    last = measured["many_votes"]["last_watcher_ms"]
    figures = {
        "last_watcher_p50_ms": last["p50"],
        "last_watcher_p99_ms": last["p99"],
        "frames_per_s": measured["many_votes"]["frames_per_s_per_watcher_mean"],
    }
    if watchers < SHARED_BY_MIN:
        return figures
    return figures | {
        "frame_us": measured["server_cpu_us_per_frame"],
        "frame_lower_us": measured["server_cpu_us_per_frame_lower"],
        "floor_us": measured["floor"]["cpu_us_per_send"],
        "memory_kb": round(measured["server_memory_bytes_per_connection"] / 1000, 1),
    }


def _connection_figures(server: Node, count: int) -> dict[str, Any]:
    measured = uvloop.run(connections.measure(server, connections.parse(["--connections", str(count)])))
    return {
        "memory_kb": round(measured["memory_bytes_per_connection"]["rss"] / 1000, 1),
        "accept_us": measured["accept_cpu_us"]["server"],
        "accept_per_s": measured["accept_per_s"],
        "herd_return_s": measured["herd_return_s"],
    }


def _batch_figures(measured: dict[str, Any]) -> dict[str, Any]:
    return {
        "postgres_us": measured["postgres_us_per_vote"],
        "votes_per_s": measured["votes_per_s"],
        "batch_p50_ms": measured["batch_ms"]["p50"],
        "batch_p99_ms": measured["batch_ms"]["p99"],
    }


CURVES = {
    "shows": Curve((1, 8, 63, 250, 1_000), (1, 63, 1_000), (90, 60), _shows),
    # All watchers come from one address, which a node with 20,000 files lets have about 13,300 connections.
    "watchers": Curve((10, 1_000, 5_000, 12_000), (10, 1_000), (220, 60), _watchers),
    "connections": Curve((1_000, 5_000, 15_000), (1_000, 5_000), (70, 40), _connections),
    "stored": Curve((0, 1_000_000, 5_000_000), (0, 100_000), (180, 30), _stored),
    "workers": Curve((1, 2, 4), (1, 2), (140, 70), _workers),
}


if __name__ == "__main__":
    main()
