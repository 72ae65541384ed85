"""How long a node takes from its start to its ready line, with engines that were initialised before.

    .venv/bin/python bench/startup.py [--runs 5]

The first start makes the databases, applies the migrations and seeds the sample data; it is told apart.
Prints one JSON object; asserts nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from measure import Node, data_folder, origin, say, summary_ms, tell


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    origin_now = origin()
    with data_folder() as folder:
        first_s, *again_s = [_start(folder, number) for number in range(runs + 1)]
    tell({
        "benchmark": "startup",
        **origin_now,
        "settings": {"runs": runs},
        "first_start_ms": round(first_s * 1000, 1),
        "ready_ms": summary_ms(again_s),
    })  # fmt: skip


def _start(folder: Path, number: int) -> float:
    server = Node(folder, "--demo")
    server.stop()
    say(f"start {number}: {server.ready_s:.2f} s")
    return server.ready_s


if __name__ == "__main__":
    main()
