"""The page of the soak says what is checked and what breaks, and the seed alone decides when."""

from __future__ import annotations

import re
from typing import Any

from soak import Schedule, growth

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
    assert {rule for bug in BUGS.values() for rule in bug.rules} <= RULES


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


def _lived(
    rounds: int, *, pid: int = 1, memory_mb: float = 0, files: int = 0, clients: int = 0
) -> list[dict[str, Any]]:
    """Rounds of one process of node A. Takes: what it has more of in each round than in the one before."""
    return [
        {
            "nodes": {
                "A": {
                    "pid": pid,
                    "memory_mb": 100 + number * memory_mb,
                    "files": {"clients": 300 + number * clients, "Valkey": 9, "other files": 20 + number * files},
                }
            }
        }
        for number in range(rounds)
    ]


def test_what_grows_in_a_process_is_named() -> None:
    """Memory and files are compared with the first half of a process's life. Clients go from node to node and are counted elsewhere."""
    assert growth(_lived(8)) == []
    assert growth(_lived(8, clients=20)) == []
    assert "memory" in growth(_lived(8, memory_mb=10))[0]
    assert "open files" in growth(_lived(8, files=10))[0]
    # A process that has just started is another one, and too young.
    assert growth([*_lived(8), *_lived(5, pid=2, memory_mb=50)]) == []
