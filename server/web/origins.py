"""Refuses requests that pages of other sites make with a visitor's cookie."""

from __future__ import annotations

from urllib.parse import urlsplit

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from server.errors import Refused
from server.protocol.codes import Code
from server.web.errors import Handler, problem

log = structlog.get_logger()

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# What a signed link in a letter does: its token speaks, never the cookie, and mail programs call it (RFC 8058).
FROM_ANYWHERE = ("/unsubscribe",)


def check_origins(allowed: tuple[str, ...]) -> Middleware:
    """A middleware against other sites' pages using a visitor's cookie.

    Browsers name the page's origin on websockets and on everything that changes something; programs name none.
    """

    @web.middleware
    async def check_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        is_guarded = request.path == "/ws" or (
            request.method not in _SAFE_METHODS and request.path not in FROM_ANYWHERE
        )
        if is_guarded and origin is not None and origin not in allowed and not _is_own(origin, request.host):
            log.info("origin.refused", path=request.path)
            return problem(Refused(Code.FORBIDDEN, "Pages of other sites may not do this."))
        return await handler(request)

    return check_origin


def _is_own(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
