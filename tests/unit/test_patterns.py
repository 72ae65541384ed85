"""No pattern of the server can be stalled: each gets texts that make its repetitions fail as late as possible."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import signal
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import server

# Its tests read the code, and run little of it.
pytestmark = pytest.mark.no_cover

_CODES = importlib.import_module("re._constants")
_PARSER = importlib.import_module("re._parser")

# Names, titles and texts are shorter. Answers of providers, which are bytes, are longer.
TEXT_CHARS = 1_000
BODY_BYTES = 50_000
# A pattern without a stall needs a few milliseconds. One with two nested repetitions would need hours.
CPU_S_MAX = 0.5
_FUNCTIONS = ("compile", "fullmatch", "search", "match", "sub", "split", "findall", "finditer")
# Who has neither has no pattern, and need not be parsed.
_MAY_HAVE = re.compile(r"\bre\.|\bpattern=")
_OF_CATEGORY = {"DIGIT": "1", "NOT_DIGIT": "a", "SPACE": " ", "NOT_SPACE": "a", "WORD": "a", "NOT_WORD": "-"}


def patterns() -> dict[str | bytes, int]:
    """Every pattern in the server's files and in its modules' names, with its flags."""
    found: dict[str | bytes, int] = {}
    folder = Path(server.__file__).parent
    for path in folder.rglob("*.py"):
        text = path.read_text()
        if _MAY_HAVE.search(text):
            for node in ast.walk(ast.parse(text)):
                found |= dict.fromkeys(_written_in(node), 0)
    for info in pkgutil.walk_packages([str(folder)], "server."):
        if not info.name.endswith("__main__"):
            for value in vars(importlib.import_module(info.name)).values():
                if isinstance(value, re.Pattern):
                    found[value.pattern] = value.flags & ~re.UNICODE
    return found


def _written_in(node: ast.AST) -> Iterator[str | bytes]:
    if not isinstance(node, ast.Call):
        return
    written: list[ast.expr] = [word.value for word in node.keywords if word.arg == "pattern"]
    if isinstance(node.func, ast.Attribute) and node.func.attr in _FUNCTIONS and ast.unparse(node.func.value) == "re":
        written += node.args[:1]
    for value in written:
        if isinstance(value, ast.Constant) and isinstance(value.value, str | bytes):
            yield value.value


def example(items: Any) -> str:
    """A text that a parsed pattern matches, or nearly: it does not look at assertions."""
    return "".join(_example_of(code, value) for code, value in items)


def _example_of(code: Any, value: Any) -> str:
    if code is _CODES.LITERAL:
        return chr(value)
    if code is _CODES.NOT_LITERAL or code is _CODES.ANY:
        return "a"
    if code is _CODES.IN:
        return _example_of_set(value)
    if code in (_CODES.MAX_REPEAT, _CODES.MIN_REPEAT):
        times: int = max(value[0], 1)
        return example(value[2]) * times
    if code is _CODES.SUBPATTERN:
        return example(value[3])
    return example(value[1][0]) if code is _CODES.BRANCH else ""


def _example_of_set(members: Sequence[tuple[Any, Any]]) -> str:
    code, value = members[0]
    if code is _CODES.NEGATE:
        return next(sign for sign in "a 1-~" if not re.match(_set_pattern(members[1:]), sign))
    if code is _CODES.RANGE:
        return chr(value[0])
    return _OF_CATEGORY[str(value).removeprefix("CATEGORY_")] if code is _CODES.CATEGORY else chr(value)


def _set_pattern(members: Sequence[tuple[Any, Any]]) -> str:
    names = {"CATEGORY_SPACE": r"\s", "CATEGORY_WORD": r"\w", "CATEGORY_DIGIT": r"\d"}
    parts = [names[str(value)] if code is _CODES.CATEGORY
             else f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}" if code is _CODES.RANGE
             else re.escape(chr(value)) for code, value in members]  # fmt: skip
    return f"[{''.join(parts)}]"


def leaves(items: Any) -> Iterator[str]:
    """A text for each part of a parsed pattern that has no parts."""
    for code, value in items:
        if code is _CODES.BRANCH:
            for branch in value[1]:
                yield from leaves(branch)
        elif code in (_CODES.MAX_REPEAT, _CODES.MIN_REPEAT):
            yield from leaves(value[2])
        elif code is _CODES.SUBPATTERN:
            yield from leaves(value[3])
        else:
            yield _example_of(code, value)


def attacks(items: Any, before: str, chars: int) -> Iterator[str]:
    """For each repetition in a parsed pattern: what comes before it, its body again and again, and an end that does not fit."""
    for code, value in items:
        if code in (_CODES.MAX_REPEAT, _CODES.MIN_REPEAT):
            for body in {example(value[2]), *leaves(value[2])} - {""} if value[1] > 1 else ():
                pumped = body * (chars // len(body))
                yield from (before + pumped + end for end in ("", "\0", "\n\0"))
            yield from attacks(value[2], before, chars)
        elif code is _CODES.SUBPATTERN:
            yield from attacks(value[3], before, chars)
        elif code is _CODES.BRANCH:
            for branch in value[1]:
                yield from attacks(branch, before, chars)
        before += _example_of(code, value)


class Stalled(Exception):
    """The time of the process is over."""


def _stop(_number: int, _frame: types.FrameType | None) -> None:
    raise Stalled


def stalls(pattern: str | bytes, flags: int = 0, cpu_s_max: float = CPU_S_MAX) -> str:
    """The first attack that a pattern does not answer in time, shortened; empty: none."""
    compiled: re.Pattern[Any] = re.compile(pattern, flags)
    chars = BODY_BYTES if isinstance(pattern, bytes) else TEXT_CHARS
    parsed = _PARSER.parse(pattern if isinstance(pattern, str) else pattern.decode(), flags)
    before = signal.signal(signal.SIGVTALRM, _stop)
    try:
        for attack in attacks(parsed, "", chars):
            text: Any = attack if isinstance(pattern, str) else attack.encode()
            signal.setitimer(signal.ITIMER_VIRTUAL, cpu_s_max)
            try:
                compiled.sub(text[:0], text)
            except Stalled:
                return f"{attack[:30]!r}…{attack[-5:]!r}"
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    finally:
        signal.signal(signal.SIGVTALRM, before)
    return ""


def test_no_pattern_can_be_stalled() -> None:
    """Patterns of the server's modules, and those in its calls of `re` and its declarations of fields."""
    found = patterns()
    assert len(found) > 80
    assert {pattern: attack for pattern, flags in found.items() if (attack := stalls(pattern, flags))} == {}


@pytest.mark.parametrize("pattern", [r"^(a+)+$", r"(\w+\s?)*!", r"^(?:ab|abab)*$", r"\d*\d*\d*\d*\d*z"])
def test_a_stall_is_found(pattern: str) -> None:
    """Patterns that are known to stall."""
    assert stalls(pattern, cpu_s_max=0.1)
