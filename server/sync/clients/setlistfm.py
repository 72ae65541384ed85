"""setlist.fm 1.0: what was played where (https://api.setlist.fm/docs/1.0/index.html). Needs a key; 1,440 questions a day."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from server.cache.gates import Quota
from server.sync.clients.provider import Provider, ProviderContext, open_provider

SERVICE = "setlistfm"
# 2 a second and 1,440 a day for an ordinary key; under both, because our questions do not arrive as evenly as they are sent.
QUOTA = Quota(count_max=1, period_s=0.7, day_max=1_400)
ARTIST_TTL_S = 7 * 86_400.0
SETLISTS_TTL_S = 6 * 3_600.0
SETLIST_TTL_S = 900.0
# What their old answers say where newer ones leave the tour out.
NO_TOUR = "No Tour Assigned"

Result = TypeVar("Result")


class Country(msgspec.Struct, frozen=True):
    """A country, with its ISO 3166 code."""

    code: str = ""
    name: str = ""


class Coords(msgspec.Struct, frozen=True):
    """The middle of a city, not the venue [degrees]."""

    lat: float | None = None
    long: float | None = None


class City(msgspec.Struct, frozen=True):
    """A city; its id is GeoNames'."""

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


class Artist(msgspec.Struct, frozen=True, rename={"sort_name": "sortName"}):
    """An artist, by MusicBrainz id."""

    mbid: str
    name: str = ""
    sort_name: str = ""
    disambiguation: str = ""
    url: str = ""


class Song(msgspec.Struct, frozen=True, rename={"guest": "with"}):
    """A song in a set. Without a name nobody knows which; `cover` is whose it is; `tape` was not performed."""

    name: str = ""
    info: str = ""
    cover: Artist | None = None
    guest: Artist | None = None
    tape: bool = False


class Set(msgspec.Struct, frozen=True):
    """One set; encores have a number."""

    song: Sequence[Song] = ()
    name: str = ""
    encore: int | None = None


class Sets(msgspec.Struct, frozen=True):
    """The sets are one level deeper than their schema says."""

    set: Sequence[Set] = ()


class Tour(msgspec.Struct, frozen=True):
    """A tour."""

    name: str = ""


class Setlist(
    msgspec.Struct,
    frozen=True,
    rename={"version_id": "versionId", "event_date": "eventDate", "last_updated": "lastUpdated"},
):
    """One act's concert. No sets: nobody wrote them down yet, or it is still to come."""

    id: str
    version_id: str = ""
    event_date: str = ""  # dd-MM-yyyy
    last_updated: str = ""
    artist: Artist | None = None
    venue: Venue | None = None
    tour: Tour | None = None
    sets: Sets = Sets()
    info: str = ""
    url: str = ""

    @property
    def date(self) -> dt.date | None:
        """The day at the venue; None: it cannot be read."""
        try:
            return dt.datetime.strptime(self.event_date, "%d-%m-%Y").date()  # noqa: DTZ007  a day has no zone
        except ValueError:
            return None

    @property
    def tour_name(self) -> str | None:
        """The tour; None: a concert of its own."""
        return None if self.tour is None or self.tour.name in ("", NO_TOUR) else self.tour.name


class Page(msgspec.Struct, frozen=True, rename={"items_per_page": "itemsPerPage"}):
    """Setlists, newest first, those still to come included."""

    total: int = 0
    page: int = 1
    items_per_page: int = 20
    setlist: Sequence[Setlist] = ()

    @property
    def is_last(self) -> bool:
        """Whether nothing comes after it."""
        return not self.setlist or self.page * self.items_per_page >= self.total


class _Artists(msgspec.Struct, frozen=True):
    artist: Sequence[Artist] = ()


class SetlistFmClient:
    """Takes: provider, set up for setlist.fm. All methods raise ProviderError and StoreUnavailable."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    async def search_artists(self, name: str) -> Sequence[Artist]:
        """Artists of about that name, the likeliest first. Sorted by name, as it is by itself, the real one can be anywhere."""
        params = {"artistName": name, "sort": "relevance", "p": "1"}
        found = await self._get("/search/artists", params, _Artists, kind="artist-search", ttl_s=ARTIST_TTL_S)
        return () if found is None else found.artist

    async def search_setlists(
        self,
        *,
        mbid: str | None = None,
        day: dt.date | None = None,
        venue_id: str | None = None,
        city: str | None = None,
        year: int | None = None,
        changed_since: dt.datetime | None = None,
        page: int = 1,
    ) -> Page:
        """Setlists that all of what is given fits."""
        given = {
            "artistMbid": mbid,
            "date": day and f"{day:%d-%m-%Y}",
            "venueId": venue_id,
            "cityName": city,
            "year": year and str(year),
            "lastUpdated": changed_since and f"{changed_since.astimezone(dt.UTC):%Y%m%d%H%M%S}",
        }
        params = {name: value for name, value in given.items() if value}
        return await self._page("/search/setlists", params, page, ttl_s=SETLIST_TTL_S)

    async def fetch_artist_setlists(self, mbid: str, page: int = 1) -> Page:
        """What an artist played and will play; empty: nothing is known."""
        return await self._page(f"/artist/{mbid}/setlists", {}, page, ttl_s=SETLISTS_TTL_S)

    async def fetch_venue_setlists(self, venue_id: str, page: int = 1) -> Page:
        """What was and will be played at a venue; empty: nothing is known."""
        return await self._page(f"/venue/{venue_id}/setlists", {}, page, ttl_s=SETLISTS_TTL_S)

    async def fetch_setlist(self, setlist_id: str) -> Setlist | None:
        """One setlist as it stands now; None: there is none."""
        return await self._get(f"/setlist/{setlist_id}", {}, Setlist, kind="setlist", ttl_s=SETLIST_TTL_S)

    async def drop_cached_setlist(self, setlist_id: str) -> None:
        """Drops the cached copy of a setlist that is known to have changed."""
        await self.provider.drop_cached(f"/rest/1.0/setlist/{setlist_id}")

    async def _page(self, path: str, params: dict[str, str], page: int, *, ttl_s: float) -> Page:
        # Nothing found is 404, and so is a page after the last one.
        return await self._get(path, params | {"p": str(page)}, Page, kind="setlists", ttl_s=ttl_s) or Page()

    async def _get(
        self, path: str, params: dict[str, str], into: type[Result], *, kind: str, ttl_s: float
    ) -> Result | None:
        return await self.provider.get("/rest/1.0" + path, params, into, kind=kind, ttl_s=ttl_s)


@asynccontextmanager
async def open_setlistfm(link: ProviderContext, key: str) -> AsyncIterator[SetlistFmClient]:
    """A client for as long as it is needed."""
    # Without this Accept it answers in XML; without the language city names change with the weather.
    headers = {"x-api-key": key, "Accept": "application/json", "Accept-Language": "en"}
    async with open_provider(SERVICE, QUOTA, link, headers=headers, secrets=(key,)) as provider:
        yield SetlistFmClient(provider)
