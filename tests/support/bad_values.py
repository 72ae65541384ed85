"""What nobody should send, made for every place of a JSON schema."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgspec

Schema = dict[str, Any]
Path = tuple[str | int, ...]

TEXTS = (
    "",
    " ",
    "x" * 60_000,
    "nul \x00 byte",
    "bell \x07 and escape \x1b[31m",
    "a lone surrogate \ud800",
    "🎸👩‍👩‍👧‍👦🇮🇸",
    "שלום \u202eevil\u202c مرحبا",
    "e\u0301" * 50,
    "'; drop table votes; --",
    "$$ begin raise exception 'x'; end $$",
    "%s %(name)s {0} ${x} \\",
    "' or 1=1 -- %",
    "<script>alert(1)</script>",
    "null",
    "../../etc/passwd",
)
INTEGERS = (0, -1, 10**9, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63), 1.5, "1", True, None)
NUMBERS = (0, -1, -91, 181, 1e308, -1e308, 1e-320, 2**64, "1.5", True, None)
# JSON has no such numbers, but a client may write them down.
NUMBER_WORDS = ("NaN", "Infinity", "-Infinity", "1e999", "nan", "inf", "0x10", "1_0", "٣", "+1", " 1")
DATES = (
    "0000-00-00", "0001-01-01", "9999-12-31", "10000-01-01", "-2026-01-01", "2026-02-30", "2026-13-01",
    "2026-11-24T00:00:00Z", "2026-11-24T25:00:00+99:99", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    "yesterday", "now", "infinity", "20261124",
)  # fmt: skip
WRONG: tuple[Any, ...] = (None, True, 1, 1.5, "x", [], {}, [[]], {"a": 1})
PLACES = ("91,0", "0,181", "-90.0001,0", "nan,nan", "inf,0", "1e400,0", "0", "0,0,0", ",", "a,b", "1;2")


def _packed(value: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(value)).rstrip(b"=").decode()


_PACKED: tuple[Any, ...] = (
    None, 1, -1, 2**63, [], [1], [0], [-1], [2**63], [2**64 - 1], ["a"], ["\x00"], ["a" * 200], [1, 1], [0, 1],
    [0, 0, 0], [0, 2**62, 1], [0, -(2**63), 1], [9, 9, 9], [1.5, 1], [float("nan"), 1], [float("inf"), 1], [None],
    [True, False], {"id": 1}, [[[]]], ["2026-11-24", 1], ["9999-99-99", 1], [b"\xff"],
)  # fmt: skip
CURSORS = ("x", "====", "%", "☃", "AAAA", "x" * 400, "x" * 401, *map(_packed, _PACKED))


def sample(schema: Schema, document: Schema) -> Any:
    """A value that the schema allows, with all that may be left out."""
    schema = _resolved(schema, document)
    for chosen in (schema.get("const"), schema.get("default"), *schema.get("enum", [])[:1]):
        if chosen is not None:
            return chosen
    if "anyOf" in schema:
        return sample(schema["anyOf"][0], document)
    kind = schema.get("type")
    if kind == "object":
        return {name: sample(inner, document) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        if "prefixItems" in schema:
            return [sample(inner, document) for inner in schema["prefixItems"]]
        return [sample(schema.get("items", {}), document)] * max(1, schema.get("minItems", 0))
    number = max(1, schema.get("minimum", 1))
    return {"integer": number, "number": number, "boolean": False, "string": _text(schema)}.get(kind or "")


def _text(schema: Schema) -> str:
    dates: dict[str, str] = {"date": "2026-11-24", "date-time": "2026-11-24T03:00:00Z"}
    length: int = max(1, schema.get("minLength", 1))
    if "pattern" in schema and "examples" in schema:
        return str(schema["examples"][0])
    return dates.get(schema.get("format", ""), "x" * length)


def bad_values(schema: Schema, document: Schema, name: str = "") -> Iterator[Any]:
    """Bad values for a place of this schema, and some that are merely unusual; some of them twice."""
    schema = _resolved(schema, document)
    for choice in schema.get("anyOf", ()):
        yield from bad_values(choice, document, name)
    if "anyOf" in schema:
        return
    if name == "near":
        yield from PLACES
    match schema.get("type"):
        case "integer":
            yield from INTEGERS
            yield from (schema[bound] + step for bound, step in (("minimum", -1), ("maximum", 1)) if bound in schema)
        case "number":
            yield from NUMBERS
        case "string":
            yield from TEXTS
            yield from DATES if "format" in schema else DATES[:1]
        case "boolean":
            yield from ("true", 0, 2, None)
        case "array":
            yield [[]] * 1_000
    if "enum" in schema:
        yield from TEXTS
    yield from WRONG


def places(schema: Schema, document: Schema, path: Path = ()) -> Iterator[tuple[Path, Schema]]:
    """Every place in a value of this schema, from the root down."""
    schema = _resolved(schema, document)
    yield path, schema
    for choice in schema.get("anyOf", ()):
        yield from ((where, inner) for where, inner in places(choice, document, path) if where != path)
    for name, inner in schema.get("properties", {}).items():
        yield from places(inner, document, (*path, name))
    for number, inner in enumerate(schema.get("prefixItems", ())):
        yield from places(inner, document, (*path, number))
    if isinstance(schema.get("items"), dict):
        yield from places(schema["items"], document, (*path, 0))


def replaced(value: Any, path: Path, other: Any) -> Any:
    """The value with something else in one place; itself where the sample has no such place."""
    if not path:
        return other
    changed = deepcopy(value)
    inner = changed
    try:
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = other
    except (KeyError, IndexError, TypeError):
        return value
    return changed


def _resolved(schema: Schema, document: Schema) -> Schema:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema
