"""Checks that a tag is a release of this tree, and writes its notes: the part of the changelog for this version.

python deploy/release.py v1.2.3 dist/notes.md
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Where the version stands besides pyproject.toml: what a node tells, and the image that the chart takes.
PLACES = {
    "server/__init__.py": r'^__version__ = "(.+)"$',
    "deploy/helm/mysetlist/Chart.yaml": r"^appVersion: (.+)$",
}


def main(tag: str, notes: Path) -> None:
    """Exits with one sentence when the tag, pyproject.toml and the changelog do not agree."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for place, pattern in PLACES.items():
        if (found := re.findall(pattern, (ROOT / place).read_text(), re.MULTILINE)) != [version]:
            sys.exit(f"pyproject.toml has version {version}, and {place} has {', '.join(found)}. Change one of them.")
    if tag != f"v{version}":
        sys.exit(f"The tag is {tag}, and pyproject.toml has version {version}. Tag v{version}, or change the version.")
    notes.write_text(notes_of(version, (ROOT / "CHANGELOG.md").read_text()))


def notes_of(version: str, changelog: str) -> str:
    """The text under the heading `## <version>, <date>`, without it."""
    part = re.search(
        rf"^## {re.escape(version)}, \d{{4}}-\d\d-\d\d\n+(.+?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    if part is None:
        sys.exit(f'CHANGELOG.md has no part for {version}. Write "## {version}, " and the date above its lines.')
    return part[1].rstrip() + "\n"


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
