"""Query parameters of the catalogue's lists and of its search."""

from __future__ import annotations

import datetime as dt
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
Radius = Annotated[float, msgspec.Meta(gt=0, le=RADIUS_KM_MAX, description="The distance from `near`; 50 if left out.")]
FirstDay = Annotated[dt.date, msgspec.Meta(description="The first day, by the calendar at the venue.")]
LastDay = Annotated[dt.date, msgspec.Meta(description="The last day, by the calendar at the venue.")]


class ListQuery(PageQuery, frozen=True, kw_only=True):
    """The parameters of every list: page and words."""

    q: Search | None = None


class NearQuery(ListQuery, frozen=True, kw_only=True):
    """The parameters of a list of shows or venues, which have coordinates."""

    near: Near | None = None
    radius_km: Radius | None = None

    def __post_init__(self) -> None:
        """Checks rules about several fields.

        Raises: Refused: bad_request
        """
        if self.radius_km is not None and self.near is None:
            raise Refused(Code.BAD_REQUEST, "`radius_km` is given without `near`. Add `near`, such as 40.75,-73.99.")


class ShowQuery(NearQuery, frozen=True, kw_only=True):
    """The parameters of the list of shows."""

    status: ShowStatus | None = None
    artist: ReferenceText | None = None
    venue: ReferenceText | None = None
    first: FirstDay | None = msgspec.field(name="from", default=None)
    last: LastDay | None = msgspec.field(name="to", default=None)

    def __post_init__(self) -> None:
        """Checks rules about several fields.

        Raises: Refused: bad_request
        """
        NearQuery.__post_init__(self)
        if self.first and self.last and self.first > self.last:
            message = f"`from` {self.first} is after `to` {self.last}. Give the earlier day as `from`."
            raise Refused(Code.BAD_REQUEST, message)


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of the search; `limit` is the most entries of each kind."""

    q: Annotated[Search, msgspec.Meta(min_length=1)]
    kind: EntryKind | None = None
    limit: Limit = SEARCH_ITEMS_DEFAULT


def parse_near(text: str) -> tuple[float, float]:
    """Latitude and longitude in degrees, out of `lat,lon`.

    Raises: Refused: bad_request, not two numbers or not on the globe
    """
    latitude, _, longitude = text.partition(",")
    try:
        point = float(latitude), float(longitude)
    except ValueError:
        message = f"`near` is {text!r}. Give latitude,longitude in degrees, such as 40.75,-73.99."
        raise Refused(Code.BAD_REQUEST, message) from None
    if not (-90 <= point[0] <= 90 and -180 <= point[1] <= 180):
        message = f"`near` {text!r} is not on the globe. Give a latitude of -90 to 90 and a longitude of -180 to 180."
        raise Refused(Code.BAD_REQUEST, message)
    return point


def check_word_count(q: str) -> None:
    """Checks the number of words in a search, counted roughly as the database does: `AC/DC` is two, `don't` is one.

    Raises: Refused: bad_request, more than SEARCH_WORDS_MAX words
    """
    whole = q.translate(dict.fromkeys(map(ord, "'’‘`´")))
    # Letters, numbers and marks. A mark is part of its word, even where no single character combines it with its letter.
    words = "".join(char if unicodedata.category(char)[0] in "LNM" else " " for char in whole).split()
    if len(words) > SEARCH_WORDS_MAX:
        raise Refused(Code.BAD_REQUEST, f"`q` has {len(words)} words. Use at most {SEARCH_WORDS_MAX}.")
