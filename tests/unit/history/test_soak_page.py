"""The page of the soak says what is checked and what breaks, and the seed alone decides when."""

from __future__ import annotations

import re

from soak import Schedule

from tests.history import planted_bugs
from tests.history.faults import FAULTS, FAULTS_OF_FLEET, described
from tests.history.planted_bugs import BUGS, ROOT

PAGE = (ROOT / "docs" / "soak.md").read_text()
CHECKS = "".join((ROOT / "tests" / "history" / name).read_text() for name in ("checker.py", "watchers.py", "audits.py"))
RULES = {*re.findall(r'iolations?\(\s*"([^"]+)"', CHECKS)}


def test_the_page_has_every_rule() -> None:
    """Each rule of the checker stands on the page, and each planted bug breaks one of them."""
    assert len(RULES) > 20
    assert sorted(rule for rule in RULES if rule not in PAGE) == []
    assert {bug.rule for bug in BUGS.values()} <= RULES


def test_the_page_has_every_fault() -> None:
    """Each kind of fault stands on the page with how it is done and how it is seen; `bench/soak.py --list` prints the rows."""
    rows = [*described(FAULTS), *described(FAULTS_OF_FLEET)]
    assert len(rows) > 25
    assert [row for row in rows if row not in PAGE] == []


def test_the_page_of_planted_bugs_has_each() -> None:
    """`python -m tests.history.planted_bugs --table` prints the rows."""
    page = (ROOT / "docs" / "planted-bugs.md").read_text()
    assert [row for row in planted_bugs.table() if row not in page] == []


def test_a_seed_chooses_the_same_faults_again() -> None:
    """Each fault of the table comes once alone, then pairs of two different ones; another seed has another order."""
    for table in (FAULTS, FAULTS_OF_FLEET):
        first, again, other = Schedule(list(table), 1), Schedule(list(table), 1), Schedule(list(table), 2)
        steps = [first.next() for _ in range(2 * len(table))]
        assert steps == [again.next() for _ in range(2 * len(table))]
        assert steps != [other.next() for _ in range(2 * len(table))]
        assert sorted(name for step in steps[: len(table)] for name in step) == sorted(table)
        assert all(len({*step}) == 2 for step in steps[len(table) :])
