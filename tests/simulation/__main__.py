"""`python -m tests.simulation --seed 17`: plays one seed and prints its steps; `--seeds 100000 --first 1`: looks for one that fails."""

from __future__ import annotations

import argparse
import gc
import sys
import time


def main() -> int:
    """Plays seeds."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, help="play this seed, and print its steps")
    parser.add_argument("--seeds", type=int, default=1_000, help="how many seeds to play (1000)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (0)")
    parser.add_argument("--bug", help="plant this bug of planted_bugs.py first")
    options = parser.parse_args()
    if options.bug:
        from tests.simulation.planted_bugs import plant

        plant(options.bug)
    from server.cli.main import GC_THRESHOLD
    from tests.simulation.engines import simulated_engines
    from tests.simulation.seen import Seen
    from tests.simulation.world import Violation, World, play

    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)
    seen = Seen()
    with simulated_engines():
        if options.seed is not None:
            world = World(options.seed, seen, is_traced=True)
            try:
                world.run()
            finally:
                for step, now_s, what in world.loop.trace or ():
                    print(f"{step:6} {now_s - 1000:9.4f} s  {what}")
            return 0
        started_s = time.process_time()
        for seed in range(options.first, options.first + options.seeds):
            try:
                play(seed, seen)
            except Violation as violation:
                print(f"FAILED: {violation}")
                return 1
    spent_s = time.process_time() - started_s
    print(f"{options.seeds} seeds held, {1000 * spent_s / options.seeds:.1f} ms each")
    for state, count in sorted(seen.items()):
        print(f"{count:8}  {state}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
