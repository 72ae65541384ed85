"""Reads a JSON file as lists of records, each with its line, and finds a field or a list that is there twice."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from server.errors import SetupError

_SPACE = re.compile(r"[ \t\n\r]*")


class Item(NamedTuple):
    """One item of a list: the list's name, the item's line, its value; or the reason why it cannot be read."""

    list_name: str
    line: int
    value: Any
    refusal: str | None = None


class _Twice(ValueError):
    """A field of one object is there twice."""


def read_lists(name: str, text: str) -> Iterator[Item]:
    """The items of an object of lists, in the order of the file. One item is in memory at a time.

    Takes:  name of the file
    Raises: SetupError: not JSON, not an object of lists, or one list is there twice
    """
    return _Reader(name, text).items()


class _Reader:
    """Walks through the outer object and its lists; the items are parsed by the standard library."""

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = name, text
        self._at, self._line, self._counted = 0, 1, 0
        self._decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)

    def items(self) -> Iterator[Item]:
        self._require("{", "an object of lists")
        seen: dict[str, int] = {}
        while not self._take("}"):
            if seen:
                self._require(",", "a comma")
            line = self._here()
            if not self._text.startswith('"', self._at):
                raise self._broken("the name of a list")
            list_name = self._value()
            if list_name in seen:
                raise SetupError(
                    f"{self._name}: the list `{list_name}` is there twice, in lines {seen[list_name]} and {line}:"
                    " put their items into one list"
                )
            seen[list_name] = line
            self._require(":", "a colon")
            self._require("[", f"a list of {list_name}")
            yield from self._list(list_name)
        if self._at < len(self._text):
            raise self._broken("the end of the file")

    def _list(self, list_name: str) -> Iterator[Item]:
        is_first = True
        while not self._take("]"):
            if not is_first:
                self._require(",", "a comma")
            is_first = False
            line, start = self._here(), self._at
            try:
                yield Item(list_name, line, self._value())
            except _Twice as error:
                self._at = start
                self._value(json.JSONDecoder())
                yield Item(list_name, line, None, str(error))

    def _value(self, decoder: json.JSONDecoder | None = None) -> Any:
        try:
            value, self._at = (decoder or self._decoder).raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            raise SetupError(f"{self._name}: line {error.lineno}: {error.msg}") from error
        except RecursionError as error:
            raise SetupError(f"{self._name}: line {self._here()}: lists and objects are nested too deeply") from error
        except _Twice:
            raise
        except ValueError as error:
            # A number of thousands of digits, or NaN.
            raise SetupError(f"{self._name}: line {self._here()}: {error}") from error
        self._skip_space()
        return value

    def _take(self, sign: str) -> bool:
        self._skip_space()
        if not self._text.startswith(sign, self._at):
            return False
        self._at += 1
        self._skip_space()
        return True

    def _require(self, sign: str, wanted: str) -> None:
        if not self._take(sign):
            raise self._broken(wanted)

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        assert match is not None
        self._at = match.end()

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _broken(self, wanted: str) -> SetupError:
        found = self._text[self._at : self._at + 1]
        return SetupError(
            f"{self._name}: line {self._here()}: " + (f"`{found}`" if found else "the end of the file")
            + f" stands where {wanted} is expected"
        )  # fmt: skip


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    given = dict(pairs)
    if len(given) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Twice(f"the field `{twice}` is there twice; keep one of them")
    return given


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no number")
