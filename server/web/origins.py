"""Refuses requests that pages of other sites send with a visitor's cookie (CSRF)."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.http.origins import origin_of
from server.web.errors import problem

log = structlog.get_logger()

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# Signed links in emails. Their token decides, never the cookie, and mail programs call them (RFC 8058).
FROM_ANYWHERE = ("/unsubscribe", "/confirm-email")
# A proxy may speak TLS for the node, so the schemes of a page and of its request differ, and so do their default ports.
_DEFAULT_PORT = re.compile(r":(80|443)$")
_SHOWN_CHARACTERS = 100


def check_origins(allowed: tuple[str, ...], is_brand_host: Callable[[str], bool]) -> Middleware:
    """Makes the middleware that refuses a foreign Origin on websockets and on unsafe methods.

    Browsers send the page's origin with both; programs send none and are not refused.

    Takes: allowed, as `origin_of` spells them; is_brand_host, whether a brand of this service has a host
    """

    @web.middleware
    async def check_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = _given(request)
        if given is not None:
            origin = origin_of(given)
            if origin is None or not (
                origin in allowed or _is_own(origin, request.host) or is_brand_host(urlsplit(origin).netloc)
            ):
                return _refuse(request, origin)
        return await handler(request)

    return check_origin


def _given(request: web.Request) -> str | None:
    """The origin that a guarded request names; None: it names none, or is not guarded."""
    if request.path == "/ws":
        # A page cannot read the answer to its upgrade. It asks again with a plain GET, which has a Referer and no Origin.
        return request.headers.get("Origin", _start_of(request.headers.get("Referer")))
    is_guarded = request.method not in _SAFE_METHODS and request.path not in FROM_ANYWHERE
    return request.headers.get("Origin") if is_guarded else None


def _start_of(address: str | None) -> str | None:
    if address is None:
        return None
    return "/".join(address.split("/", 3)[:3])


def _is_own(origin: str, host: str) -> bool:
    return _DEFAULT_PORT.sub("", urlsplit(origin).netloc) == _DEFAULT_PORT.sub("", host.lower())


def _refuse(request: web.Request, origin: str | None) -> web.Response:
    host = request.host[:_SHOWN_CHARACTERS]
    shown = None if origin is None else origin[:_SHOWN_CHARACTERS]
    log.warning("origin.refused", path=request.path, origin=shown, host=host)
    message = "A page of another site may not send this request."
    if shown is not None:
        message += (
            f" The page is at {shown}, and the request names this server {host}. If both are this service, its operator has to"
            f" set MYSETLIST_ORIGINS={shown}, or let the proxy pass the header Host on."
        )
    return problem(Refused(Code.FORBIDDEN, message))
