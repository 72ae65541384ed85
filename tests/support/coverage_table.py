"""Prints the coverage that `make check` measured: one row a package of server/, then the total."""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path, PurePath

# The folders of tests that `make check` measures. The others run the same code many times more.
MEASURED = ("unit", "integration", "migration")
ROW = "{:<12}{:>7}{:>17}{:>10}{:>17}"


def rows(report: dict[str, dict[str, dict[str, dict[str, int]]]]) -> list[str]:
    """The table. Takes: the JSON report of coverage.py."""
    packages: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for path, file in report["files"].items():
        parts = PurePath(path).parts
        # A module at the top of server/ is a row of its own.
        for name in (PurePath(parts[1]).stem, "total"):
            packages[name].update({key: int(value) for key, value in file["summary"].items()})
    total = packages.pop("total")
    found = [ROW.format("server/", "lines", "not run", "branches", "not taken")]
    for name, counts in [*sorted(packages.items()), ("total", total)]:
        lines, branches = counts["num_statements"], counts["num_branches"]
        if lines:
            found.append(ROW.format(
                name, lines, _share(counts["missing_lines"], lines), branches, _share(counts["missing_branches"], branches)
            ))  # fmt: skip
    return found


def _share(part: int, whole: int) -> str:
    return f"{part} = {part / whole:.1%}" if part else "0"


if __name__ == "__main__":
    folders = ", ".join(f"tests/{folder}" for folder in MEASURED)
    print(f"Coverage of server/ by {folders}. Nodes and commands in processes of their own are not measured.")
    print("\n".join(rows(json.loads(Path(sys.argv[1]).read_text()))))
