"""Cursors: where a list goes on, opaque to clients.

A cursor holds the sort key of the last item that was given, never an offset: items that come or go in between
neither repeat others nor hide them. It is no secret and is not signed; a made-up one only moves the reader.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, TypeVar

import msgspec

from server.errors import Refused
from server.protocol.codes import Code

CURSOR_CHARS_MAX = 400
ID_MAX = (1 << 63) - 1

# Every instant a PostgreSQL timestamptz and a Python datetime can both hold, with a day to spare.
_US_MIN = -62_135_510_400_000_000
_US_MAX = 253_402_214_400_000_000


class ShowPlace(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A show's place in the list: its group (0 live, 1 upcoming, 2 finished, 3 cancelled), start and id."""

    group: Annotated[int, msgspec.Meta(ge=0, le=3)]
    starts_us: Annotated[int, msgspec.Meta(ge=_US_MIN, le=_US_MAX)]
    id: Annotated[int, msgspec.Meta(ge=1, le=ID_MAX)]


class SlugPlace(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A place in a list in the order of slugs."""

    slug: Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]


Place = TypeVar("Place", ShowPlace, SlugPlace)


def encode_cursor(place: ShowPlace | SlugPlace) -> str:
    """A place as a cursor, safe in a URL."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(place)).rstrip(b"=").decode()


def decode_cursor(cursor: str, kind: type[Place]) -> Place:
    """The place behind a cursor.

    Raises: Refused: bad_request, it is none of this list's
    """
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(packed, type=kind)
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError):
        raise Refused(
            Code.BAD_REQUEST, "The cursor is not one of this list; leave it out to begin at the top."
        ) from None
