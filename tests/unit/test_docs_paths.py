"""Paths, links and constants in the Markdown pages: each of them exists."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
# Pages name files from the top, below server/, below docs/, or beside the page.
BASES = (ROOT, ROOT / "server", ROOT / "docs")
SUFFIXES = "py|pyi|sql|psql|lua|js|mjs|ts|css|html|md|yml|json|toml|txt"


def text_of(page: Path) -> str:
    """A page without its blocks of code, which name files of their readers."""
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def paths_in(text: str) -> set[str]:
    """Paths in backquotes: those with a slash that end in a suffix of ours or in a slash."""
    return set(re.findall(rf"`((?:[\w.-]+/)+(?:[\w.-]+\.(?:{SUFFIXES}))?)`", text))


def names_in(text: str) -> set[str]:
    """Names of code files in backquotes, without a folder."""
    return set(re.findall(r"`([a-z_]+\.(?:py|sql|psql|lua|js))`", text))


def links_in(text: str) -> set[str]:
    """Targets of links and pictures that are files, without their fragments."""
    targets = (target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text))
    return {target for target in targets if target and "://" not in target}


def anchors_in(page: Path) -> set[str]:
    """The fragments that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@cache
def files_of_code() -> set[str]:
    """The names of all files that hold code."""
    folders = ("server", "static", "tests", "bench", "migrations")
    return {
        path.name for folder in folders for path in (ROOT / folder).rglob("*.*") if "node_modules" not in path.parts
    }


@cache
def code_of(path: str) -> str:
    """The text of a file below server/, or of all migrations."""
    files = (ROOT / path).glob("*.sql") if path == "migrations/" else [ROOT / "server" / path]
    return "\n".join(file.read_text("utf-8") for file in files)


def missing_names(cell: str) -> list[str]:
    """Constants that the file before them does not define, and queries and functions that are not in theirs."""
    wanted = [(path, rf"(?:-- name: |function ){name}\b") for name, path in re.findall(r"`(\w+)` in `([\w/.]+)`", cell)]
    file = ""
    for path, query, constant in re.findall(
        r"`([\w/]+\.(?:py|sql))`|(?<![`\w])([a-z]+(?:_[a-z]+)+)|(?<![`\w])([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z]{4,})",
        cell,
    ):
        file = path or file
        if query or constant:
            wanted.append((file, rf"^-- name: {query}\b" if query else rf"^{constant}(?:: [^=\n]+)? = "))
    return [f"{path} {name}" for path, name in wanted if not path or not re.search(name, code_of(path), re.MULTILINE)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_exists(page: Path) -> None:
    """Each path that a page names is a file or a folder of this repository."""
    bases = (*BASES, page.parent)
    text = text_of(page)
    assert {path for path in paths_in(text) if not any((base / path).exists() for base in bases)} == set()
    assert names_in(text) - files_of_code() == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Each relative link leads to a file, and each fragment to a heading of a page."""
    text = text_of(page)
    assert {link for link in links_in(text) if not (page.parent / link).exists()} == set()
    fragments = re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", text)
    assert [f for link, f in fragments if f not in anchors_in(page.parent / link if link else page)] == []


def test_every_name_of_the_limits_exists() -> None:
    """Each constant, query and function in the column "where" of docs/limits.md is in the file named beside it."""
    rows = re.findall(r"^\|.*\| ([^|]*) \|$", (ROOT / "docs" / "limits.md").read_text("utf-8"), re.MULTILINE)
    assert sum("_MAX" in cell for cell in rows) > 50
    assert [name for cell in rows for name in missing_names(cell)] == []


def test_what_is_missing_is_found() -> None:
    """The rules above see a path, a file name, a link, a constant, a query and a function that do not exist."""
    assert paths_in("see `node/gone.py`, `docs/`, `/api/openapi.json`, `a.py`") == {"node/gone.py", "docs/"}
    assert names_in("see `gone.py`, `node/gone.py`, `YYYYMMDDhhmmss_name.sql`") == {"gone.py"}
    assert links_in("[a](gone.md#part) [b](https://example.org/x) [c](#here)") == {"gone.md"}
    assert len(missing_names("`settings.py` WORKERS_MAX, GONE_MAX, `voting/voting.sql` gone_query")) == 2
    assert len(missing_names("`erase_user` in `migrations/`, `gone` in `migrations/`")) == 1
    assert len(missing_names("NO_FILE")) == 1
