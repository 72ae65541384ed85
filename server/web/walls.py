"""Serves the pages that show one show and take no votes: for a venue's wall, for a video stream, and for other sites."""

from __future__ import annotations

import html
from typing import Literal
from urllib.parse import urlsplit

import segno
from aiohttp import web

from server.catalog.brands import Brand, KnownBrands
from server.catalog.documents import Show
from server.errors import CacheError, Refused, StoreError
from server.protocol.codes import Code
from server.protocol.http.endpoints import Call, Handler
from server.protocol.join_codes import join_code_of, show_of_join_code
from server.web.base_url import BaseUrl
from server.web.brands import page_for, service_of, wall_of_host
from server.web.heads import picture_of_show, with_document, with_picture, with_title
from server.web.identity import AddressOf
from server.web.pages import CONTENT_SECURITY_POLICY, html_page
from server.web.static_files import StaticFiles
from server.words.texts import Language

Kind = Literal["screen", "overlay", "embed"]
# When the light colours apply. A reader's own scheme decides on other sites; a hall and a stream are dark.
_LIGHT_MEDIA = {"light": "all", "dark": "not all", "auto": "(prefers-color-scheme: light)"}
_DEFAULT_THEMES: dict[Kind, str] = {"screen": "dark", "overlay": "dark", "embed": "auto"}


class WallPages:
    """The routes of the walls and of join codes.

    Takes: files, of the pages; get_show, the handler of `GET /api/shows/{show}`; address_of, a request's address; base_url,
           the address that it knows of this service; known_brands, the brands; embed_origins, the sites that may show
           `/embed/{show}` in a frame
    """

    def __init__(
        self,
        files: StaticFiles,
        get_show: Handler,
        address_of: AddressOf,
        base_url: BaseUrl,
        known_brands: KnownBrands,
        *,
        embed_origins: tuple[str, ...],
    ) -> None:
        self._files = files
        self._get_show = get_show
        self._address_of = address_of
        self._base_url = base_url
        self._known_brands = known_brands
        ancestors = " ".join(("'self'", *embed_origins))
        self._embed_policy = CONTENT_SECURITY_POLICY.replace("frame-ancestors 'none'", f"frame-ancestors {ancestors}")

    def routes(self) -> list[web.AbstractRouteDef]:
        """Routes for the router of the web application."""
        return [
            web.get("/screen/{show}", self.get_screen),
            web.get("/overlay/{show}", self.get_overlay),
            web.get("/embed/{show}", self.get_embed),
            web.get("/j/{code}", self.redirect_to_show),
        ]

    async def get_screen(self, request: web.Request) -> web.Response:
        """`GET /screen/{show}`: the page for a venue's wall."""
        return await self._wall(request, "screen")

    async def get_overlay(self, request: web.Request) -> web.Response:
        """`GET /overlay/{show}`: the same without a background, for a video stream."""
        return await self._wall(request, "overlay")

    async def get_embed(self, request: web.Request) -> web.Response:
        """`GET /embed/{show}`: the same for a frame of another site."""
        response = await self._wall(request, "embed")
        response.headers["Content-Security-Policy"] = self._embed_policy
        return response

    async def redirect_to_show(self, request: web.Request) -> web.Response:
        """`GET /j/{code}`: leads from a join code to the page of its show."""
        show_id = show_of_join_code(request.match_info["code"])
        try:
            show = None if show_id is None else await self._show(request, str(show_id))
        except Refused as error:
            if error.code != Code.NOT_FOUND:
                raise
            show = None
        if show is None:
            return self._not_found(request)
        raise web.HTTPFound(f"/shows/{show['slug']}")

    def _not_found(self, request: web.Request) -> web.Response:
        return html_page(request, page_for(request, self._files, self._known_brands, "not-found.html"), status=404)

    async def _show(self, request: web.Request, reference: str) -> Show:
        """The show as a reader without an account sees it: a wall is for everybody, whoever has signed in on its machine."""
        call = Call(path={"show": reference}, address=self._address_of(request))
        show: Show = (await self._get_show(call)).document
        return show

    async def _wall(self, request: web.Request, kind: Kind) -> web.Response:
        text = self._files.page_for(request, "wall.html").replace('data-wall="screen"', f'data-wall="{kind}"', 1)
        media = _LIGHT_MEDIA.get(request.query.get("theme", ""), _LIGHT_MEDIA[_DEFAULT_THEMES[kind]])
        brand = self._known_brands.of_host(request.host)
        text = wall_of_host(text.replace('media="not all"', f'media="{media}"', 1), brand)
        try:
            show = await self._show(request, request.match_info["show"])
        except Refused as error:
            if error.code == Code.NOT_FOUND:
                return self._not_found(request)
            return html_page(request, text)
        except (StoreError, CacheError):
            # The page asks for the show itself, and tries again.
            return html_page(request, text)
        words = self._files.words_for(request)
        joined = text.replace("<!-- join -->", self._join(request, show, words, brand), 1)
        names = {"artist": show["artist"]["name"], "venue": show["venue"]["name"]}
        titled = with_title(joined, words.text("show-title", **names, service=service_of(brand)))
        card, card_text = picture_of_show(show, words)
        pictured = with_picture(titled, self._base_url(request), card_text, card)
        return html_page(request, with_document(pictured, "show", show))

    def _join(self, request: web.Request, show: Show, words: Language, brand: Brand | None) -> str:
        """How to come to the page of the show: a QR code, and an address that is short enough to type; and whose wall it is."""
        base = self._base_url(request)
        code = join_code_of(show["id"])
        host = html.escape(f"{urlsplit(base).netloc}{urlsplit(base).path}")
        # By its id, because a slug makes a finer pattern, which is hard to scan from far away.
        picture = segno.make_qr(f"{base}/shows/{show['id']}", error="m").svg_inline(
            omitsize=True, border=3, dark="#000", light="#fff", svgclass=None, lineclass=None
        )
        qr, at, vote = (html.escape(words.text(name)) for name in ("wall-qr", "wall-vote-at", "wall-vote"))
        return (
            f'<div class="qr" role="img" aria-label="{qr}">{picture}</div>'
            f'<p class="join-text"><span class="join-word">{at}</span> <span class="join-address" translate="no">'
            f'<span class="join-host">{host}</span><span class="join-code">/j/{code}</span></span></p>'
            f'<a class="join-link" href="/shows/{html.escape(show["slug"])}" target="_blank" rel="noopener">{vote}</a>'
            f"{'' if brand is None else _signature(brand)}"
        )


def _signature(brand: Brand) -> str:
    logo = f'<img src="/brand/{brand.revision}/logo" alt="">' if brand.has_logo else ""
    return f'<p class="join-brand" translate="no">{logo}<span>{html.escape(brand.name)}</span></p>'
