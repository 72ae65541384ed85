"""HTTP of the catalogue. Handlers raise `Refused` and `StoreUnavailable`; app turns them into problems."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import orjson
from aiohttp import ETag, web

from server.catalog.instants import from_ms
from server.catalog.listings import fetch_artist, fetch_venue, list_artists, list_venues
from server.catalog.parameters import ListQuery, ShowQuery, parse_query
from server.catalog.shows import fetch_show, list_shows
from server.clock import Clock
from server.store.database import Database


class CatalogRoutes:
    """The catalogue's handlers, for one database."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """What app adds to its router."""
        return [
            web.get("/api/shows", self.get_shows),
            web.get("/api/shows/{show}", self.get_show),
            web.get("/api/artists", self.get_artists),
            web.get("/api/artists/{artist}", self.get_artist),
            web.get("/api/venues", self.get_venues),
            web.get("/api/venues/{venue}", self.get_venue),
        ]

    async def get_shows(self, request: web.Request) -> web.Response:
        """`GET /api/shows`."""
        query = parse_query(request.query.items(), ShowQuery)
        return _answer(request, await list_shows(self._db, query, now=self._now()))

    async def get_show(self, request: web.Request) -> web.Response:
        """`GET /api/shows/{show}`."""
        return _answer(request, await fetch_show(self._db, request.match_info["show"], now=self._now()))

    async def get_artists(self, request: web.Request) -> web.Response:
        """`GET /api/artists`."""
        return _answer(request, await list_artists(self._db, parse_query(request.query.items(), ListQuery)))

    async def get_artist(self, request: web.Request) -> web.Response:
        """`GET /api/artists/{artist}`."""
        return _answer(request, await fetch_artist(self._db, request.match_info["artist"], now=self._now()))

    async def get_venues(self, request: web.Request) -> web.Response:
        """`GET /api/venues`."""
        return _answer(request, await list_venues(self._db, parse_query(request.query.items(), ListQuery)))

    async def get_venue(self, request: web.Request) -> web.Response:
        """`GET /api/venues/{venue}`."""
        return _answer(request, await fetch_venue(self._db, request.match_info["venue"], now=self._now()))

    def _now(self) -> datetime:
        return from_ms(self._clock.now_ms())


def routes(db: Database, clock: Clock) -> list[web.RouteDef]:
    """The routes of the catalogue."""
    return CatalogRoutes(db, clock).routes()


def _answer(request: web.Request, document: dict[str, Any]) -> web.Response:
    body = orjson.dumps(document)
    etag = ETag(hashlib.blake2b(body, digest_size=12).hexdigest(), is_weak=True)
    headers = {"Cache-Control": "no-cache"}
    held = request.if_none_match or ()
    if any(tag.value in (etag.value, "*") for tag in held):
        response = web.Response(status=304, headers=headers)
    else:
        response = web.Response(body=body, content_type="application/json", headers=headers)
    response.etag = etag
    return response
