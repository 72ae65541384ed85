"""The service under other names: a page takes the name, the colours and the logo of the brand whose host was asked for."""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from server.catalog.brand_colours import Scheme, SchemeName, bar_of, variables_of, with_alpha
from server.catalog.brands import Brand, KnownBrands, Logo
from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.service import SERVICE
from server.web.heads import with_document
from server.web.revalidation import revalidated
from server.web.static_files import KEPT_FOR_GOOD, StaticFiles

_ICON = re.compile(r'"/static/[0-9a-f]{16}/icon\.svg"( type="image/svg\+xml")?')
_MANIFEST = re.compile(r'"/static/[0-9a-f]{16}/(?:[\w-]+/)?manifest\.webmanifest"')
_TITLE_END = re.compile(rf"{SERVICE}</title>")
_WALL_STYLES = re.compile(r'<link rel="stylesheet" href="/static/[0-9a-f]{16}/wall/(wall|light)\.css"([^>]*)>')
_NAME = re.compile(rf'<span( translate="no")?>{SERVICE}</span>')


class BrandFiles:
    """The routes of the files of brands. Takes: known, the brands; fetch_logo, reads the logo of one."""

    def __init__(self, known: KnownBrands, fetch_logo: Callable[[int], Awaitable[Logo | None]]) -> None:
        self._known = known
        self._fetch_logo = fetch_logo

    def routes(self) -> list[web.AbstractRouteDef]:
        """Routes for the router of the web application. The revision in a path changes with the brand."""
        return [
            web.get("/brand/{revision}/brand.css", self.get_style),
            web.get("/brand/{revision}/wall-{scheme:dark|light}.css", self.get_wall_style),
            web.get("/brand/{revision}/logo", self.get_logo),
            web.get("/brand/{revision}/manifest.webmanifest", self.get_manifest),
        ]

    async def get_style(self, request: web.Request) -> web.Response:
        """`GET /brand/{revision}/brand.css`: the colours of the brand of this host."""
        brand = self._brand(request)
        return _answer(request, brand, style_of(brand).encode(), "text/css")

    async def get_wall_style(self, request: web.Request) -> web.Response:
        """`GET /brand/{revision}/wall-{scheme}.css`: the dark or the light colours, for walls."""
        brand = self._brand(request)
        name: SchemeName = "dark" if request.match_info["scheme"] == "dark" else "light"
        scheme = _scheme(brand, name)
        if scheme is None:
            raise Refused(Code.NOT_FOUND, "This brand has no such colours.")
        return _answer(request, brand, wall_style_of(name, scheme).encode(), "text/css")

    async def get_logo(self, request: web.Request) -> web.Response:
        """`GET /brand/{revision}/logo`."""
        brand = self._brand(request)
        logo = await self._fetch_logo(brand.id)
        if logo is None:
            raise Refused(Code.NOT_FOUND, "This brand has no logo.")
        return _answer(request, brand, logo.body, logo.media_type)

    async def get_manifest(self, request: web.Request) -> web.Response:
        """`GET /brand/{revision}/manifest.webmanifest`: how a phone installs the brand of this host."""
        brand = self._brand(request)
        return _answer(request, brand, msgspec.json.encode(manifest_of(brand)), "application/manifest+json")

    def _brand(self, request: web.Request) -> Brand:
        brand = self._known.of_host(request.host)
        if brand is None:
            raise Refused(Code.NOT_FOUND, "This host has no brand.")
        return brand


def _answer(request: web.Request, brand: Brand, body: bytes, media_type: str) -> web.Response:
    # A node that does not know of a change yet gives what it has, and nobody keeps that.
    is_current = request.match_info["revision"] == str(brand.revision)
    return revalidated(request, body, media_type, cache_control=KEPT_FOR_GOOD if is_current else "no-cache")


def page_for(request: web.Request, files: StaticFiles, known: KnownBrands, name: str) -> str:
    """An HTML file in the language of its reader, with the brand of the host."""
    return branded(files.page_for(request, name), known.of_host(request.host))


def service_of(brand: Brand | None) -> str:
    """What the service is called: by its brand, or by its own name."""
    return SERVICE if brand is None else brand.name


def branded(text: str, brand: Brand | None) -> str:
    """The HTML of a page with the name, the colours and the logo of a brand, and what its list has; None: as it is."""
    if brand is None:
        return text
    folder = f"/brand/{brand.revision}"
    text = _NAME.sub(lambda _: f'<span translate="no">{html.escape(brand.name)}</span>', text)
    text = _TITLE_END.sub(lambda _: f"{html.escape(brand.name)}</title>", text)
    if brand.has_logo:
        text = _ICON.sub(f'"{folder}/logo"', text)
    text = _MANIFEST.sub(f'"{folder}/manifest.webmanifest"', text)
    for name, scheme in (("dark", brand.colours.dark), ("light", brand.colours.light)):
        if scheme is not None:
            media = f'media="(prefers-color-scheme: {name})"'
            text = re.sub(rf'content="#[0-9a-f]{{6}}" {re.escape(media)}', f'content="{scheme.ground}" {media}', text)
    text = text.replace("</head>", f'<link rel="stylesheet" href="{folder}/brand.css">\n</head>', 1)
    return with_document(text, "brand", {"name": brand.name, "artist": brand.artist, "venue": brand.venue})


def wall_of_host(text: str, brand: Brand | None) -> str:
    """The HTML of a wall with the colours and the logo of a brand; None: as it is.

    The page says when its light colours apply, and so it says of those of the brand, which come after them.
    """
    if brand is None:
        return text
    folder = f"/brand/{brand.revision}"

    def with_own(found: re.Match[str]) -> str:
        name: SchemeName = "dark" if found[1] == "wall" else "light"
        if _scheme(brand, name) is None:
            return found[0]
        return f'{found[0]}\n  <link rel="stylesheet" href="{folder}/wall-{name}.css"{found[2]}>'

    if brand.has_logo:
        text = _ICON.sub(f'"{folder}/logo"', text)
    return _WALL_STYLES.sub(with_own, text)


def wall_style_of(name: SchemeName, scheme: Scheme) -> str:
    """The style sheet of a wall in the colours of a brand, with the names of static/wall/wall.css."""
    variables = variables_of(scheme)
    bar = bar_of(name, scheme)
    return (
        f":root {{ --ground: {scheme.ground}; --panel: {with_alpha(scheme.ground, 0.9)}; --surface: {scheme.surface}; "
        f"--line: {variables['--line']}; --text: {scheme.text}; --muted: {variables['--muted']}; --fill: {bar}; "
        f"--fill-played: {variables['--line']}; }}\n"
        f".join-link {{ background: {scheme.accent}; color: {variables['--accent-ink']}; }}\n"
    )


def _scheme(brand: Brand, name: SchemeName) -> Scheme | None:
    return brand.colours.dark if name == "dark" else brand.colours.light


def style_of(brand: Brand) -> str:
    """The style sheet of a brand: it comes after those of the pages."""
    parts = []
    for name, scheme in (("dark", brand.colours.dark), ("light", brand.colours.light)):
        if scheme is not None:
            # Dark is what a browser without a scheme shows.
            media = "not all and (prefers-color-scheme: light)" if name == "dark" else "(prefers-color-scheme: light)"
            parts.append(f"@media {media} {{\n{_rules(scheme)}}}\n")
    return "".join(parts)


def _rules(scheme: Scheme) -> str:
    variables = "; ".join(f"{name}: {colour}" for name, colour in variables_of(scheme).items())
    return (
        f":root {{ {variables}; --glow: none; }}\n"
        ".brand { color: var(--accent); }\n"
        ".top { border-bottom-color: var(--accent); }\n"
        ".button-main, .button-main:hover { border-color: var(--accent); background: var(--accent); color: var(--accent-ink); }\n"
    )


def manifest_of(brand: Brand) -> dict[str, object]:
    """How a phone shows the brand among its programs (Web Application Manifest)."""
    ground = (brand.colours.dark or brand.colours.light or Scheme(
        ground="#100d16", surface="#1a1623", text="#f5f1fb", accent="#ffb52e"
    )).ground  # fmt: skip
    icon = (
        {"src": f"/brand/{brand.revision}/logo", "sizes": "any"}
        if brand.has_logo
        else {"src": "/static/icon.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any maskable"}
    )
    return {
        "name": brand.name,
        "short_name": brand.name,
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": ground,
        "theme_color": ground,
        "icons": [icon],
    }
