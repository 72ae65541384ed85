"""Ticketmaster Discovery v2."""

from __future__ import annotations

import datetime as dt
import re
import time
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from tests.support.providers.service import Handler, Rate, Service
from tests.support.providers.world import Artist, Event, Venue, World

KEY = "ticket-key"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Ticketmaster(Service):
    """Ticketmaster of a world."""

    def __init__(self, world: World) -> None:
        super().__init__("ticketmaster", Rate(5, 1.0, 5_000), self._over_limit)
        self.world = world

    def routes(self) -> list[web.RouteDef]:
        """The endpoints under /discovery/v2."""
        base = "/discovery/v2"
        handlers: dict[str, Handler] = {
            "/events.json": self._events,
            "/attractions.json": self._attractions,
            "/venues.json": self._venues,
            r"/events/{id:[^/.]+}.json": self._event,
            r"/attractions/{id:[^/.]+}.json": self._attraction,
            r"/venues/{id:[^/.]+}.json": self._venue,
        }
        return [web.get(base + path, self.wrapped(handler)) for path, handler in handlers.items()]

    def _over_limit(self, which: str) -> web.Response:
        code = "QuotaViolation" if which == "day" else "SpikeArrestViolation"
        text = f"Rate limit quota violation. Quota limit  exceeded. Identifier : {KEY}"
        return _fault(429, text, f"policies.ratelimit.{code}")

    def _refused(self, request: web.Request) -> web.Response | None:
        if self.is_revoked or request.query.get("apikey") != KEY:
            return _fault(401, "Invalid ApiKey", "oauth.v2.InvalidApiKey")
        size, page = int(request.query.get("size", "20")), int(request.query.get("page", "0"))
        if size > 200:
            self.violations.append(f"ticketmaster: size {size}")
            return _errors(400, "DIS1036", "page size should be less than 200")
        if size * page >= 1000:
            self.violations.append(f"ticketmaster: page {page} of {size}")
            return _errors(400, "DIS1035", "max paging depth exceeded")
        for name in ("startDateTime", "endDateTime"):
            if name in request.query and not INSTANT.fullmatch(request.query[name]):
                self.violations.append(f"ticketmaster: {name} {request.query[name]}")
                return _errors(400, "DIS1015", f"{name} is not a valid date")
        return None

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request)) is not None:
            return refused
        query = request.query
        only_undated = query.get("includeTBA") == "only"
        if query.get("includeTBD") == "only":
            return self._page("events", [], request)
        found = [
            event
            for event in self.world.events
            if (event.date is None) == only_undated
            and ("attractionId" not in query or query["attractionId"] in [one.attraction_id for one in event.artists])
            and ("venueId" not in query or query["venueId"] == event.venue.ticketmaster_id)
            and ("keyword" not in query or set(query["keyword"].lower().split()) & set(event.name.lower().split()))
            and ("city" not in query or query["city"] == event.venue.city)
            and (event.date is None or "startDateTime" not in query or _utc(event) >= query["startDateTime"])
            and (event.date is None or "endDateTime" not in query or _utc(event) <= query["endDateTime"])
        ]
        return self._page("events", [event_json(event) for event in sorted(found, key=lambda one: one.id)], request)

    async def _event(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request)) is not None:
            return refused
        found = [event for event in self.world.events if event.id == request.match_info["id"]]
        if not found or (found[0].date is None and "includeTBA" not in request.query):
            return _errors(404, "DIS1004", "Resource not found with provided criteria (locale=*)")
        return self._with_headers(event_json(found[0]))

    async def _attractions(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request)) is not None:
            return refused
        words = set(request.query.get("keyword", "").lower().split())
        known = [one for one in self.world.artists if one.attraction_id is not None]
        found = [attraction_json(one) for one in known if words & set(one.name.lower().split())]
        wanted = request.query.get("keyword", "").lower()
        found.sort(key=lambda one: one["name"].lower() != wanted)
        tributes = [
            {"name": f"The Music of {one['name']}: A Tribute", "type": "attraction", "id": f"K8vTRB{number:05d}"}
            for number, one in enumerate(found[:1])
        ]
        return self._page("attractions", found + tributes, request)

    async def _attraction(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request)) is not None:
            return refused
        found = [one for one in self.world.artists if one.attraction_id == request.match_info["id"]]
        return self._with_headers(attraction_json(found[0])) if found else _errors(404, "DIS1004", "Resource not found")

    async def _venues(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request)) is not None:
            return refused
        words = set(request.query.get("keyword", "").lower().split())
        venues = {event.venue for event in self.world.events}
        found = [venue_json(one) for one in venues if words & set(one.name.lower().split())]
        return self._page("venues", found, request)

    async def _venue(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request)) is not None:
            return refused
        found = [event.venue for event in self.world.events if event.venue.ticketmaster_id == request.match_info["id"]]
        return self._with_headers(venue_json(found[0])) if found else _errors(404, "DIS1004", "Resource not found")

    def _page(self, what: str, items: list[Any], request: web.Request) -> web.Response:
        size, number = int(request.query.get("size", "20")), int(request.query.get("page", "0"))
        page = items[size * number : size * (number + 1)]
        info = {"size": size, "totalElements": len(items), "totalPages": -(-len(items) // size), "number": number}
        answer: dict[str, Any] = {"_links": {"self": {"href": f"/discovery/v2/{what}.json"}}, "page": info}
        # An empty search has a response without `_embedded`.
        return self._with_headers(answer | ({"_embedded": {what: page}} if page else {}))

    def _with_headers(self, answer: Any) -> web.Response:
        left = self.rate.day_max - self.day_count
        reset = str(int((time.time() + 3_600) * 1000))
        headers = {"Rate-Limit": str(self.rate.day_max), "Rate-Limit-Available": str(left), "Rate-Limit-Reset": reset}
        return web.json_response(answer, headers=headers)


def attraction_json(artist: Artist) -> dict[str, Any]:
    """An act, with links where the world has them."""
    links: dict[str, Any] = {"homepage": [{"url": f"https://band{artist.number}.example"}]}
    if artist.is_linked_at_ticketmaster:
        links["musicbrainz"] = [{"id": artist.mbid, "url": f"https://musicbrainz.org/artist/{artist.mbid}"}]
    if artist.is_linked_to_spotify_there:
        links["spotify"] = [{"url": f"https://open.spotify.com/artist/{artist.spotify_ids[0]}?autoplay=true"}]
    return {
        "name": artist.name, "type": "attraction", "id": artist.attraction_id, "externalLinks": links,
        "url": f"https://www.ticketmaster.com/artist/{763468 + artist.number}",
        "classifications": [{"primary": True, "segment": {"id": "KZFzniwnSyZfZ7v7nJ", "name": "Music"}}],
    }  # fmt: skip


def venue_json(venue: Venue) -> dict[str, Any]:
    """A venue; its coordinates are strings, and its city has stray spaces."""
    state = {"name": venue.state} | ({"stateCode": venue.state_code} if venue.state_code else {})
    return {
        "name": venue.name, "type": "venue", "id": venue.ticketmaster_id, "timezone": venue.time_zone,
        "url": f"https://www.ticketmaster.com/venue/{venue.number}", "city": {"name": f"{venue.city} "}, "state": state,
        "country": {"name": venue.country_name, "countryCode": venue.country},
        "location": {"latitude": str(venue.latitude), "longitude": str(venue.longitude)}, "dmas": [{"id": 1}],
    }  # fmt: skip


def event_json(event: Event) -> dict[str, Any]:
    """A listing."""
    start: dict[str, Any] = {
        "dateTBD": False,
        "dateTBA": event.date is None,
        "timeTBA": event.time is None,
        "noSpecificTime": False,
    }
    if event.date is not None:
        start["localDate"] = str(event.date)
        if event.time is not None:
            start |= {"localTime": f"{event.time:%H:%M:%S}", "dateTime": _utc(event)}
    dates: dict[str, Any] = {"start": start, "status": {"code": event.status}, "spanMultipleDays": False}
    if event.has_zone:
        dates["timezone"] = event.venue.time_zone
    if event.first_date is not None:
        dates["initialStartDate"] = {"localDate": str(event.first_date), "localTime": "20:00:00"}
    venue = venue_json(event.venue)
    if event.is_resale:
        venue |= {"id": f"Z6r9j{event.venue.number:05d}", "name": event.venue.name_at_setlistfm}
    acts = [{"name": name, "type": "attraction", "id": f"K8vPKG{len(name):05d}"} for name in event.packages]
    acts += [attraction_json(one) for one in event.artists if one.attraction_id is not None]
    return {
        "name": event.name, "type": "event", "id": f"Z7r9jZ{event.id}" if event.is_resale else event.id, "test": event.test,
        "url": f"https://www.ticketmaster.com/event/{event.id}", "locale": "en-us", "dates": dates,
        "sales": {"public": {"startDateTime": "1900-01-01T06:00:00Z", "startTBD": False}},
        "_embedded": {"venues": [venue]} | ({"attractions": acts} if acts else {}),
    }  # fmt: skip


def _utc(event: Event) -> str:
    assert event.date is not None
    at = dt.datetime.combine(event.date, event.time or dt.time(12), ZoneInfo(event.venue.time_zone))
    return f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _fault(status: int, text: str, code: str) -> web.Response:
    return web.json_response({"fault": {"faultstring": text, "detail": {"errorcode": code}}}, status=status)


def _errors(status: int, code: str, detail: str) -> web.Response:
    link = {"about": {"href": f"/discovery/v2/errors.html#{code}"}}
    return web.json_response(
        {"errors": [{"code": code, "detail": detail, "status": str(status), "_links": link}]}, status=status
    )
