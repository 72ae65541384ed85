"""The page runs in Chromium 83 (Android's WebView of May 2020), which no test can start: its files use nothing newer."""

from __future__ import annotations

import re

import pytest

from server.settings import data_folder
from server.web.bundling import bundle

# What came after Chromium 83, and comes to mind most easily. What Safari 15 and Firefox 90 lack is here too.
TOO_NEW = {
    "private methods": r"^\s*(?:async |get |set |static )*#\w+\(",
    "static blocks": r"^\s*static \{",
    "assignments with ??, || and &&": r"\?\?=|\|\|=|&&=",
    "private names with `in`": r"#\w+ in ",
    "looking behind in patterns": r"\(\?<[=!]",
    "new methods": r"\.(at|replaceAll|findLast|findLastIndex|toSorted|toReversed|toSpliced|hasOwn|groupBy)\(",
    "new functions": r"\b(structuredClone|reportError|Promise\.any|Promise\.withResolvers|AbortSignal\.\w+|crypto\.randomUUID|URL\.canParse)\b",
    "await outside of functions": r"^await ",
}
NEWER_CSS = r"(?<![\w-])(?:inset(?:-inline|-block)?|(?:margin|padding)-(?:inline|block)|aspect-ratio):|:is\(|:where\("


# The API's documentation is for programmers at a desk.
SCRIPTS = sorted({path.name for path in data_folder("static").glob("*.js")} - {"docs.js", "openapi.js"})


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_use_what_phones_of_2020_know(name: str) -> None:
    """No syntax, no method and no global is newer."""
    text = _text(name)
    code = re.sub(r"/\*.*?\*/|(?<!:)//[^\n]*", "", text, flags=re.DOTALL)
    found = {kind: re.findall(pattern, code, re.MULTILINE) for kind, pattern in TOO_NEW.items()}
    assert {kind: matches for kind, matches in found.items() if matches} == {}


@pytest.mark.parametrize("name", ["app.js", "me.js"])
def test_pages_can_be_put_aside(name: str) -> None:
    """Browsers keep no page for the back button that listens to its end."""
    assert re.findall(r"[\"'.](?:on)?(?:before)?unload\b", bundle(data_folder("static"), name)) == []


@pytest.mark.parametrize("name", ["style.css", "shows.css", "pages.css", "game.css"])
def test_styles_place_everything_in_phones_of_2020(name: str) -> None:
    """No property without which something would be out of its place is newer."""
    assert re.findall(NEWER_CSS, re.sub(r"/\*.*?\*/", "", _text(name), flags=re.DOTALL)) == []


def _text(name: str) -> str:
    return (data_folder("static") / name).read_text()
