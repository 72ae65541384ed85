"""The pages of walls run on TV sets of 2018 (Chromium 53), which no test can start: their files use nothing newer."""

from __future__ import annotations

import re

from server.settings import data_folder
from server.web.bundling import bundle

# What came after Chromium 53, and comes to mind most easily.
TOO_NEW = {
    "optional chaining": r"\w\?\.\w|\?\.\[",
    "nullish values": r"\?\?",
    "async functions": r"\basync\b|\bawait\b",
    "private members and fields of classes": r"this\.#|^\s*#\w|^\s*static\b",
    "spread and rest of objects": r"\{[^{}()\[\]]*\.\.\.",
    "a catch without a name": r"\bcatch\s*\{",
    "numbers with separators": r"\b\d+_\d",
    "new methods": r"\.(at|flat|flatMap|padStart|padEnd|replaceAll|matchAll|fromEntries|finally|allSettled|append|prepend|"
    r"replaceChildren|toggleAttribute|entries|values|toSorted|animate)\(",
    "new globals": r"\b(fetch|AbortController|ResizeObserver|IntersectionObserver|globalThis|structuredClone)\b",
}
NEWER_CSS = r"\b(min|max|clamp|color-mix)\(|\binset:|display: grid|\bgap:|aspect-ratio:|:focus-visible|rgb\(\d+ "


def test_scripts_use_what_old_tv_sets_know() -> None:
    """No syntax, no method and no global is newer."""
    text = bundle(data_folder("static"), "wall/app.js")
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
    assert "new EventSource" in code
    found = {name: re.findall(pattern, code, re.MULTILINE) for name, pattern in TOO_NEW.items()}
    assert {name: matches for name, matches in found.items() if matches} == {}


def test_styles_use_what_old_tv_sets_know() -> None:
    """No property and no function is newer."""
    for name in ("wall.css", "light.css"):
        text = (data_folder("static") / "wall" / name).read_text()
        assert re.findall(NEWER_CSS, re.sub(r"/\*.*?\*/|@media[^{]*", "", text, flags=re.DOTALL)) == [], name
