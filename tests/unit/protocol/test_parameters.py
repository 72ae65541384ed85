"""Decoding of query strings."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from server.errors import Refused
from server.protocol.http.parameters import parse_query


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """One optional parameter of each kind."""

    text: str | None = None
    count: int | None = None
    share: float | None = None
    kind: Literal["a", "b"] | None = None
    first: int | None = msgspec.field(name="from", default=None)


def test_parameters_are_decoded() -> None:
    """Texts unchanged, numbers as numbers; an empty one counts as left out, an unknown one is ignored."""
    pairs = [("text", "null"), ("count", "7"), ("share", "0.5"), ("kind", "b"), ("from", ""), ("unknown", "\x00")]
    assert parse_query(pairs, Query) == Query(text="null", count=7, share=0.5, kind="b")


@pytest.mark.parametrize("name", ["count", "share", "kind", "from"])
@pytest.mark.parametrize("word", ["null", "NULL"])
def test_null_is_refused(name: str, word: str) -> None:
    """The word null is neither a number nor a choice."""
    with pytest.raises(Refused) as refused:
        parse_query([(name, word)], Query)
    assert refused.value.code == "bad_request"
    assert f"`{name}`" in refused.value.message


@pytest.mark.parametrize(
    ("name", "value"), [("count", "1.5"), ("count", "٣"), ("share", "x"), ("kind", "c"), ("text", "a\x00")]
)
def test_bad_values_are_refused(name: str, value: str) -> None:
    """With the name of the parameter."""
    with pytest.raises(Refused) as refused:
        parse_query([(name, value)], Query)
    assert refused.value.code == "bad_request"
    assert name in refused.value.message


def test_a_parameter_is_given_once() -> None:
    """A second value is refused."""
    with pytest.raises(Refused, match="twice"):
        parse_query([("count", "1"), ("count", "1")], Query)
