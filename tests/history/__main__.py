"""Checks a history that `bench/soak.py --keep FOLDER` wrote, or follows one that is being written.

.venv/bin/python -m tests.history FOLDER            # all windows of a folder; exits with 1 at a violation
.venv/bin/python -m tests.history --follow          # a path of a window on each line of stdin; a JSON line for each on stdout
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import orjson

from tests.history.checker import Checker
from tests.history.records import Window


def main() -> int:
    """Checks, and prints what is wrong in plain words."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="holds the windows")
    parser.add_argument("--follow", action="store_true", help="read paths of windows from stdin")
    parser.add_argument("--may-lose", action="store_true", help="Valkey may lose what is accepted and not committed")
    arguments = parser.parse_args()
    checker = Checker(may_lose=arguments.may_lose)
    if arguments.follow:
        os.nice(10)  # the service goes on meanwhile
        for line in sys.stdin:
            print(orjson.dumps(_checked(checker, Path(line.strip()))).decode(), flush=True)
        return 0
    if arguments.folder is None:
        parser.error("which folder?")
    wrong = 0
    for path in sorted(arguments.folder.glob("window-*")):
        found = _checked(checker, path)
        print(f"{path.name}: {found['votes']:,} votes, {found['frames']:,} frames, {found['seconds']} s")
        for text in found["wrong"]:
            print(text)
        wrong += len(found["wrong"])
    print("no violation" if not wrong else f"{wrong} rules are violated")
    return 1 if wrong else 0


def _checked(checker: Checker, path: Path) -> dict[str, Any]:
    began_s = time.monotonic()
    window = Window.load(path)
    wrong = [str(violation) for violation in checker.check(window)]
    return {
        "votes": len(window.casts), "logged": len(window.events), "rows": len(window.rows), "frames": len(window.frames),
        "states": len(window.payloads), "reads": len(window.reads), "lost": checker.lost_count, "unchecked": checker.watchers.unchecked,
        "pushes_to_end": checker.watchers.pushes_to_end, "seconds_to_end": round(checker.watchers.seconds_to_end, 2),
        "seconds": round(time.monotonic() - began_s, 2), "wrong": wrong,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
