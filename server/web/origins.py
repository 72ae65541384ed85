"""Refuses requests that pages of other sites send with a visitor's cookie (CSRF)."""

from __future__ import annotations

from urllib.parse import urlsplit

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from server.errors import Refused
from server.protocol.codes import Code
from server.web.errors import problem

log = structlog.get_logger()

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# Signed links in emails. Their token decides, never the cookie, and mail programs call them (RFC 8058).
FROM_ANYWHERE = ("/unsubscribe", "/confirm-email")


def check_origins(allowed: tuple[str, ...]) -> Middleware:
    """Makes the middleware that refuses a foreign Origin on websockets and on unsafe methods.

    Browsers send the page's origin with both; programs send none and are not refused.
    """

    @web.middleware
    async def check_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        is_guarded = request.path == "/ws" or (
            request.method not in _SAFE_METHODS and request.path not in FROM_ANYWHERE
        )
        if is_guarded and origin is not None and origin not in allowed and not _is_own(origin, request.host):
            log.info("origin.refused", path=request.path)
            return problem(Refused(Code.FORBIDDEN, "A page of another site may not send this request."))
        return await handler(request)

    return check_origin


def _is_own(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
