"""Cursors: the places at which lists continue, opaque to clients.

A cursor holds the sort key of the last item that was sent, never an offset: items that come or go in between
neither repeat others nor hide them. It is no secret and is not signed; a made-up one only starts at another place.
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


class Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A place in a list: the sort key of an item."""


class IdPlace(Place, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A place in a list in the order of ids."""

    id: CursorId


class InstantPlace(Place, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A place in a list in the order of instants, and of ids where they are the same."""

    at_us: Microseconds
    id: CursorId


AnyPlace = TypeVar("AnyPlace", bound=Place)


def encode_cursor(place: Place) -> str:
    """A place as a cursor, safe in a URL."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(place)).rstrip(b"=").decode()


def decode_cursor(cursor: str, kind: type[AnyPlace]) -> AnyPlace:
    """The place behind a cursor.

    Raises: Refused: bad_request, the cursor is malformed or of another list
    """
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(packed, type=kind)
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError):
        raise Refused(
            Code.BAD_REQUEST, "The cursor does not belong to this list. Leave it out to begin at the first page."
        ) from None


def cut_page(rows: list[Any], limit: int, place_of: Callable[[Any], Place]) -> tuple[list[Any], str | None]:
    """A page of up to `limit` rows, and the cursor of the next page, if `rows` has one row more than that."""
    page = rows[:limit]
    return page, encode_cursor(place_of(page[-1])) if len(rows) > limit else None
