"""Decodes and checks query strings, paths and bodies, before a handler sees them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, TypeVar

import msgspec

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.http.cursors import CURSOR_CHARS_MAX, ID_MAX
from server.protocol.messages import sentence_of
from server.protocol.positions import EXACT_MAX
from server.protocol.texts import clean_text, clean_texts

PAGE_DEFAULT = 20
PAGE_MAX = 100
SEARCH_CHARS_MAX = 100
REFERENCE_CHARS_MAX = 300

_FIELD = re.compile(r" - at `\$\.(\w+)`$")
_SHOWN_CHARS_MAX = 40

Limit = Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX, description="Items a page.")]
Search = Annotated[str, msgspec.Meta(max_length=SEARCH_CHARS_MAX, description="Words to search for.")]
ReferenceText = Annotated[str, msgspec.Meta(max_length=REFERENCE_CHARS_MAX, description="An id or a slug.")]
Revision = Annotated[
    int,
    msgspec.Meta(
        ge=0, le=EXACT_MAX, description="The revision that was read; after another change the act is refused."
    ),
]
CursorText = Annotated[
    str, msgspec.Meta(max_length=CURSOR_CHARS_MAX, description="The place to continue at: a page's `next`.")
]


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of every list."""

    limit: Limit = PAGE_DEFAULT
    cursor: CursorText | None = None


class PreviewQuery(msgspec.Struct, frozen=True):
    """`preview`: answer as if the act were done, and change nothing."""

    preview: bool = False


Query = TypeVar("Query", bound=msgspec.Struct)


class Reference(msgspec.Struct, frozen=True):
    """An id or a slug, by which a client names an artist, venue or show."""

    id: int | None
    slug: str | None


def parse_query(pairs: Iterable[tuple[str, str]], kind: type[Query]) -> Query:
    """Decodes the parameters of a query string. An empty value counts as left out; unknown parameters are ignored.

    Raises: Refused: bad_request, naming the parameter
    """
    given: dict[str, str] = {}
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    for name, value in pairs:
        if name not in known or not value:
            continue
        if name in given:
            raise Refused(Code.BAD_REQUEST, f"`{name}` is given twice. Give it once.")
        _refuse_unprintable(value, name)
        given[name] = unicodedata.normalize("NFC", value)
    try:
        query = msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(Code.BAD_REQUEST, _sentence(error, kind, given)) from None
    for field in msgspec.structs.fields(kind):
        # msgspec takes the word null as None for a number; a query string has no null.
        if field.encode_name in given and getattr(query, field.name) is None:
            raise Refused(Code.BAD_REQUEST, f"`{field.encode_name}` is null. Leave it out or give it a value.")
    return query


def parse_body(data: bytes, kind: Any) -> Any:
    """Decodes a JSON body of the type `kind`. Its texts may have line breaks and tabs, and no other control characters.

    Texts are cleaned (`clean_text`) before their rules are checked, so a name of spaces is empty.

    Raises: Refused: bad_request, naming the place
    """
    try:
        body = _decode(data, kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(Code.BAD_REQUEST, _sentence(error, kind, _decoded(data))) from None
    for name, text in _texts(body, ""):
        _refuse_unprintable(text, name, allowed="\n\r\t")
    return body


def parse_reference(text: str) -> Reference:
    """Parses an id or a slug. A text that is neither gives a reference that matches no row.

    A text of digits is always an id, so that a slug can never hide one.
    """
    if text.isascii() and text.isdigit():
        number = int(text) if len(text) <= len(str(ID_MAX)) else ID_MAX + 1
        return Reference(number if number <= ID_MAX else 0, None)
    well_formed = len(text) <= REFERENCE_CHARS_MAX and text.isascii() and text.isprintable()
    return Reference(None, text if well_formed else "")


def _decode(data: bytes, kind: Any) -> Any:
    """Decodes a body, a second time only when one of its texts is not clean or breaks a rule."""
    try:
        body = msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError:
        pass
    else:
        if all(text == clean_text(text) for _, text in _texts(body, "")):
            return body
    return msgspec.convert(clean_texts(msgspec.json.decode(data)), kind, str_keys=True)


def _texts(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(value):
            yield from _texts(getattr(value, field.name), field.encode_name)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, name)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key, name)
            yield from _texts(item, name)


def _decoded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _sentence(error: Exception, kind: Any, given: Any) -> str:
    """What was found at a field, and what is wanted there; where it is deeper, msgspec's words.

    Takes: error, "Expected `int` <= 100 - at `$.limit`"; kind, the wanted type; given, the decoded object
    """
    if (found := _FIELD.search(str(error))) and isinstance(given, dict) and found[1] in given:
        name, value = found[1], given[found[1]]
        wanted = _wanted(kind, name)
        if wanted and isinstance(value, str | int | float | bool | None):
            shown = (
                msgspec.json.encode(value).decode() if not isinstance(value, str) else repr(value[:_SHOWN_CHARS_MAX])
            )
            return f"`{name}` is {shown}. Give {wanted}."
    return sentence_of(error).replace("$.", "")


def _wanted(kind: Any, name: str) -> str | None:
    """What a field takes, in words. None: it has no short description."""
    [schema], components = msgspec.json.schema_components([kind], ref_template="{name}")
    field = components.get(schema.get("$ref", ""), schema).get("properties", {}).get(name, {})
    options = [components.get(option.get("$ref", ""), option) for option in field.get("anyOf", [field])]
    wanted = [words for option in options if (words := _wanted_of(option)) is not None]
    return " or ".join(wanted) or None


def _wanted_of(schema: dict[str, Any]) -> str | None:
    words: str | None = None
    match schema:
        case {"enum": [*values]}:
            words = "one of " + ", ".join(map(str, values)) if len(values) > 1 else str(values[0])
        case {"format": "date"}:
            words = "a date such as 2026-11-29"
        case {"format": "date-time"}:
            words = "a time such as 2026-11-29T20:00:00Z"
        case {"type": "boolean"}:
            words = "true or false"
        case {"type": "integer" | "number" as word}:
            words = " ".join(["an integer" if word == "integer" else "a number", *_bounds(schema)])
        case {"type": "string", "pattern": str(), "examples": [example, *_]}:
            rule = schema.get("description", "").rstrip(".")
            words = f"a text such as {example}" + (f" ({rule[:1].lower()}{rule[1:]})" if rule else "")
        case {"type": "string", "minLength": shortest, "maxLength": longest}:
            words = f"a text of {shortest} to {longest} characters"
        case {"type": "string", "maxLength": longest}:
            words = f"a text of at most {longest} characters"
        case {"type": "string"}:
            words = "a text"
    return words


def _bounds(schema: dict[str, Any]) -> Iterator[str]:
    words = {"exclusiveMinimum": "above", "minimum": "from", "maximum": "to", "exclusiveMaximum": "below"}
    if "minimum" not in schema:
        words["maximum"] = "and at most" if "exclusiveMinimum" in schema else "of at most"
    for name, word in words.items():
        if name in schema:
            bound = schema[name]
            yield f"{word} {bound if isinstance(bound, int) else format(bound, '.15g')}"


def _refuse_unprintable(value: str, name: str, *, allowed: str = "") -> None:
    # NUL cannot be stored, and a lone surrogate cannot be encoded: both would be answered as faults of the server.
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in allowed for char in value):
        raise Refused(Code.BAD_REQUEST, f"`{name}` has a control character. Remove it.")
