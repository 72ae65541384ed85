"""The address under which a client knows this service. Absolute links begin with it."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from server.errors import Refused
from server.protocol.codes import Code
from server.web.identity import IsSecure

BaseUrl = Callable[[web.Request], str]
HOST_CHARS_MAX = 260  # a name (RFC 1035) and a port; a QR code holds some more


def make_base_url(public_url: str | None, is_secure: IsSecure, is_brand_host: Callable[[str], bool]) -> BaseUrl:
    """Makes the function that gives the address, without a slash at its end.

    Takes: public_url, the address of the service for everybody, None: as the client names this node; is_secure, whether a
           client uses TLS; is_brand_host, whether a brand has this host: its pages lead to itself
    Gives: a function that raises Refused(bad_request) for a host name that is too long; the name may have any characters
    """

    def base_url(request: web.Request) -> str:
        if public_url is not None and not is_brand_host(request.host):
            return public_url
        if len(request.host) > HOST_CHARS_MAX:
            raise Refused(
                Code.BAD_REQUEST, "The header Host is longer than any name of a host. Send the name of this host."
            )
        return f"{'https' if is_secure(request) else 'http'}://{request.host}"

    return base_url
