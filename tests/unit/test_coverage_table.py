"""The coverage table of `make check`."""

from __future__ import annotations

from typing import Any

from tests.support.coverage_table import rows


def _file(lines: int, missing: int, branches: int, not_taken: int) -> dict[str, Any]:
    return {
        "summary": {
            "num_statements": lines,
            "missing_lines": missing,
            "num_branches": branches,
            "missing_branches": not_taken,
        }
    }


def test_files_are_added_up_by_package() -> None:
    """A package has one row, modules at the top have their own, and the total is of all files."""
    report = {
        "files": {
            "server/clock.py": _file(10, 0, 0, 0),
            "server/live/hub.py": _file(60, 3, 10, 1),
            "server/live/sse.py": _file(40, 2, 10, 0),
            "server/live/__init__.py": _file(0, 0, 0, 0),
        }
    }
    assert [row.split() for row in rows(report)[1:]] == [
        ["clock", "10", "0", "0", "0"],
        ["live", "100", "5", "=", "5.0%", "20", "1", "=", "5.0%"],
        ["total", "110", "5", "=", "4.5%", "20", "1", "=", "5.0%"],
    ]
