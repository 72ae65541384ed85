"""Decoding of query strings and bodies."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec
import pytest

from server.errors import Refused
from server.protocol.http.parameters import parse_body, parse_query
from server.protocol.positions import EXACT_MAX
from server.protocol.slugs import Slug


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


WANTED_SLUG = (
    "Give a text such as grand-hall-leeds (small Latin letters, digits and single hyphens; digits alone are an id)."
)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One field of each kind."""

    status: Literal["live", "finished"] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    radius: Annotated[float, msgspec.Meta(gt=0, le=20)] = 1.0
    on: dt.date | None = None
    at: Annotated[dt.datetime, msgspec.Meta(tz=True)] | None = None
    is_open: bool = False
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=5)] = "x"
    country: Annotated[str, msgspec.Meta(max_length=2, pattern="^[A-Z]{2}$", examples=["DE"])] = "DE"
    slug: Slug = "a"
    id: Annotated[int, msgspec.Meta(ge=1, le=EXACT_MAX)] = 1


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("status", "bogus", "`status` is 'bogus'. Give one of finished, live."),
        ("limit", "x", "`limit` is 'x'. Give an integer from 1 to 100."),
        ("radius", "0", "`radius` is '0'. Give a number above 0 and at most 20."),
        ("on", "1.2.2026", "`on` is '1.2.2026'. Give a date such as 2026-11-29."),
        ("at", "today", "`at` is 'today'. Give a time such as 2026-11-29T20:00:00Z."),
        ("is_open", "perhaps", "`is_open` is 'perhaps'. Give true or false."),
        ("name", "x" * 50, f"`name` is '{'x' * 40}'. Give a text of 1 to 5 characters."),
        ("country", "x", "`country` is 'x'. Give a text such as DE."),
        ("slug", "A B", f"`slug` is 'A B'. {WANTED_SLUG}"),
        ("slug", "2026", f"`slug` is '2026'. {WANTED_SLUG}"),
        ("id", "x", "`id` is 'x'. Give an integer from 1 to 9007199254740991."),
    ],
)
def test_a_refusal_says_what_was_found_and_what_is_wanted(name: str, value: str, sentence: str) -> None:
    """In a query string and in a body."""
    with pytest.raises(Refused) as caught:
        parse_query([(name, value)], Wanted)
    assert caught.value.message == sentence
    if name not in ("limit", "radius"):  # in a body these texts are of another type, and the value is the same
        with pytest.raises(Refused) as caught:
            parse_body(msgspec.json.encode({name: value}), Wanted)
        assert caught.value.message == sentence


@pytest.mark.parametrize("body", [b"", b" ", b'{"limit": 1'])
def test_a_body_that_ends_too_early_is_named_so(body: bytes) -> None:
    """Nothing at all, and half of an object."""
    with pytest.raises(Refused, match=r"^The JSON is empty or ends too early\.$"):
        parse_body(body, Wanted)


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"limit": {"a": 1}}'])
def test_a_body_of_another_form_is_refused_in_one_sentence(body: bytes) -> None:
    """Where no single value is wrong, the refusal names the place."""
    with pytest.raises(Refused) as caught:
        parse_body(body, Wanted)
    assert caught.value.message.endswith(".")
