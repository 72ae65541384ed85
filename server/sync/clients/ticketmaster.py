"""Ticketmaster Discovery v2: coming shows (https://developer.ticketmaster.com/products-and-docs/apis/discovery-api/v2/).

Every address holds the key, so no message may show an address.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from server.cache.gates import Quota
from server.sync.clients.provider import Provider, ProviderContext, open_provider
from server.sync.clients.responses import Failure, ItemByItem, Response, decode

SERVICE = "ticketmaster"
# It allows 5 a second and 5,000 a day; refused requests count too.
QUOTA = Quota(count_max=4, period_s=1.0, pace_s=0.2, day_max=4_800)
SEARCH_TTL_S = 6 * 3_600.0
EVENT_TTL_S = 3_600.0
PLACE_TTL_S = 7 * 86_400.0
# The id of everything that is music; the name would find other things too.
MUSIC_SEGMENT = "KZFzniwnSyZfZ7v7nJ"
PAGE_ITEMS = 200
# A search gives no events beyond this offset.
OFFSET_MAX = 1_000
DAY_S = 86_400.0
SEARCH_AHEAD_S = 2 * 365 * DAY_S

_SPOTIFY_ARTIST = re.compile(r"https?://open\.spotify\.com/artist/([A-Za-z0-9]{22})(?:[/?#]|$)")
_MBID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Item = TypeVar("Item")


class Named(msgspec.Struct, frozen=True):
    """Something with a name."""

    name: str = ""


class Country(msgspec.Struct, frozen=True, rename={"code": "countryCode"}):
    """A country, with its ISO 3166 code."""

    name: str = ""
    code: str = ""


class State(msgspec.Struct, frozen=True, rename={"code": "stateCode"}):
    """A state; it has a code in the US, Canada and Australia only."""

    name: str = ""
    code: str = ""


class Location(msgspec.Struct, frozen=True):
    """Coordinates in degrees; the JSON has them as strings."""

    latitude: float | None = None
    longitude: float | None = None


class Venue(msgspec.Struct, frozen=True):
    """A venue; all fields but the id may be missing."""

    id: str
    name: str = ""
    url: str = ""
    timezone: str = ""
    city: Named = Named()
    state: State = State()
    country: Country = Country()
    location: Location = Location()


class ExternalLink(msgspec.Struct, frozen=True):
    """A page or an id at another service."""

    url: str = ""
    id: str = ""


class ExternalLinks(msgspec.Struct, frozen=True):
    """The links to the services that we know."""

    musicbrainz: Sequence[ExternalLink] = ()
    spotify: Sequence[ExternalLink] = ()


class Attraction(msgspec.Struct, frozen=True, rename={"external_links": "externalLinks"}):
    """An act, or a festival or a package of tickets. Nobody checks its links to other services: they are only hints."""

    id: str
    name: str = ""
    url: str = ""
    external_links: ExternalLinks = ExternalLinks()

    @property
    def mbids(self) -> list[str]:
        """Its ids at MusicBrainz."""
        return [link.id for link in self.external_links.musicbrainz if _MBID.fullmatch(link.id)]

    @property
    def spotify_ids(self) -> list[str]:
        """Its artist ids at Spotify."""
        urls = (link.url for link in self.external_links.spotify)
        return [match[1] for url in urls if (match := _SPOTIFY_ARTIST.match(url))]


class Start(
    msgspec.Struct,
    frozen=True,
    rename={
        "local_date": "localDate",
        "local_time": "localTime",
        "is_date_unknown": "dateTBA",
        "is_time_unknown": "timeTBA",
        "is_all_day": "noSpecificTime",
    },
):
    """The start, local to the venue."""

    local_date: str = ""
    local_time: str = ""
    is_date_unknown: bool = False
    is_time_unknown: bool = False
    is_all_day: bool = False


class Status(msgspec.Struct, frozen=True):
    """The status; `offsale` does not say whether the event takes place."""

    code: str = ""


class Dates(msgspec.Struct, frozen=True, rename={"initial_start": "initialStartDate"}):
    """The dates; `initial_start` is the start before the event was moved."""

    start: Start = Start()
    initial_start: Start | None = None
    timezone: str = ""
    status: Status = Status()


class Embedded(msgspec.Struct, frozen=True):
    """The acts and the venues; both may be missing."""

    venues: Sequence[Venue] = ()
    attractions: Sequence[Attraction] = ()


class Event(msgspec.Struct, frozen=True, rename={"embedded": "_embedded"}):
    """A listing: usually a concert, sometimes a parking space beside one."""

    id: str
    name: str = ""
    url: str = ""
    test: bool = False
    dates: Dates = Dates()
    embedded: Embedded = Embedded()

    @property
    def venue(self) -> Venue | None:
        """The venue; None: unknown."""
        return self.embedded.venues[0] if self.embedded.venues else None

    @property
    def date(self) -> dt.date | None:
        """The local day; None: not known yet, or not any more."""
        return None if self.dates.start.is_date_unknown else _date(self.dates.start.local_date)

    @property
    def time(self) -> dt.time | None:
        """The local start time; None: unknown."""
        start = self.dates.start
        if start.is_time_unknown or start.is_all_day:
            return None
        try:
            return dt.time.fromisoformat(start.local_time)
        except ValueError:
            return None

    @property
    def time_zone(self) -> str:
        """The venue's time zone; many events lack theirs, venues have it. Empty: unknown."""
        return self.dates.timezone or (self.venue.timezone if self.venue else "")


class PageInfo(msgspec.Struct, frozen=True, rename={"total_elements": "totalElements", "total_pages": "totalPages"}):
    """The place of a page within a search; zero-based."""

    total_elements: int = 0
    total_pages: int = 0
    number: int = 0


class _Items(ItemByItem, frozen=True):
    events: Sequence[Event] = ()
    attractions: Sequence[Attraction] = ()


class _Found(ItemByItem, frozen=True, rename={"embedded": "_embedded"}):
    page: PageInfo | None = None
    embedded: _Items = _Items()

    def __post_init__(self) -> None:
        """Raises ValidationError: neither a page nor items. One without results has no `_embedded`."""
        if self.page is None and not (self.embedded.events or self.embedded.attractions):
            raise msgspec.ValidationError("Object missing required field `page`")


_NOTHING = _Found(page=PageInfo())


class TicketmasterClient:
    """Reads acts, venues and events from Ticketmaster. All methods raise ProviderError and StoreUnavailable.

    Takes: provider, set up for Ticketmaster
    """

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    async def search_attractions(self, name: str) -> Sequence[Attraction]:
        """Searches music acts by words of their names, the most relevant first; tribute acts and namesakes included."""
        params = {"keyword": name, "segmentId": MUSIC_SEGMENT, "size": "20"}
        _, found = await self._search("attractions", params, ttl_s=PLACE_TTL_S)
        return found.attractions

    async def fetch_event(self, event_id: str) -> Event | None:
        """Fetches a listing, also one without a date; None: deleted, or an unknown id."""
        return await self._fetch("events", event_id, Event, ttl_s=EVENT_TTL_S)

    async def fetch_venue(self, venue_id: str) -> Venue | None:
        """Fetches a venue; None: unknown id."""
        return await self._fetch("venues", venue_id, Venue, ttl_s=PLACE_TTL_S)

    async def search_events(
        self, attraction_id: str, *, start: dt.datetime | None = None, end: dt.datetime | None = None
    ) -> AsyncIterator[Sequence[Event]]:
        """Searches an act's concerts, a page at a time, ordered by id; concerts without a date are missing.

        A search with more than OFFSET_MAX events is split into two halves of its time.

        Takes: start and end, both included; when a split needs them and they are None: from now on, for two years
        """
        given = {
            "attractionId": attraction_id,
            "startDateTime": start and _instant(start),
            "endDateTime": end and _instant(end),
        }
        params = {name: value for name, value in given.items() if value}
        params |= {"segmentId": MUSIC_SEGMENT, "size": str(PAGE_ITEMS), "sort": "id,asc", "locale": "*"}
        info, found = await self._search("events", params | {"page": "0"}, ttl_s=SEARCH_TTL_S)
        if info.total_elements > OFFSET_MAX:
            start = start or self.provider.now()
            end = end or start + dt.timedelta(seconds=SEARCH_AHEAD_S)
            if end - start > dt.timedelta(hours=1):
                middle = (start + (end - start) / 2).replace(microsecond=0)
                for begin, until in ((start, middle - dt.timedelta(seconds=1)), (middle, end)):
                    async for page in self.search_events(attraction_id, start=begin, end=until):
                        yield page
                return
        yield found.events
        for number in range(1, min(info.total_pages, OFFSET_MAX // PAGE_ITEMS)):
            _, found = await self._search("events", params | {"page": str(number)}, ttl_s=SEARCH_TTL_S)
            yield found.events

    async def find_undated(self, attraction_id: str) -> list[Event]:
        """Finds an act's events that were postponed or have no date yet, which other searches never show."""
        events: dict[str, Event] = {}
        # Both in one request find nothing.
        for only in ("includeTBA", "includeTBD"):
            params = {"attractionId": attraction_id, only: "only", "size": str(PAGE_ITEMS), "locale": "*"}
            _, found = await self._search("events", params, ttl_s=SEARCH_TTL_S)
            events |= {event.id: event for event in found.events}
        return list(events.values())

    async def _search(self, what: str, params: dict[str, str], *, ttl_s: float) -> tuple[PageInfo, _Items]:
        path = f"/discovery/v2/{what}.json"
        found = await self.provider.get(path, params, _Found, kind=f"{what}-search", ttl_s=ttl_s) or _NOTHING
        return found.page or PageInfo(), found.embedded

    async def _fetch(self, what: str, external_id: str, into: type[Item], *, ttl_s: float) -> Item | None:
        path = f"/discovery/v2/{what}/{external_id}.json"
        params = {"locale": "*"} | ({"includeTBA": "yes"} if what == "events" else {})
        return await self.provider.get(path, params, into, kind=what, ttl_s=ttl_s)


@asynccontextmanager
async def open_ticketmaster(context: ProviderContext, key: str) -> AsyncIterator[TicketmasterClient]:
    """Opens a client, and closes it at the end of the block."""
    async with open_provider(
        SERVICE,
        QUOTA,
        context,
        headers={"Accept": "application/json"},
        params={"apikey": key},
        classify_failure=_classify_failure,
        secrets=(key,),
    ) as provider:
        yield TicketmasterClient(provider)


class _Detail(msgspec.Struct, frozen=True):
    errorcode: str = ""


class _Fault(msgspec.Struct, frozen=True):
    detail: _Detail = _Detail()


class _Error(msgspec.Struct, frozen=True):
    code: str = ""
    detail: str = ""


class _Errors(ItemByItem, frozen=True):
    fault: _Fault = _Fault()
    errors: Sequence[_Error] = ()


def _classify_failure(answer: Response) -> Failure | None:
    """Recognises errors of the gateway in front of the API, and of the API itself, which have two forms."""
    if answer.status < 400:
        return None
    try:
        said = decode(answer.body, _Errors, []) or _Errors()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if said.errors and answer.status != 404:
        # The text is about our request and holds no key.
        return Failure("refused", f"refused the request: {said.errors[0].code} {said.errors[0].detail}"[:200])
    code = said.fault.detail.errorcode
    if code.endswith("QuotaViolation"):
        return Failure("wait", "says that the day's requests are used up", _until_reset_s(answer))
    if code.endswith("SpikeArrestViolation"):
        return Failure("wait", "says that we ask too fast", 1.0)
    if answer.status == 401:
        return Failure("key", "does not accept our key; it needs a valid one")
    return None


def _until_reset_s(answer: Response) -> float:
    """The time until the provider's day ends, which began with our first request; an hour when it is unknown."""
    said, now = answer.headers.get("Rate-Limit-Reset", ""), answer.sent_at()
    if now is None or not said.isascii() or not said.isdigit():
        return 3_600.0
    return min(max(int(said) / 1000 - now.timestamp(), 60.0), DAY_S)


def _instant(at: dt.datetime) -> str:
    """The only form that Ticketmaster accepts: UTC, without fractions."""
    return f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _date(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None
