"""`mysetlist doctor`: checks everything that the start of a node needs."""

from __future__ import annotations

import os

from server.cli.terminal import DataDir, print_table, run_to_end
from server.errors import SetupError


def doctor(data_dir: DataDir = None) -> None:
    """Check settings, engines, versions, clocks and providers; exit 1 with the reason if a check fails."""
    from server.cli.doctor_checks import as_table, run_checks

    checks = run_to_end(run_checks(os.environ, data_dir))
    print_table(as_table(checks))
    failed = [check for check in checks if check.verdict == "fail"]
    if failed:
        raise SetupError(failed[0].found)
