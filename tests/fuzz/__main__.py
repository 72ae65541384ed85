"""`python -m tests.fuzz --inputs 100000`: gives each target so many inputs; `frames --number 17`: only this input of this target."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

from tests.fuzz.play import Failed, play
from tests.fuzz.targets import targets


async def main() -> int:
    """Plays the targets one after the other, and prints what each has taken."""
    with tempfile.TemporaryDirectory(prefix="mysetlist-fuzz-") as folder:
        known = targets(Path(folder))
        parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
        parser.add_argument("target", nargs="*", choices=[[], *known], help="these targets (all)")
        parser.add_argument("--inputs", type=int, default=100_000, help="how many inputs each target gets (100000)")
        parser.add_argument("--number", type=int, help="the number of the first input (drawn)")
        options = parser.parse_args()
        first = secrets.randbelow(1 << 48) if options.number is None else options.number
        count = options.inputs if options.number is None else 1
        for name in options.target or known:
            try:
                played = play(known[name], first, count)
            except Failed as failed:
                print(f"FAILED: {name} --number {failed.number}: {failed.data!r}")
                raise
            print(f"{name}: {played}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
