"""What the catalogue's lists are asked with."""

from __future__ import annotations

import datetime as dt
import math
from typing import Annotated, Literal

import msgspec

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.parameters import PageQuery, ReferenceText, Search

SEARCH_WORDS_MAX = 8
RADIUS_KM_DEFAULT = 50.0
RADIUS_KM_MAX = 20_038.0  # half way round the globe: everything


class ListQuery(PageQuery, frozen=True, kw_only=True):
    """The parameters of a plain list."""

    q: Search | None = None


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
