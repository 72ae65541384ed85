"""Measures what honest voters notice of accounts that sign in, vote and erase themselves in a loop.

    .venv/bin/python bench/erasing.py [--voters 200] [--rate 200] [--seconds 15] [--loops 20]

A crowd votes at a fixed rate, first alone and then beside the loops. `ratio` compares the acknowledgements of the two: 2 is the
most that is wanted. It prints one JSON object and asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from typing import Any

import aiohttp
import uvloop
from measure import node, print_result, run_facts

from server.cli.terminal import raise_file_limit
from server.load.crowd import CrowdOptions, run

UNLIMITED = "999999999"


def main() -> None:
    """Measures and prints the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voters", type=int, default=200)
    parser.add_argument("--rate", type=float, default=200.0, help="casts a second of the crowd")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each of the two parts")
    parser.add_argument("--loops", type=int, default=20, help="accounts that are erased at the same time")
    arguments = parser.parse_args()
    raise_file_limit()
    # The limits of an address would end the loops, whose share of the load is measured here.
    os.environ |= {"MYSETLIST_ERASURES_PER_ADDRESS": UNLIMITED, "MYSETLIST_SESSIONS_PER_ADDRESS": UNLIMITED}
    facts = run_facts()
    with node() as server:
        measured = uvloop.run(_measure(server.url, arguments))
    print_result({"benchmark": "erasing", **facts, "settings": vars(arguments), **measured})


async def _measure(url: str, arguments: argparse.Namespace) -> dict[str, Any]:
    erased = [0]
    async with aiohttp.ClientSession(url, cookie_jar=aiohttp.DummyCookieJar()) as http:
        show, song = await _open_show(http)
        alone = await _crowd(url, show, arguments, seed=1)
        loops = [asyncio.create_task(_sign_in_and_erase(http, show, song, erased)) for _ in range(arguments.loops)]
        beside = await _crowd(url, show, arguments, seed=2)
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
    return {
        "alone_ms": alone,
        "beside_ms": beside,
        "ratio": {name: round(beside[name] / alone[name], 2) for name in ("p50", "p90", "p99") if alone.get(name)},
        "erased_per_s": round(erased[0] / arguments.seconds, 1),
    }


async def _open_show(http: aiohttp.ClientSession) -> tuple[int, int]:
    """A show with open voting and one of its songs."""
    async with http.get("/api/shows?status=live") as response:
        show: int = (await response.json())["items"][0]["id"]
    async with http.get(f"/api/shows/{show}") as response:
        song: int = (await response.json())["setlists"][0]["songs"][0]["id"]
    return show, song


async def _crowd(url: str, show: int, arguments: argparse.Namespace, *, seed: int) -> dict[str, Any]:
    options = CrowdOptions(
        url=url, show=show, voters=arguments.voters, watchers=5, rate_per_s=arguments.rate, duration_s=arguments.seconds, warm_up_s=5.0,
        verify=False, seed=seed, processes=1,
    )  # fmt: skip
    report = await run(options)
    acknowledgements: dict[str, Any] = report["acknowledgement_ms"]
    return acknowledgements


async def _sign_in_and_erase(http: aiohttp.ClientSession, show: int, song: int, erased: list[int]) -> None:
    votes = {"votes": [[song, "up"]]}
    while True:
        async with http.post("/api/session") as response:
            bearer = {"Authorization": f"Bearer {(await response.json())['token']}"}
        async with http.post(f"/api/shows/{show}/votes", json=votes, headers=bearer) as response:
            await response.read()
        async with http.delete("/api/me", headers=bearer) as response:
            erased[0] += response.status == 204


if __name__ == "__main__":
    main()
