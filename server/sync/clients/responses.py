"""What comes back from a provider: an answer over HTTP, what is wrong with one, and what is read out of it."""

from __future__ import annotations

import datetime as dt
import email.utils
from collections.abc import Callable
from typing import Literal, NamedTuple, TypeVar, cast

import httpx
import msgspec

BODY_BYTES_MAX = 5 * 1024 * 1024

Result = TypeVar("Result")


class Response(NamedTuple):
    """What came back over HTTP."""

    path: str
    status: int
    headers: httpx.Headers
    body: bytes

    def said_at(self) -> dt.datetime | None:
        """When it was given, by the provider's clock; None: not told."""
        return http_date(self.headers.get("Date", ""))


class Failure(NamedTuple):
    """What an answer that is none means.

    busy:      worth another attempt, and a failure
    wait:      we asked too much; nobody asks for wait_s
    key:       it does not know our key, or not any more; nobody asks for a while
    withdrawn: this endpoint is not for us
    refused:   the question was wrong
    """

    kind: Literal["busy", "wait", "key", "withdrawn", "refused"]
    reason: str
    wait_s: float | None = None


ClassifyFailure = Callable[[Response], Failure | None]


def decode(body: bytes | None, into: type[Result]) -> Result | None:
    """What a body says. Unknown fields are ignored; numbers may come as strings.

    Takes:  into, the type of the JSON, or str for plain text; body, None: there is no such thing
    Raises: msgspec.DecodeError, UnicodeDecodeError: it makes no sense
    """
    if body is None:
        return None
    if into is not str:
        return msgspec.json.decode(body, type=into, strict=False)
    text = body.decode()
    if text.lstrip().startswith("<"):
        raise msgspec.DecodeError("a page of HTML instead of plain text")
    return cast("Result", text)


class BodyTooLarge(Exception):
    """More than anybody should answer."""


async def read_body(response: httpx.Response) -> bytes:
    """All of a body.

    Raises: TooLong
    """
    parts, size = [], 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise BodyTooLarge
        parts.append(part)
    return b"".join(parts)


def http_date(text: str) -> dt.datetime | None:
    """An instant as HTTP writes it; None: not understood."""
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return at.replace(tzinfo=at.tzinfo or dt.UTC)
