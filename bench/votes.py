"""Committed votes a second over many websockets, everything on this machine, all rules on.

    .venv/bin/python bench/votes.py [--voters 1500] [--seconds 20] [--warm-up 5] [--in-flight 2] [--seed 1]

Starts a node with its own PostgreSQL and Valkey, has a crowd in this process vote as fast as it is acknowledged, and
checks at the end that every acknowledged vote is counted once. Prints one JSON object; asserts nothing.
"""

from __future__ import annotations

import argparse
from typing import Any

import uvloop
from measure import Node, node, origin, own_cpu_s, say, spent, tell

from server.cli.terminal import raise_file_limit
from server.load.crowd import CrowdOptions, run


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voters", type=int, default=1500)
    parser.add_argument("--watchers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--warm-up", type=float, default=5.0)
    parser.add_argument("--in-flight", type=int, default=2, help="unanswered casts a voter may have")
    parser.add_argument("--votes-per-cast", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.0, help="casts a second; 0: as fast as they are acknowledged")
    parser.add_argument("--show", type=int, default=None, help="one show only; without it, all that are open")
    parser.add_argument("--subscribe", action="store_true", help="voters watch their shows too")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    raise_file_limit()
    options = CrowdOptions(
        show=arguments.show,
        voters=arguments.voters,
        watchers=arguments.watchers,
        rate_per_s=arguments.rate,
        duration_s=arguments.seconds,
        warm_up_s=arguments.warm_up,
        verify=True,
        seed=arguments.seed,
        in_flight=arguments.in_flight,
        votes_per_cast=arguments.votes_per_cast,
        subscribe=arguments.subscribe,
        settle_s=20.0,
        processes=1,
    )
    origin_now = origin()
    with node() as server:
        tell({"benchmark": "votes", **origin_now, **_measure(server, options)})


def _measure(server: Node, options: CrowdOptions) -> dict[str, Any]:
    readings: dict[str, tuple[dict[str, float], float]] = {}

    async def on_step(step: str) -> None:
        say(step)
        if step in {"counting", "counted"}:
            readings[step] = (server.cpu_s(), own_cpu_s())

    options = CrowdOptions(**{**_fields(options), "url": server.url})
    told = uvloop.run(run(options, on_step=on_step))
    casts = told["casts"]
    votes = casts["committed"] * options.votes_per_cast
    cpu_s = spent(readings["counting"][0], readings["counted"][0])
    cpu_s["crowd"] = readings["counted"][1] - readings["counting"][1]
    return {
        "settings": told["settings"],
        "shows": told["shows"],
        "seconds": told["seconds"],
        "committed_votes_per_s": round(votes / told["seconds"], 1),
        "acknowledgement_ms": told["acknowledgement_ms"],
        "cpu_us_per_vote": {name: round(seconds / max(1, votes) * 1e6, 2) for name, seconds in cpu_s.items()},
        "cpu_cores_used": {name: round(seconds / told["seconds"], 3) for name, seconds in cpu_s.items()},
        "pushes_per_s_per_channel_max": told["pushes"]["per_s_max"],
        "pushes": told["pushes"],
        "last_watcher_ms": told["last_watcher_ms"],
        "convergence_ms": told["convergence_ms"],
        "casts": casts,
        "errors": told["errors"],
        "reconnects": told["reconnects"],
        "verify": told["verify"],
    }


def _fields(options: CrowdOptions) -> dict[str, Any]:
    return {name: getattr(options, name) for name in options.__slots__}


if __name__ == "__main__":
    main()
