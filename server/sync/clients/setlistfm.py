"""setlist.fm 1.0: actual setlists (https://api.setlist.fm/docs/1.0/index.html). Needs a key; 1,440 requests a day."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from server.cache.gates import Quota
from server.sync.clients.provider import Provider, ProviderContext, open_provider
from server.sync.clients.responses import ItemByItem

SERVICE = "setlistfm"
# An ordinary key allows 2 a second and 1,440 a day; we stay below both, because the network bunches requests.
QUOTA = Quota(count_max=1, period_s=0.7, day_max=1_400)
SETLISTS_TTL_S = 6 * 3_600.0
DAY_TTL_S = 900.0
# Old responses have this text where newer ones leave the tour out.
NO_TOUR = "No Tour Assigned"


class Country(msgspec.Struct, frozen=True):
    """A country, with its ISO 3166 code."""

    code: str = ""
    name: str = ""


class Coords(msgspec.Struct, frozen=True):
    """The centre of a city, not the venue [degrees]."""

    lat: float | None = None
    long: float | None = None


class City(msgspec.Struct, frozen=True):
    """A city, as GeoNames has it."""

    name: str = ""
    state: str | None = None
    coords: Coords | None = None
    country: Country | None = None


class Venue(msgspec.Struct, frozen=True):
    """A venue; some have no city."""

    id: str
    name: str = ""
    url: str = ""
    city: City | None = None


class Artist(msgspec.Struct, frozen=True):
    """An artist, by MusicBrainz id."""

    mbid: str
    name: str = ""
    url: str = ""


class Song(msgspec.Struct, frozen=True):
    """A song in a set. An unknown song has no name; `cover` is the original artist; a `tape` was not performed."""

    name: str = ""
    info: str = ""
    cover: Artist | None = None
    tape: bool = False


class Set(msgspec.Struct, frozen=True):
    """One set; an encore has a number."""

    song: Sequence[Song] = ()
    name: str = ""
    encore: int | None = None


class Sets(msgspec.Struct, frozen=True):
    """The sets of a setlist; they are one level deeper than the published schema says."""

    set: Sequence[Set] = ()


class Tour(msgspec.Struct, frozen=True):
    """A tour."""

    name: str = ""


class Setlist(msgspec.Struct, frozen=True, rename={"version_id": "versionId", "event_date": "eventDate"}):
    """One act's concert. Without sets nobody has written them down yet, or the concert is still to come."""

    id: str
    version_id: str = ""
    event_date: str = ""  # dd-MM-yyyy
    artist: Artist | None = None
    venue: Venue | None = None
    tour: Tour | None = None
    sets: Sets = Sets()
    info: str = ""
    url: str = ""

    @property
    def date(self) -> dt.date | None:
        """The local day; None: not readable."""
        try:
            return dt.datetime.strptime(self.event_date, "%d-%m-%Y").date()  # noqa: DTZ007  a day has no zone
        except ValueError:
            return None

    @property
    def tour_name(self) -> str | None:
        """The tour's name; None: the concert belongs to no tour."""
        return None if self.tour is None or self.tour.name in ("", NO_TOUR) else self.tour.name


class Page(ItemByItem, frozen=True, rename={"items_per_page": "itemsPerPage"}):
    """A page of setlists, the newest first, coming concerts included."""

    total: int = 0
    page: int = 1
    items_per_page: int = 20
    setlist: Sequence[Setlist] = ()

    @property
    def is_last(self) -> bool:
        """Whether it is the last page."""
        return not self.setlist or self.page * self.items_per_page >= self.total


class SetlistFmClient:
    """Reads setlists from setlist.fm. All methods raise ProviderError and StoreUnavailable.

    Takes: provider, set up for setlist.fm
    """

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    async def search_setlists(self, mbid: str, day: dt.date) -> Page:
        """Searches an artist's setlists of a local day."""
        return await self._page("/search/setlists", {"artistMbid": mbid, "date": f"{day:%d-%m-%Y}"}, 1, ttl_s=DAY_TTL_S)

    async def fetch_artist_setlists(self, mbid: str, page: int = 1) -> Page:
        """Fetches an artist's past and coming concerts; an empty page: none is known."""
        return await self._page(f"/artist/{mbid}/setlists", {}, page, ttl_s=SETLISTS_TTL_S)

    async def _page(self, path: str, params: dict[str, str], page: int, *, ttl_s: float) -> Page:
        # A search without results gives 404, and so does a page after the last one.
        params = params | {"p": str(page)}
        return await self.provider.get("/rest/1.0" + path, params, Page, kind="setlists", ttl_s=ttl_s) or Page()


@asynccontextmanager
async def open_setlistfm(context: ProviderContext, key: str) -> AsyncIterator[SetlistFmClient]:
    """Opens a client, and closes it at the end of the block."""
    # Without Accept it answers in XML; without the language the names of cities vary between responses.
    headers = {"x-api-key": key, "Accept": "application/json", "Accept-Language": "en"}
    async with open_provider(SERVICE, QUOTA, context, headers=headers, secrets=(key,)) as provider:
        yield SetlistFmClient(provider)
