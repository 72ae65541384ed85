"""Serves the pages about one thing: a show, an artist, a venue, a song; and the page with the list of shows.

One file, index.html, draws all of them. The server puts the head of the subject into it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from aiohttp import web

from server.catalog.brands import Brand, KnownBrands
from server.errors import CacheError, Refused, StoreError
from server.protocol.codes import Code
from server.protocol.http.endpoints import Call, Handler
from server.web.base_url import BaseUrl
from server.web.brands import branded, service_of
from server.web.first_songs import with_first_songs
from server.web.heads import (
    SUBJECTS,
    Head,
    Subject,
    head_of_artist,
    head_of_home,
    head_of_show,
    head_of_song,
    head_of_venue,
    with_document,
    with_head,
)
from server.web.identity import AddressOf, Identify
from server.web.pages import CONTENT_SECURITY_POLICY, html_page
from server.web.static_files import StaticFiles
from server.words.texts import Language

_HEADS: Mapping[Subject, Callable[[Any, str, Language], Head]] = {
    "show": head_of_show,
    "artist": head_of_artist,
    "venue": head_of_venue,
    "song": head_of_song,
}

_SCRIPT = re.compile(r'<script type="module" src="([^"]+/)app\.js">')
# The list is a script of its own, so that shows need not load it. The first page asks for both at once.
_WITH_LIST = r'<link rel="modulepreload" href="\1list-view.js">\n  \g<0>'


class SubjectPages:
    """The routes of these pages.

    Takes: files, of the pages; handlers, of `GET /api/shows/{show}`, `GET /api/artists/{artist}` and so on; identify, finds the
           identity behind a request; address_of, its address; base_url, the address that it knows of this service;
           known_brands, the brands
    """

    def __init__(
        self,
        files: StaticFiles,
        handlers: Mapping[Subject, Handler],
        identify: Identify,
        address_of: AddressOf,
        base_url: BaseUrl,
        *,
        known_brands: KnownBrands,
    ) -> None:
        self._files = files
        self._handlers = handlers
        self._identify = identify
        self._address_of = address_of
        self._base_url = base_url
        self._known_brands = known_brands

    def routes(self) -> list[web.AbstractRouteDef]:
        """Routes for the router of the web application."""
        routes: list[web.AbstractRouteDef] = [web.get("/", self.get_home)]
        for subject in SUBJECTS:
            path = f"/{subject}s/{{{subject}}}"
            routes += [
                web.get(path, partial(self.get_subject, subject)),
                web.get(f"{path}/", self.redirect_to_subject),
            ]
        return routes

    async def get_home(self, request: web.Request) -> web.Response:
        """`GET /`: the page with the list of shows."""
        words = self._files.words_for(request)
        brand, service = self._brand_of(request)
        base = self._base_url(request)
        text = _SCRIPT.sub(_WITH_LIST, branded(self._files.page("index.html", words.tag), brand))
        return html_page(request, with_head(text, head_of_home(base, service, words), base, service))

    async def get_subject(self, subject: Subject, request: web.Request) -> web.Response:
        """`GET /shows/{show}`, …: the page; a show is in it, so that a slow phone need not ask for it once more."""
        words = self._files.words_for(request)
        plain = self._files.page("index.html", words.tag)
        brand, service = self._brand_of(request)
        base = self._base_url(request)
        try:
            identity, address = await self._identify(request), self._address_of(request)
            call = Call(path=request.match_info, identity=identity, address=address)
            document = (await self._handlers[subject](call)).document
        except (Refused, StoreError, CacheError) as error:
            # The page asks for the document itself, says what is wrong, and tries again.
            is_unknown = isinstance(error, Refused) and error.code == Code.NOT_FOUND
            return html_page(request, branded(plain, brand), status=404 if is_unknown else 200)
        head = _HEADS[subject](document, base, words)
        if subject != "show":
            # The script asks for the document itself: nothing of it is needed before the first picture.
            return html_page(request, with_head(branded(plain, brand), head, base, service))
        styled, sources = self._files.styled_page("index.html", words.tag)
        text = with_head(branded(styled, brand), head, base, service)
        text = with_document(text, "show", document)
        response = html_page(request, with_first_songs(text, document))
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.replace(
            "style-src 'self'", " ".join(["style-src 'self'", *sources])
        )
        return response

    def _brand_of(self, request: web.Request) -> tuple[Brand | None, str]:
        """The brand of the host, and the name of the service there."""
        brand = self._known_brands.of_host(request.host)
        return brand, service_of(brand)

    async def redirect_to_subject(self, request: web.Request) -> web.Response:
        """`GET /shows/{show}/`: the same page has one address."""
        url = request.rel_url
        raise web.HTTPMovedPermanently(url.with_path(url.raw_path.rstrip("/"), encoded=True, keep_query=True))
