"""What the catalogue's lists are asked with."""

from __future__ import annotations

import datetime as dt
import math
import unicodedata
from typing import Annotated

import msgspec

from server.catalog.documents import EntryKind, ShowStatus
from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.http.parameters import Limit, PageQuery, ReferenceText, Search

SEARCH_WORDS_MAX = 8
SEARCH_ITEMS_DEFAULT = 10
RADIUS_KM_DEFAULT = 50.0
RADIUS_KM_MAX = 20_038.0  # half way round the globe: everything

Near = Annotated[str, msgspec.Meta(max_length=64, description="Around latitude,longitude in degrees.")]
Radius = Annotated[float, msgspec.Meta(gt=0, le=RADIUS_KM_MAX, description="How far around `near`; 50 if left out.")]
FirstDay = Annotated[dt.date, msgspec.Meta(description="The first day, where the venue is.")]
LastDay = Annotated[dt.date, msgspec.Meta(description="The last day, where the venue is.")]


class ListQuery(PageQuery, frozen=True, kw_only=True):
    """The parameters of a plain list."""

    q: Search | None = None


class NearQuery(ListQuery, frozen=True, kw_only=True):
    """The parameters of a list of what has a place on the globe."""

    near: Near | None = None
    radius_km: Radius | None = None

    def __post_init__(self) -> None:
        """Checks what one field alone cannot say.

        Raises: Refused: bad_request
        """
        if self.radius_km is not None and self.near is None:
            raise Refused(Code.BAD_REQUEST, "`radius_km` needs `near`.")


class ShowQuery(NearQuery, frozen=True, kw_only=True):
    """The parameters of the list of shows."""

    status: ShowStatus | None = None
    artist: ReferenceText | None = None
    venue: ReferenceText | None = None
    first: FirstDay | None = msgspec.field(name="from", default=None)
    last: LastDay | None = msgspec.field(name="to", default=None)

    def __post_init__(self) -> None:
        """Checks what one field alone cannot say.

        Raises: Refused: bad_request
        """
        NearQuery.__post_init__(self)
        if self.first and self.last and self.first > self.last:
            raise Refused(Code.BAD_REQUEST, "`from` is after `to`.")


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of a search in everything; `limit` is how many of each kind are given at most."""

    q: Annotated[Search, msgspec.Meta(min_length=1)]
    kind: EntryKind | None = None
    limit: Limit = SEARCH_ITEMS_DEFAULT


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


def check_word_count(q: str) -> None:
    """Counts the words of a search, roughly as the database will see them: `AC/DC` is two, `don't` is one.

    Raises: Refused: bad_request, more than SEARCH_WORDS_MAX words
    """
    whole = q.translate(dict.fromkeys(map(ord, "'’‘`´")))
    # Letters, numbers and the marks on them: a mark is part of its word, also where it has no letter of its own.
    words = "".join(char if unicodedata.category(char)[0] in "LNM" else " " for char in whole).split()
    if len(words) > SEARCH_WORDS_MAX:
        raise Refused(Code.BAD_REQUEST, f"`q` has more than {SEARCH_WORDS_MAX} words.")
