"""The checker finds bugs: each one of planted_bugs.py, planted alone into a copy of the sources, under a crowd and faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.history.faults import FAULTS
from tests.history.planted_bugs import BUGS, play
from tests.simulation.planted_bugs import BUGS as BUGS_OF_SIMULATION


@pytest.mark.nightly
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str, tmp_path: Path) -> None:
    """A soak with the bug names the rule that it breaks."""
    wrong = play(BUGS[name], tmp_path)["wrong"]
    assert BUGS[name].is_named_in(wrong), wrong


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_has_its_place(name: str) -> None:
    """The text that a bug replaces is in its file, once, and its faults are in the table: whoever changes it there changes it here."""
    bug = BUGS[name]
    assert bug.planted() != ""
    assert bug.faults == "none" or {*bug.faults.split(", ")} <= FAULTS.keys()


def test_thirty_bugs_are_planted() -> None:
    """With those that the simulation finds."""
    assert len({*BUGS, *BUGS_OF_SIMULATION}) >= 30
