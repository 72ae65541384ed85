"""Measures the time from the start of a node to its ready line, with engines that are initialised already.

    .venv/bin/python bench/startup.py [--runs 5]

The first start also creates the databases, applies the migrations and adds the sample data; it is reported separately.
It prints one JSON object and asserts nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from measure import Node, data_folder, log_step, print_result, run_facts, summary_ms


def main() -> None:
    """Measures and prints the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    facts = run_facts()
    with data_folder() as folder:
        first_s, *again_s = [_start(folder, number) for number in range(runs + 1)]
    print_result({
        "benchmark": "startup",
        **facts,
        "settings": {"runs": runs},
        "first_start_ms": round(first_s * 1000, 1),
        "ready_ms": summary_ms(again_s),
    })  # fmt: skip


def _start(folder: Path, number: int) -> float:
    server = Node(folder, "--demo")
    server.stop()
    log_step(f"start {number}: {server.ready_s:.2f} s")
    return server.ready_s


if __name__ == "__main__":
    main()
