"""Measures committed votes a second over many websockets, on one machine, with all rules on.

    .venv/bin/python bench/votes.py [--voters 1500] [--seconds 20] [--warm-up 5] [--in-flight 2] [--seed 1]

It starts a node with its own PostgreSQL and Valkey. A crowd in this process votes as fast as its votes are acknowledged, and
checks at the end that every acknowledged vote is counted once. It prints one JSON object and asserts nothing.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import uvloop
from measure import Node, log_step, node, own_cpu_s, print_result, run_facts, spent

from server.cli.terminal import raise_file_limit
from server.load.crowd import CrowdOptions, run


def main() -> None:
    """Measures and prints the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voters", type=int, default=1500)
    parser.add_argument("--watchers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--warm-up", type=float, default=5.0)
    parser.add_argument("--in-flight", type=int, default=2, help="unanswered casts allowed to a voter")
    parser.add_argument("--votes-per-cast", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.0, help="casts a second; 0: as fast as acknowledged")
    parser.add_argument("--show", type=int, default=None, help="id of one show; default: all with open voting")
    parser.add_argument("--subscribe", action="store_true", help="voters also watch their shows")
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
    facts = run_facts()
    with node() as server:
        print_result({"benchmark": "votes", **facts, **_measure(server, options)})


def _measure(server: Node, options: CrowdOptions) -> dict[str, Any]:
    readings: dict[str, tuple[dict[str, float], float]] = {}

    async def on_step(step: str) -> None:
        log_step(step)
        if step in {"counting", "counted"}:
            readings[step] = (server.cpu_s(), own_cpu_s())

    options = replace(options, url=server.url)
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
        "cpu_us_per_vote": {name: round(seconds / max(1, votes) * 1e6, 2) for name, seconds in cpu_s.items()},
        "cpu_cores_used": {name: round(seconds / report["seconds"], 3) for name, seconds in cpu_s.items()},
        "pushes_per_s_per_channel_max": report["pushes"]["per_s_max"],
        "pushes": report["pushes"],
        "last_watcher_ms": report["last_watcher_ms"],
        "convergence_ms": report["convergence_ms"],
        "casts": casts,
        "errors": report["errors"],
        "reconnects": report["reconnects"],
        "verify": report["verify"],
    }


if __name__ == "__main__":
    main()
