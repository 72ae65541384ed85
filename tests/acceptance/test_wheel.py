"""The package as users get it: built, installed into an empty environment, run in another folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engines import short_folder

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".data", "dist", "__pycache__", ".*_cache", ".hypothesis")

# Building and installing download packages.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def packages() -> Iterator[Path]:
    """The folder with the sdist and the wheel that is built from it."""
    with short_folder() as folder:
        shutil.copytree(ROOT, folder / "copy", ignore=LEFT_OUT)
        build = [sys.executable, "-m", "build", "--outdir", str(folder / "dist"), str(folder / "copy")]
        done = subprocess.run(build, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
        yield folder / "dist"


def files_of(folder: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()}


def test_sdist_and_wheel_hold_migrations_and_static(packages: Path) -> None:
    """Each file of both folders is in both packages; the tests are in the sdist, not in the wheel."""
    wanted = files_of("migrations") | files_of("static")
    assert any(name.endswith(".sql") for name in wanted)
    (wheel,) = packages.glob("*.whl")
    in_wheel = zipfile.ZipFile(wheel).namelist()
    assert {f"server/_data/{name}" for name in wanted} <= set(in_wheel)
    assert {name.split("/")[0].split("-")[0] for name in in_wheel} == {"server", "mysetlist"}
    (sdist,) = packages.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    assert wanted | {"tests/acceptance/test_wheel.py", "Makefile", "LICENSE"} <= in_sdist


def test_the_wheel_alone_serves(packages: Path) -> None:
    """Without any setting, in an empty home, the installed command serves the page and exits with 0 after SIGTERM."""
    (wheel,) = packages.glob("*.whl")
    with short_folder() as folder:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
        # Most of the modules are never imported, so they are not compiled.
        pip = [sys.executable, "-m", "pip", "--python", str(folder / "venv"), "install", "-qq", "--no-compile"]
        subprocess.run([*pip, "--disable-pip-version-check", str(wheel)], check=True)
        home = folder / "home"
        home.mkdir()
        node = subprocess.Popen(
            [str(folder / "venv" / "bin" / "mysetlist"), "serve", "--port", "0"],
            cwd=home,
            env={"PATH": os.environ["PATH"], "HOME": str(home)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert node.stdout is not None
        try:
            address = next(found[1] for line in node.stdout if (found := re.match(r"listening on (http://\S+)", line)))
            with urllib.request.urlopen(f"{address}/healthz") as reply:
                assert reply.status == 200
            with urllib.request.urlopen(f"{address}/") as reply:
                assert "<html" in reply.read().decode().lower()
            assert (home / ".local" / "share" / "mysetlist" / "secret").exists()
            node.send_signal(signal.SIGTERM)
            assert node.wait(timeout=30) == 0
        finally:
            # terminate also stops the engines; kill would leave them running.
            node.terminate()
            node.wait()
            node.stdout.close()
