"""The package as users get it: built, installed into an empty environment, run in another folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support.engines import short_folder

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".data", ".bench", "dist", "node_modules", "__pycache__", ".*_cache", ".hypothesis"
)  # fmt: skip

# Building downloads packages.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def packages() -> Iterator[Path]:
    """The folder with the sdist and the wheel that is built from it."""
    with short_folder() as folder:
        shutil.copytree(ROOT, folder / "copy", ignore=LEFT_OUT)
        build = [
            sys.executable,
            "-m",
            "build",
            "--no-isolation",
            "--outdir",
            str(folder / "dist"),
            str(folder / "copy"),
        ]
        done = subprocess.run(build, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
        yield folder / "dist"


def files_of(folder: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()}


def link_dependencies(wheel: Path, environment: Path) -> None:
    """Links into a virtual environment what the wheel requires, and what that requires. To install it takes 15 CPU-s."""
    (packages,) = (environment / "lib").glob("python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        declared = Parser().parsestr(archive.read(metadata).decode()).get_all("Requires-Dist", [])
    waiting = [(text, "") for text in declared]
    linked = set()
    while waiting:
        text, extra = waiting.pop()
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        found = distribution(requirement.name)
        assert requirement.specifier.contains(found.version), f"{found.version} is installed, not {requirement}"
        for wanted in {"", *requirement.extras}:
            if (requirement.name, wanted) not in linked:
                linked.add((requirement.name, wanted))
                waiting += [(text, wanted) for text in found.requires or ()]
        for path in found.files or ():
            # A program is outside of the folder of the packages.
            target = environment / "bin" / path.name if path.parts[0] == ".." else packages / path.parts[0]
            source = Path(str(found.locate_file(path if path.parts[0] == ".." else path.parts[0])))
            # What an older setuptools has built names files that it did not install.
            if source.exists() and not target.exists():
                target.symlink_to(source)


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
    """With nothing but its dependencies, in an empty home, the command serves the page, tells systemd how it is, and exits with 0
    after SIGTERM.
    """
    (wheel,) = packages.glob("*.whl")
    with short_folder() as folder:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
        link_dependencies(wheel, folder / "venv")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(folder / "venv")]
        subprocess.run([*pip, "install", "-qq", "--no-compile", "--no-deps", str(wheel)], check=True)
        home = folder / "home"
        home.mkdir()
        systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        systemd.bind(str(folder / "notify"))
        systemd.settimeout(30)
        node = subprocess.Popen(
            [str(folder / "venv" / "bin" / "mysetlist"), "serve", "--port", "0"],
            cwd=home,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "NOTIFY_SOCKET": str(folder / "notify"),
                "WATCHDOG_USEC": "30000000",
            },
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
            assert [systemd.recv(100) for _ in range(2)] == [b"READY=1", b"WATCHDOG=1"]
            node.send_signal(signal.SIGTERM)
            assert node.wait(timeout=30) == 0
            assert systemd.recv(100) == b"STOPPING=1"
        finally:
            # terminate also stops the engines; kill would leave them running.
            node.terminate()
            node.wait()
            node.stdout.close()
            systemd.close()
