"""Serves the calendars of artists and of fans, to which calendar programs subscribe."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from server.protocol.calendars import CalendarShow, CalendarWords, as_ical
from server.protocol.http.parameters import Reference, parse_reference
from server.protocol.service import SERVICE
from server.store.turns import Turns, client_of
from server.web.base_url import BaseUrl
from server.web.identity import AddressOf
from server.web.revalidation import revalidated
from server.web.static_files import StaticFiles
from server.words.show_names import name_of_show


class Calendars:
    """The routes of calendars.

    The address may name a language (`?lang=es`), as the addresses that pages give do: calendar programs rarely ask for one.

    Takes: of_artist, the name of an artist and the shows; of_token, the shows of the fan whose address has this token; turns,
           of reads; address_of, a request's address; base_url, the address that it knows of this service; files, which have
           the texts; installation, the id of the database
    """

    def __init__(
        self,
        of_artist: Callable[[Reference], Awaitable[tuple[str, list[CalendarShow]]]],
        of_token: Callable[[str], Awaitable[list[CalendarShow]]],
        turns: Turns,
        address_of: AddressOf,
        base_url: BaseUrl,
        *,
        files: StaticFiles,
        installation: str,
    ) -> None:
        self._files = files
        self._of_artist = of_artist
        self._of_token = of_token
        self._turns = turns
        self._address_of = address_of
        self._base_url = base_url
        self._installation = installation

    def routes(self) -> list[web.AbstractRouteDef]:
        """Routes for the router of the web application; before `/artists/{artist}`, which matches the first one too."""
        return [
            web.get("/artists/{artist}.ics", self.get_artist),
            web.get("/calendars/{token}.ics", self.get_fan),
        ]

    async def get_artist(self, request: web.Request) -> web.Response:
        """`GET /artists/{artist}.ics`: the shows of an artist."""
        read = partial(self._of_artist, parse_reference(request.match_info["artist"]))
        name, shows = await self._turns.read(client_of(None, self._address_of(request)), read)
        return await self._answer(request, name, shows, cache_control="no-cache")

    async def get_fan(self, request: web.Request) -> web.Response:
        """`GET /calendars/{token}.ics`: the shows of a fan, for whoever has this address."""
        read = partial(self._of_token, request.match_info["token"])
        shows = await self._turns.read(client_of(None, self._address_of(request)), read)
        return await self._answer(request, SERVICE, shows, cache_control="private, no-cache")

    async def _answer(
        self, request: web.Request, name: str, shows: list[CalendarShow], *, cache_control: str
    ) -> web.Response:
        language = self._files.words_for(request)
        words = CalendarWords(
            lambda show: name_of_show(show.name, show.artist, show.venue, language),
            lambda address: language.text("calendar-invitation", address=address),
        )
        body = await as_ical(name, shows, words, base=self._base_url(request), installation=self._installation)
        response = revalidated(request, body, "text/calendar", cache_control=cache_control)
        response.headers["Vary"] = "Accept-Encoding, Accept-Language, Cookie"
        return response
