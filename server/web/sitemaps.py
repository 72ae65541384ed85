"""Serves the files that search engines ask for: `/robots.txt`, `/sitemap.xml` and its parts (sitemaps.org)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from xml.sax.saxutils import escape

from aiohttp import web

from server.catalog.sitemap import KINDS, Kind, ListedPage
from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.instants import iso
from server.store.turns import Turns, client_of
from server.web.base_url import BaseUrl
from server.web.identity import AddressOf
from server.web.revalidation import revalidated

_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
# Pages of one person, pages of staff, and pages that other sites show in frames. The API is not among them: a search engine that runs
# the script of a page needs it.
_NOT_LISTED = ("/admin", "/me", "/signin", "/calendars/", "/overlay/", "/embed/")


class Sitemaps:
    """The routes for search engines.

    Takes: count_parts, the number of parts of each kind; list_part, the pages of a part; turns, of reads of the catalogue;
           address_of, a request's address; base_url, the address of this service for a request
    """

    def __init__(
        self,
        count_parts: Callable[[], Awaitable[Mapping[Kind, int]]],
        list_part: Callable[[Kind, int], Awaitable[list[ListedPage]]],
        turns: Turns,
        address_of: AddressOf,
        base_url: BaseUrl,
    ) -> None:
        self._count_parts = count_parts
        self._list_part = list_part
        self._turns = turns
        self._address_of = address_of
        self._base_url = base_url

    def routes(self) -> list[web.AbstractRouteDef]:
        """Routes for the router of the web application."""
        kinds = "|".join(KINDS)
        return [
            web.get("/robots.txt", self.get_robots),
            web.get("/sitemap.xml", self.get_index),
            web.get(f"/sitemap/{{kind:{kinds}}}-{{part:[1-9][0-9]{{0,8}}}}.xml", self.get_part),
        ]

    async def get_robots(self, request: web.Request) -> web.Response:
        """`GET /robots.txt`."""
        lines = ["User-agent: *", *(f"Disallow: {path}" for path in _NOT_LISTED)]
        text = "\n".join([*lines, "", f"Sitemap: {self._base_url(request)}/sitemap.xml", ""])
        return revalidated(request, text.encode(), "text/plain")

    async def get_index(self, request: web.Request) -> web.Response:
        """`GET /sitemap.xml`: the addresses of the parts."""
        base = escape(self._base_url(request))
        counts = await self._turns.read(client_of(None, self._address_of(request)), self._count_parts)
        return _xml(
            request,
            "sitemapindex",
            (
                f"<sitemap><loc>{base}/sitemap/{kind}-{part}.xml</loc></sitemap>"
                for kind in KINDS
                for part in range(1, counts[kind] + 1)
            ),
        )

    async def get_part(self, request: web.Request) -> web.Response:
        """`GET /sitemap/{kind}-{part}.xml`: the addresses of a part's pages."""
        kind: Kind = request.match_info["kind"]  # type: ignore[assignment]  # the route admits no other
        base = escape(self._base_url(request))
        read = partial(self._list_part, kind, int(request.match_info["part"]))
        pages = await self._turns.read(client_of(None, self._address_of(request)), read)
        if not pages:
            raise Refused(Code.NOT_FOUND, "There is no such part. /sitemap.xml lists the parts.")
        return _xml(request, "urlset", (_url(base, page) for page in pages))


def _url(base: str, page: ListedPage) -> str:
    return f"<url><loc>{base}{page.path}</loc><lastmod>{iso(page.changed_at)}</lastmod></url>"


def _xml(request: web.Request, name: str, items: Iterable[str]) -> web.Response:
    text = "\n".join([f'{_XML}<{name} xmlns="{_NAMESPACE}">', *items, f"</{name}>", ""])
    return revalidated(request, text.encode(), "application/xml")
