"""setlist.fm 1.0."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.support.providers.service import Rate, Service
from tests.support.providers.world import Artist, Played, World

KEY = "setlist-key"
PAGE = 20
ARTISTS_PAGE = 30


class SetlistFm(Service):
    """setlist.fm of a world."""

    def __init__(self, world: World) -> None:
        super().__init__("setlistfm", Rate(2, 1.0, 1_440), lambda _: _gateway(429, "Too Many Requests"))
        self.world = world

    def routes(self) -> list[web.RouteDef]:
        """The endpoints under /rest/1.0."""
        base = "/rest/1.0"
        handlers = {
            "/search/artists": self._search_artists,
            "/search/setlists": self._search_setlists,
            "/search/countries": self._search_countries,
            "/artist/{mbid}/setlists": self._artist_setlists,
            "/artist/{mbid}": self._artist,
            "/venue/{venue}/setlists": self._venue_setlists,
            "/setlist/{setlist}": self._setlist,
        }
        return [web.get(base + path, self.wrapped(handler)) for path, handler in handlers.items()]

    def _refused(self, request: web.Request) -> web.Response | None:
        if self.is_revoked or request.headers.get("x-api-key") != KEY:
            return _gateway(403, "Forbidden")
        if request.headers.get("Accept") != "application/json":
            self.violations.append("setlistfm: no Accept: application/json")
            return web.Response(text="<?xml version='1.0'?><setlists/>", content_type="application/xml")
        return None

    async def _search_artists(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request)) is not None:
            return refused
        words = set(request.query.get("artistName", "").lower().split())
        found = [artist for artist in self.world.artists if words & set(artist.name.lower().split())]
        by_relevance = request.query.get("sort") == "relevance"
        wanted = request.query.get("artistName", "").lower()
        found.sort(key=lambda artist: (by_relevance and artist.name.lower() != wanted, artist.name))
        return _page("artists", "artist", [artist_json(one) for one in found], request, ARTISTS_PAGE)

    async def _search_countries(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request)) is not None:
            return refused
        return _page("countries", "country", [{"code": "US", "name": "United States"}], request, 250)

    async def _artist(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request)) is not None:
            return refused
        found = [one for one in self.world.artists if one.mbid == request.match_info["mbid"]]
        return web.json_response(artist_json(found[0])) if found else _missing("unknown mbid")

    async def _artist_setlists(self, request: web.Request) -> web.StreamResponse:
        mbid = request.match_info["mbid"]
        return self._setlists(request, [one for one in self.world.played if one.artist.mbid == mbid])

    async def _venue_setlists(self, request: web.Request) -> web.StreamResponse:
        venue = request.match_info["venue"]
        return self._setlists(request, [one for one in self.world.played if one.venue.setlistfm_id == venue])

    async def _search_setlists(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        found = [
            one
            for one in self.world.played
            if query.get("artistMbid") in (None, one.artist.mbid)
            and query.get("date") in (None, f"{one.date:%d-%m-%Y}")
            and query.get("venueId") in (None, one.venue.setlistfm_id)
            and query.get("cityName") in (None, one.venue.city)
            and query.get("year") in (None, str(one.date.year))
        ]
        return self._setlists(request, found)

    async def _setlist(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request)) is not None:
            return refused
        found = [one for one in self.world.played if one.id == request.match_info["setlist"]]
        return web.json_response(setlist_json(found[0])) if found else _missing("unknown setlist")

    def _setlists(self, request: web.Request, found: list[Played]) -> web.Response:
        if (refused := self._refused(request)) is not None:
            return refused
        # The newest first, coming ones included.
        found = sorted(found, key=lambda one: (one.date, one.id), reverse=True)
        return _page("setlists", "setlist", [setlist_json(one) for one in found], request, PAGE)


def artist_json(artist: Artist) -> dict[str, Any]:
    """An artist."""
    return {
        "mbid": artist.mbid, "name": artist.name, "sortName": artist.name, "disambiguation": "",
        "url": f"https://www.setlist.fm/setlists/artist-{artist.number:x}.html",
    }  # fmt: skip


def setlist_json(one: Played) -> dict[str, Any]:
    """A setlist; its sets are one level deeper than the published schema says."""
    venue = one.venue
    city = {
        "id": str(5_000_000 + venue.number), "name": venue.city, "state": venue.state, "stateCode": venue.state_code or "07",
        # The centre of the city.
        "coords": {"lat": round(venue.latitude + 0.03, 4), "long": round(venue.longitude - 0.04, 4)},
        "country": {"code": venue.country, "name": venue.country_name},
    }  # fmt: skip
    place: dict[str, Any] = {
        "id": venue.setlistfm_id, "name": venue.name_at_setlistfm,
        "url": f"https://www.setlist.fm/venue/{venue.setlistfm_id}.html",
    }  # fmt: skip
    if one.has_city:
        place["city"] = city
    else:
        place["name"] += f", {venue.city}, {venue.country_name}"
    found = {
        "id": one.id, "versionId": f"g{0x2B4F0000 + one.version:x}", "eventDate": f"{one.date:%d-%m-%Y}",
        "lastUpdated": f"2026-09-07T15:32:{one.version:02d}.848+0000", "artist": artist_json(one.artist), "venue": place,
        "sets": {"set": one.sets or []}, "url": f"https://www.setlist.fm/setlist/artist/2026/{one.id}.html",
    }  # fmt: skip
    return found | ({"tour": {"name": one.tour}} if one.tour else {})


def _page(kind: str, key: str, items: list[Any], request: web.Request, size: int) -> web.Response:
    number = int(request.query.get("p", "1"))
    page = items[(number - 1) * size : number * size]
    if not page:
        return _missing("not found")
    return web.json_response({"type": kind, "itemsPerPage": size, "page": number, "total": len(items), key: page})


def _missing(message: str) -> web.Response:
    said = {"code": 404, "status": "Not Found", "message": message, "timestamp": "2026-11-25T12:00:00.817+0000"}
    return web.json_response(said, status=404)


def _gateway(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)
