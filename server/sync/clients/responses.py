"""Responses of a provider over HTTP: reading, decoding, and what a failed one means. Pure, apart from `read_body`.

Items of a list are decoded one by one. A faulty item is left out and named; it is no failure of the provider.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import functools
import html
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, NamedTuple, TypeVar, cast, get_args, get_origin

import httpx
import msgspec

BODY_BYTES_MAX = 5 * 1024 * 1024
# The wait when a provider limits us and gives no time: setlist.fm answers again after 2 s.
BUSY_S = 2.0
# No provider keeps us away for longer, whatever it says.
WAIT_S_MAX = 86_400.0

# An entity of HTML in a text: some services give `Simon &amp; Garfunkel`, escaped once or twice.
_ENTITY = re.compile(rb"&(?:amp;)*(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

Result = TypeVar("Result")

# The fields of a type. To work them out takes longer than to decode an item.
_fields_of = functools.cache(msgspec.structs.fields)


class Response(NamedTuple):
    """A response over HTTP."""

    path: str
    status: int
    headers: httpx.Headers
    body: bytes

    def sent_at(self) -> dt.datetime | None:
        """When it was sent, by the provider's clock; None: unknown."""
        return http_date(self.headers.get("Date", ""))


class ItemFault(NamedTuple):
    """An item of a service that cannot be decoded: its kind, its name such as `setlist 63de4613`, and the reason."""

    kind: str
    item: str
    reason: str


class Failure(NamedTuple):
    """What a failed response means, and the reason for people.

    busy:       another attempt may succeed; counts as a failure of the provider
    wait:       we asked too often; no node asks for wait_s
    key:        the provider does not accept our key; no node asks for a while
    withdrawn:  this app may not use this endpoint
    refused:    the request was wrong
    malformed:  the JSON around the items is not what we know; another attempt may succeed, and the provider works
    unreadable: the one item that was asked for is faulty; another attempt cannot succeed, and the provider works
    """

    kind: Literal["busy", "wait", "key", "withdrawn", "refused", "malformed", "unreadable"]
    reason: str
    wait_s: float | None = None
    fault: ItemFault | None = None


# Recognises a provider's own failures; None: the response has no special meaning.
ClassifyFailure = Callable[[Response], Failure | None]


class BodyTooLarge(Exception):
    """A body with more than BODY_BYTES_MAX bytes."""


class ItemByItem(msgspec.Struct, frozen=True):
    """A part of a response whose lists are decoded item by item.

    A faulty item is left out. A faulty optional field has its default. Each is an ItemFault.
    """


# The faults that the running job has met, with the service of each; None: nobody collects them.
MET_FAULTS: ContextVar[dict[tuple[str, ItemFault], None] | None] = ContextVar("met_faults", default=None)


@contextmanager
def collect_faults() -> Iterator[dict[tuple[str, ItemFault], None]]:
    """Collects the faults of items in all responses that are read within the block, each once, with its service."""
    met: dict[tuple[str, ItemFault], None] = {}
    token = MET_FAULTS.set(met)
    try:
        yield met
    finally:
        MET_FAULTS.reset(token)


def classify_response(
    response: Response, into: type[Result], *, has_etag: bool, now: dt.datetime, redact: Callable[[str], str]
) -> Failure | None:
    """The failure that a response stands for, by the rules of HTTP; None: it is good.

    Takes: into, the type of its JSON; has_etag, whether the request allowed 304; now, for dates in Retry-After;
           redact, removes keys from a text
    """
    status = response.status
    if status == httpx.codes.NOT_FOUND or (status == httpx.codes.NOT_MODIFIED and has_etag):
        return None
    wait_s = retry_after_s(response, now)
    if status == httpx.codes.TOO_MANY_REQUESTS or (status == httpx.codes.SERVICE_UNAVAILABLE and wait_s):
        return Failure("wait", f"answered {status}", wait_s if wait_s is not None else BUSY_S)
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return Failure("busy", f"answered {status}")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return Failure("key", f"refused us with {status}; check our key")
    if status != httpx.codes.OK:
        text = " ".join(redact(response.body[:300].decode("utf-8", "replace")).split())
        return Failure("refused", f"refused the request with {status}" + (f": {text}" if text else ""))
    faults: list[ItemFault] = []
    try:
        decode(response.body, into, faults)
    except msgspec.ValidationError as error:
        reason = f"sent a response that cannot be read: {error}"[:300]
        # A fault here is the one item that was asked for; without one, nothing is known of the items.
        return Failure("unreadable", reason, fault=faults[0]) if faults else Failure("malformed", reason)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # HTML pages and truncated bodies come with status 200 too; they must not be cached.
        return Failure("busy", f"sent a response that cannot be read: {str(error)[:120]}")
    return None


def decode(body: bytes | None, into: type[Result], faults: list[ItemFault]) -> Result | None:
    """Decodes a body. Unknown fields are ignored, null is the default of a field that has one, numbers may be strings.

    Takes:  into, the type of the JSON, or str for plain text; body, None: the provider has no such thing; faults, to
            which the faults of items are added
    Raises: msgspec.ValidationError: it is JSON of another form; the message names the item that was asked for
            msgspec.DecodeError, UnicodeDecodeError: it is no JSON, or no text
    """
    if body is None:
        return None
    if into is str:
        text = body.decode()
        if text.lstrip().startswith("<"):
            raise msgspec.DecodeError("a page of HTML instead of plain text")
        return cast("Result", text)
    body = _ENTITY.sub(_unescaped, body)
    if b"\\u0000" not in body:
        try:
            return msgspec.json.decode(body, type=into, strict=False)
        except msgspec.ValidationError:
            # One field does not fit: find out which, and keep the others.
            pass
    given = msgspec.json.decode(body)
    name = _name_of(given, into)
    try:
        return cast("Result", _decode_part(given, into, name, faults))
    except msgspec.ValidationError as error:
        if {"id", "mbid"} & set(getattr(into, "__struct_encode_fields__", ())):
            faults[:] = [ItemFault(_kind_of(into), name, str(error))]
            raise msgspec.ValidationError(f"{name}: {error}") from None
        faults.clear()
        raise


def _decode_parts(given: Any, into: type[ItemByItem], name: str, faults: list[ItemFault]) -> ItemByItem:
    """Decodes the fields one by one; raises ValidationError when a field without a default is faulty."""
    if not isinstance(given, dict):
        raise msgspec.ValidationError(f"Expected `object`, got `{type(given).__name__}`")
    fields: dict[str, Any] = {}
    for field in _fields_of(into):
        value = given.get(field.encode_name)
        if value is None:
            if field.required:
                raise msgspec.ValidationError(f"Object missing required field `{field.encode_name}`")
            continue
        try:
            fields[field.name] = _decode_part(value, field.type, name, faults)
        except msgspec.ValidationError as error:
            if field.required:
                raise msgspec.ValidationError(f"`{field.encode_name}`: {error}") from None
            faults.append(ItemFault(_kind_of(into), name, f"`{field.encode_name}`: {error}"))
    return into(**fields)


def _decode_part(given: Any, kind: Any, name: str, faults: list[ItemFault]) -> Any:
    """Decodes one field: a list of items, a part with such lists, or a plain value."""
    if isinstance(kind, type) and issubclass(kind, ItemByItem):
        return _decode_parts(given, kind, name, faults)
    item = get_args(kind)[0] if get_origin(kind) is Sequence else None
    if not (isinstance(item, type) and issubclass(item, msgspec.Struct)):
        return msgspec.convert(_cleaned(given), kind, strict=False)
    if not isinstance(given, list):
        raise msgspec.ValidationError(f"Expected `array`, got `{type(given).__name__}`")
    items: list[Any] = []
    for number, one in enumerate(given):
        name_of_one = _name_of(one, item, number)
        try:
            if issubclass(item, ItemByItem):
                items.append(_decode_parts(one, item, name_of_one, faults))
            else:
                items.append(msgspec.convert(_cleaned(one), item, strict=False))
        except msgspec.ValidationError as error:
            faults.append(ItemFault(_kind_of(item), name_of_one, str(error)))
    return items


def _cleaned(given: Any) -> Any:
    """The value without null fields, which mean the default, and without NUL, which PostgreSQL cannot store."""
    if isinstance(given, dict):
        return {key: _cleaned(value) for key, value in given.items() if value is not None}
    if isinstance(given, list):
        return [_cleaned(value) for value in given]
    return given.replace("\0", "") if isinstance(given, str) else given


def _kind_of(into: Any) -> str:
    return getattr(into, "__name__", str(into)).strip("_").lower()


def _name_of(given: Any, into: Any, number: int | None = None) -> str:
    """The name of an item for people: its kind, and its id or else its number in the list."""
    found = (given.get("id") or given.get("mbid")) if isinstance(given, dict) else None
    if isinstance(found, str | int):
        return f"{_kind_of(into)} {str(found)[:60]}"
    return _kind_of(into) if number is None else f"{_kind_of(into)} number {number + 1} of the list"


def _unescaped(entity: re.Match[bytes]) -> bytes:
    """The character of an entity, as it stands in JSON."""
    plain = re.sub("^&(amp;)+(?=[#A-Za-z])", "&", entity[0].decode())
    return msgspec.json.encode(html.unescape(plain))[1:-1]


async def read_body(response: httpx.Response) -> bytes:
    """Reads a whole body.

    Raises: BodyTooLarge
    """
    parts, size = [], 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise BodyTooLarge
        parts.append(part)
    return b"".join(parts)


def retry_after_s(response: Response, now: dt.datetime) -> float | None:
    """The wait in Retry-After, as seconds or a date (RFC 9110, section 10.2.3), at most WAIT_S_MAX; None: absent or not readable."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), WAIT_S_MAX)
    until = http_date(value)
    # Both instants are by the provider's clock when it sends Date: our clock may differ.
    if until is None:
        return None
    return min(max(0.0, (until - (response.sent_at() or now)).total_seconds()), WAIT_S_MAX)


def http_date(text: str) -> dt.datetime | None:
    """Parses a date of HTTP; None: not readable."""
    try:
        at = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a year or a zone beyond what fits
        return None
    return at.replace(tzinfo=at.tzinfo or dt.UTC)
