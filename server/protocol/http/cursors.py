"""Cursors: the point from which the next page of a list continues, opaque to clients.

A cursor holds the sort key of the last item of a page, never an offset. So when items are added or deleted meanwhile, no other
item is repeated or left out. It is no secret and is not signed: an invented cursor only changes which page the reader gets.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec

from server.errors import Refused
from server.protocol.codes import Code

CURSOR_CHARS_MAX = 400
ID_MAX = (1 << 63) - 1

# Every instant that a PostgreSQL timestamptz and a Python datetime can both hold, with a day to spare.
Microseconds = Annotated[int, msgspec.Meta(ge=-62_135_510_400_000_000, le=253_402_214_400_000_000)]
CursorId = Annotated[int, msgspec.Meta(ge=1, le=ID_MAX)]


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The sort key of an item in a list."""


class IdCursor(Cursor, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The sort key in a list ordered by id."""

    id: CursorId


class InstantCursor(Cursor, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The sort key in a list ordered by instant, then by id."""

    at_us: Microseconds
    id: CursorId


AnyCursor = TypeVar("AnyCursor", bound=Cursor)


def encode_cursor(cursor: Cursor) -> str:
    """The text of a cursor, safe in a URL."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).rstrip(b"=").decode()


def decode_cursor(text: str, kind: type[AnyCursor]) -> AnyCursor:
    """The cursor in a text.

    Raises: Refused: bad_request, the cursor is malformed or belongs to another list
    """
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(packed, type=kind)
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError):
        raise Refused(
            Code.BAD_REQUEST, "The cursor does not belong to this list. Leave it out to begin at the first page."
        ) from None


def cut_page(rows: list[Any], limit: int, cursor_of: Callable[[Any], Cursor]) -> tuple[list[Any], str | None]:
    """A page of up to `limit` rows, and the cursor of the next page, if `rows` has one row more than that."""
    page = rows[:limit]
    return page, encode_cursor(cursor_of(page[-1])) if len(rows) > limit else None
