"""HTTP of the catalogue."""

from __future__ import annotations

from datetime import datetime

from server.catalog.listings import fetch_artist, fetch_venue, list_artists, list_venues
from server.catalog.parameters import ListQuery, ShowQuery
from server.catalog.shows import fetch_show, list_shows
from server.clock import Clock
from server.protocol.codes import Code
from server.protocol.endpoints import Answer, Call, Endpoint
from server.protocol.instants import from_ms
from server.store.database import Database


class CatalogRoutes:
    """The catalogue's handlers, for one database."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def endpoints(self) -> list[Endpoint]:
        """What app serves."""
        missing = (Code.NOT_FOUND,)
        return [
            Endpoint(
                method="GET", path="/api/shows", handler=self.get_shows, query=ShowQuery, answer=dict,
                summary="Shows: live, then upcoming, then finished, then cancelled.",
            ),
            Endpoint(
                method="GET", path="/api/shows/{show}", handler=self.get_show, answer=dict, codes=missing,
                summary="One show with its setlists, songs, tallies and voting window.",
            ),
            Endpoint(
                method="GET", path="/api/artists", handler=self.get_artists, query=ListQuery, answer=dict,
                summary="Artists by slug.",
            ),
            Endpoint(
                method="GET", path="/api/artists/{artist}", handler=self.get_artist, answer=dict, codes=missing,
                summary="One artist with the next shows.",
            ),
            Endpoint(
                method="GET", path="/api/venues", handler=self.get_venues, query=ListQuery, answer=dict,
                summary="Venues by slug.",
            ),
            Endpoint(
                method="GET", path="/api/venues/{venue}", handler=self.get_venue, answer=dict, codes=missing,
                summary="One venue with its next shows.",
            ),
        ]  # fmt: skip

    async def get_shows(self, call: Call) -> Answer:
        """`GET /api/shows`."""
        return _answer(await list_shows(self._db, call.query, now=self._now()))

    async def get_show(self, call: Call) -> Answer:
        """`GET /api/shows/{show}`."""
        return _answer(await fetch_show(self._db, call.reference("show"), now=self._now()))

    async def get_artists(self, call: Call) -> Answer:
        """`GET /api/artists`."""
        return _answer(await list_artists(self._db, call.query))

    async def get_artist(self, call: Call) -> Answer:
        """`GET /api/artists/{artist}`."""
        return _answer(await fetch_artist(self._db, call.reference("artist"), now=self._now()))

    async def get_venues(self, call: Call) -> Answer:
        """`GET /api/venues`."""
        return _answer(await list_venues(self._db, call.query))

    async def get_venue(self, call: Call) -> Answer:
        """`GET /api/venues/{venue}`."""
        return _answer(await fetch_venue(self._db, call.reference("venue"), now=self._now()))

    def _now(self) -> datetime:
        return from_ms(self._clock.now_ms())


def _answer(document: object) -> Answer:
    return Answer(document=document, is_revalidated=True)
