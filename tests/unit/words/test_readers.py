"""What somebody reads in a browser names nothing that only whoever runs the servers has: files of the source, settings, commands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.admin.verdicts import VERDICTS, Verdict
from server.settings import data_folder
from tests.support.page_texts import texts_in_script

# Its tests read the code, and run little of it.
pytestmark = pytest.mark.no_cover

STATIC = data_folder("static")
SERVER = Path(__file__).parents[3] / "server"
CONSOLE = sorted(STATIC.glob("admin/*.js"))
WORDS = sorted(STATIC.glob("words/*/*.ftl"))
# Refusals reach the dialogs of the console; failures of providers its page Sync.
READ_CALLS = {"Refused", "Failure"}

SOURCE_FILE = re.compile(r"\bdocs/|\.(?:md|py|sql|toml)\b")
SETTING = re.compile(r"\b(?:MYSETLIST|OTEL)_\w+|\b[A-Z]+_(?:URL|KEY|SECRET)\b")
COMMAND = re.compile(r"\bmysetlist [a-z]")
# Whoever cannot do it must see at once whom to ask.
OPERATOR = re.compile(r"[Ww]hoever runs the server")
# In acts of verdicts: code between backticks, settings, logs, machines.
OPERATORS_ACT = re.compile(r"`|\b[A-Z]+_[A-Z]+\b|\blogs?\b|\b[Rr]estart\b|\bnode when\b")


def faults_of(text: str) -> list[str]:
    """What a text names that its reader does not have."""
    found = SOURCE_FILE.findall(text)
    if not OPERATOR.search(text):
        found += SETTING.findall(text) + COMMAND.findall(text)
    return found


def read_texts(path: Path) -> Iterator[str]:
    """The texts of refusals and failures in a module, each with its fixed parts in one."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in READ_CALLS:
            parts = [
                part.value for argument in node.args for part in ast.walk(argument) if isinstance(part, ast.Constant)
            ]
            yield " ".join(part for part in parts if isinstance(part, str))


def test_words_of_fans() -> None:
    """Pages, walls and letters, in every language: no file, no setting, no command, whoever is named."""
    assert len(WORDS) >= 30
    found = [
        f"{path.relative_to(STATIC)}: {line.strip()}"
        for path in WORDS
        for line in path.read_text().splitlines()
        if not line.startswith("#") and any(one.search(line) for one in (SOURCE_FILE, SETTING, COMMAND))
    ]
    assert found == []


def test_texts_of_the_console() -> None:
    """No file of the source; settings and commands only where the text says who has them."""
    assert len(CONSOLE) > 30
    found = [
        f"{path.name}:{line}: {text}"
        for path in CONSOLE
        for line, text in texts_in_script(path.read_text())
        if faults_of(text)
    ]
    # The panel of the sign-in shows a command under the sentence that says who runs it.
    assert [one for one in found if not one.startswith("signin-panel.js")] == []


def test_refusals_and_failures_of_the_server() -> None:
    """The same holds for what the server answers to a page."""
    texts = [(path, text) for path in sorted(SERVER.rglob("*.py")) for text in read_texts(path)]
    assert len(texts) > 100
    assert [f"{path.relative_to(SERVER)}: {text}" for path, text in texts if faults_of(text)] == []


@pytest.mark.parametrize("verdict", VERDICTS, ids=lambda verdict: verdict.name)
def test_an_act_of_the_operator_is_called_so(verdict: Verdict) -> None:
    """An act that needs a terminal, a setting or a log is not left to staff. No act names a file of the source."""
    assert not SOURCE_FILE.search(verdict.act)
    if OPERATORS_ACT.search(verdict.act):
        assert verdict.by == "operator"


@pytest.mark.parametrize(
    "text", ["See docs/game.md.", "Set SMTP_URL.", "Set MYSETLIST_ORIGINS.", "Run mysetlist sync.", "ask guide.md"]
)
def test_a_fault_is_found(text: str) -> None:
    """Each kind of what readers do not have is seen."""
    assert faults_of(text)
