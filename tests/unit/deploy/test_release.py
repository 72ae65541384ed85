"""Releases: the tag, the version and the changelog agree, and the workflows run what exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


PLACES = ("pyproject.toml", "server/__init__.py", "deploy/helm/mysetlist/Chart.yaml")


def released(tag: str, notes: Path, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "deploy" / "release.py"), tag, str(notes)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in yaml.safe_load(path.read_text())["jobs"].values() for step in job["steps"]]


def test_a_tag_of_another_version_is_refused(tmp_path: Path) -> None:
    """One sentence names both, and nothing is written."""
    done = released("v99.0.0", tmp_path / "notes.md")
    assert done.returncode == 1
    assert re.fullmatch(r"The tag is v99\.0\.0, and pyproject\.toml has version [\d.]+\. Tag .*\n", done.stderr)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", PLACES)
def test_a_version_that_is_not_everywhere_is_refused(tmp_path: Path, place: str) -> None:
    """A node would tell another version than its package has, or the chart take another image."""
    for name in ("deploy/release.py", "CHANGELOG.md", *PLACES):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    (tmp_path / place).write_text((ROOT / place).read_text().replace("0.1.0", "0.1.1"))
    done = released("v0.1.0", tmp_path / "notes.md", tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(r"pyproject\.toml has version [\d.]+, and .+ has [\d.]+\. Change one of them\.\n", done.stderr)


def test_the_notes_are_the_part_of_the_changelog(tmp_path: Path) -> None:
    """All lines of the version, and none of the next."""
    version = "0.1.0"
    done = released(f"v{version}", tmp_path / "notes.md")
    assert (done.returncode, done.stderr) == (0, "")
    notes = (tmp_path / "notes.md").read_text()
    assert notes.startswith("### ")
    assert "\n## " not in notes
    assert notes.strip() in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_what_exists(path: Path) -> None:
    """Targets of the Makefile, files of the tree; foreign actions by their commit, which nobody can move."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for step in steps(path):
        for target in re.findall(r"\bmake ([a-z]+)", step.get("run", "")):
            assert target in targets
        for file in re.findall(r"(?:^|\s)((?:\.ci|deploy)/[\w./-]+)", step.get("run", "")):
            assert (ROOT / file).exists(), file
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step.get("uses", "x/y@" + "0" * 40)), step
