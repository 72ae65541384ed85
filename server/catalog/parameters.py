"""What comes in query strings and paths, decoded and checked before SQL sees it."""

from __future__ import annotations

import datetime as dt
import math
import unicodedata
from collections.abc import Iterable
from typing import Annotated, Literal, TypeVar

import msgspec

from server.catalog.cursor import CURSOR_CHARS_MAX, ID_MAX
from server.errors import Refused
from server.protocol.codes import Code

PAGE_DEFAULT = 20
PAGE_MAX = 100
SEARCH_CHARS_MAX = 100
SEARCH_WORDS_MAX = 8
REFERENCE_CHARS_MAX = 300
RADIUS_KM_DEFAULT = 50.0
RADIUS_KM_MAX = 20_038.0  # half way round the globe: everything

Limit = Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)]
Search = Annotated[str, msgspec.Meta(max_length=SEARCH_CHARS_MAX)]
ReferenceText = Annotated[str, msgspec.Meta(max_length=REFERENCE_CHARS_MAX)]
CursorText = Annotated[str, msgspec.Meta(max_length=CURSOR_CHARS_MAX)]


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of a plain list."""

    q: Search | None = None
    limit: Limit = PAGE_DEFAULT
    cursor: CursorText | None = None


class ShowQuery(ListQuery, frozen=True, kw_only=True):
    """The parameters of the list of shows."""

    status: Literal["upcoming", "live", "finished", "cancelled"] | None = None
    artist: ReferenceText | None = None
    venue: ReferenceText | None = None
    near: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    radius_km: Annotated[float, msgspec.Meta(gt=0, le=RADIUS_KM_MAX)] | None = None
    first: dt.date | None = msgspec.field(name="from", default=None)
    last: dt.date | None = msgspec.field(name="to", default=None)

    def __post_init__(self) -> None:
        """Checks what one field alone cannot say.

        Raises: Refused: bad_request
        """
        if self.first and self.last and self.first > self.last:
            raise Refused(Code.BAD_REQUEST, "`from` is after `to`.")
        if self.radius_km is not None and self.near is None:
            raise Refused(Code.BAD_REQUEST, "`radius_km` needs `near`.")


Query = TypeVar("Query", bound=ListQuery)


class Reference(msgspec.Struct, frozen=True):
    """An artist, venue or show as a client names it: by id, or by slug."""

    id: int | None
    slug: str | None


def parse_query(pairs: Iterable[tuple[str, str]], kind: type[Query]) -> Query:
    """The parameters of a query string; an empty one counts as left out, unknown ones are ignored.

    Raises: Refused: bad_request, naming the parameter
    """
    given: dict[str, str] = {}
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    for name, value in pairs:
        if name not in known or not value:
            continue
        if name in given:
            raise Refused(Code.BAD_REQUEST, f"`{name}` is given twice.")
        _refuse_unprintable(value, name)
        given[name] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        # "Expected `int` <= 100 - at `$.limit`": the rule and the place; at most one short value is quoted.
        raise Refused(Code.BAD_REQUEST, f"{str(error).replace('$.', '')[:200]}.") from None


def parse_reference(text: str) -> Reference:
    """An id or a slug. What can be neither names nothing: it gives a reference that no row matches.

    All digits is an id, so that a slug can never hide one.
    """
    if text.isascii() and text.isdigit():
        number = int(text) if len(text) <= len(str(ID_MAX)) else ID_MAX + 1
        return Reference(number if number <= ID_MAX else 0, None)
    well_formed = len(text) <= REFERENCE_CHARS_MAX and text.isascii() and text.isprintable()
    return Reference(None, text if well_formed else "")


def parse_near(text: str) -> tuple[float, float]:
    """`lat,lon` in degrees.

    Raises: Refused: bad_request, not two numbers or not on the globe
    """
    latitude, comma, longitude = text.partition(",")
    try:
        place = float(latitude), float(longitude)
    except ValueError:
        comma = ""
        place = (math.nan, math.nan)
    if not comma:
        raise Refused(Code.BAD_REQUEST, "`near` is latitude,longitude in degrees, such as 40.75,-73.99.")
    if not (-90 <= place[0] <= 90 and -180 <= place[1] <= 180):
        raise Refused(Code.BAD_REQUEST, "`near` is not on the globe: latitude is -90..90, longitude -180..180.")
    return place


def search_patterns(q: str | None) -> list[str]:
    r"""One ILIKE pattern a word, wildcards taken literally: `50%` becomes `%50\%%`.

    Raises: Refused: bad_request, more than SEARCH_WORDS_MAX words
    """
    words = (q or "").split()
    if len(words) > SEARCH_WORDS_MAX:
        raise Refused(Code.BAD_REQUEST, f"`q` has more than {SEARCH_WORDS_MAX} words.")
    table = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})
    return [f"%{word.translate(table)}%" for word in words]


def _refuse_unprintable(value: str, name: str) -> None:
    # NUL cannot be stored, a lone surrogate cannot be encoded: both would surface as a fault of ours.
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in value):
        raise Refused(Code.BAD_REQUEST, f"`{name}` holds a control character.")
