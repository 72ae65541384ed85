"""The checker finds bugs: each one of planted_bugs.py, planted alone into a copy of the sources, under a crowd and faults."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.history.faults import FAULTS
from tests.history.planted_bugs import BUGS, ROOT
from tests.simulation.planted_bugs import BUGS as BUGS_OF_SIMULATION

# A crowd that a busy machine can serve: what is sought is wrong, not rare.
LOAD = (
    "--fans",
    "150",
    "--watchers",
    "24",
    "--rate",
    "2500",
    "--minutes",
    "5",
    "--seconds",
    "10",
    "--bare",
    "--until-wrong",
)


@pytest.mark.nightly
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str, tmp_path: Path) -> None:
    """A soak with the bug names the rule that it breaks."""
    bug = BUGS[name]
    for folder in ("server", "tests", "bench", "migrations", "static", "deploy", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    bug.file(tmp_path).write_text(bug.planted(tmp_path))
    command = [sys.executable, "bench/soak.py", *LOAD, "--faults", bug.faults]
    played = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert played.returncode == 1, played.stderr[-3_000:]
    wrong = json.loads(played.stdout)["wrong"]
    assert any(bug.rule in text for text in wrong), wrong


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_has_its_place(name: str) -> None:
    """The text that a bug replaces is in its file, once, and its faults are in the table: whoever changes it there changes it here."""
    bug = BUGS[name]
    assert bug.planted() != ""
    assert bug.faults == "none" or {*bug.faults.split(", ")} <= FAULTS.keys()


def test_thirty_bugs_are_planted() -> None:
    """With those that the simulation finds."""
    assert len({*BUGS, *BUGS_OF_SIMULATION}) >= 30
