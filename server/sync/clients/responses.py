"""Responses of a provider over HTTP: reading, decoding, and what a failed one means. Pure, apart from `read_body`."""

from __future__ import annotations

import datetime as dt
import email.utils
from collections.abc import Callable
from typing import Literal, NamedTuple, TypeVar, cast

import httpx
import msgspec

BODY_BYTES_MAX = 5 * 1024 * 1024
# The wait when a provider limits us and gives no time: setlist.fm answers again after 2 s.
BUSY_S = 2.0

Result = TypeVar("Result")


class Response(NamedTuple):
    """A response over HTTP."""

    path: str
    status: int
    headers: httpx.Headers
    body: bytes

    def sent_at(self) -> dt.datetime | None:
        """When it was sent, by the provider's clock; None: unknown."""
        return http_date(self.headers.get("Date", ""))


class Failure(NamedTuple):
    """What a failed response means, and the reason for people.

    busy:      another attempt may succeed; counts as a failure of the provider
    wait:      we asked too often; no node asks for wait_s
    key:       the provider does not accept our key; no node asks for a while
    withdrawn: this app may not use this endpoint
    refused:   the request was wrong
    """

    kind: Literal["busy", "wait", "key", "withdrawn", "refused"]
    reason: str
    wait_s: float | None = None


# Recognises a provider's own failures; None: the response has no special meaning.
ClassifyFailure = Callable[[Response], Failure | None]


class BodyTooLarge(Exception):
    """A body with more than BODY_BYTES_MAX bytes."""


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
        return Failure("key", f"refused us with {status}; check the key (docs/providers.md)")
    if status != httpx.codes.OK:
        text = " ".join(redact(response.body[:300].decode("utf-8", "replace")).split())
        return Failure("refused", f"refused the request with {status}" + (f": {text}" if text else ""))
    try:
        decode(response.body, into)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # HTML pages and truncated bodies come with status 200 too; they must not be cached.
        return Failure("busy", f"sent a response that cannot be read: {str(error)[:120]}")
    return None


def decode(body: bytes | None, into: type[Result]) -> Result | None:
    """Decodes a body. Unknown fields are ignored; numbers may be strings.

    Takes:  into, the type of the JSON, or str for plain text; body, None: the provider has no such thing
    Raises: msgspec.DecodeError, UnicodeDecodeError: it does not have that type
    """
    if body is None:
        return None
    if into is not str:
        return msgspec.json.decode(body, type=into, strict=False)
    text = body.decode()
    if text.lstrip().startswith("<"):
        raise msgspec.DecodeError("a page of HTML instead of plain text")
    return cast("Result", text)


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
    """The wait in Retry-After, as seconds or a date (RFC 9110, section 10.2.3); None: absent or not readable."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    until = http_date(value)
    # Both instants are by the provider's clock when it sends Date: our clock may differ.
    return None if until is None else max(0.0, (until - (response.sent_at() or now)).total_seconds())


def http_date(text: str) -> dt.datetime | None:
    """Parses a date of HTTP; None: not readable."""
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return at.replace(tzinfo=at.tzinfo or dt.UTC)
