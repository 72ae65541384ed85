"""The simulation finds bugs: each one of planted_bugs.py, planted alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.simulation.planted_bugs import BUGS

# Four times as many as it took when the bug was planted first, and at least so many.
SEEDS_MIN = 2_000


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    """A simulation with the bug fails."""
    seeds = max(SEEDS_MIN, 4 * BUGS[name].found_after)
    command = [sys.executable, "-m", "tests.simulation", "--bug", name, "--seeds", str(seeds)]
    played = subprocess.run(command, capture_output=True, text=True, check=False)
    assert played.returncode == 1, played.stdout[-2_000:] + played.stderr[-2_000:]
    assert "FAILED: seed " in played.stdout


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_has_its_place(name: str) -> None:
    """The text that a bug replaces is in its module, once: whoever changes it there changes it here."""
    assert BUGS[name].planted() != ""
