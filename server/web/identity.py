"""Finds the identity and the address behind a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.http.addresses import Network, client_address
from server.protocol.identity import COOKIE, Identity

Identify = Callable[[web.Request], Awaitable[Identity | None]]


def make_identify(authenticate: Callable[[str], Awaitable[Identity]]) -> Identify:
    """Makes the function that finds a request's identity by the token in its header, else by its cookie.

    A cookie that is not valid any more is ignored, because browsers send it by themselves. A token in the header must be valid.

    Takes: authenticate, token or API key -> Identity; raises Refused(unauthenticated)
    Gives: a function that gives None for an anonymous request; it raises Refused(unauthenticated) for a bad header
    """

    async def identify(request: web.Request) -> Identity | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme:
            if scheme.lower() != "bearer":
                raise Refused(
                    Code.UNAUTHENTICATED,
                    f"The Authorization scheme {scheme[:20]!r} is unknown. Send `Authorization: Bearer <token>`.",
                )
            return await authenticate(token.strip())
        cookie = request.cookies.get(COOKIE)
        if not cookie:
            return None
        try:
            return await authenticate(cookie)
        except Refused:
            return None

    return identify


def counted(identify: Identify, count: Callable[[int], Awaitable[None]]) -> Identify:
    """Adds a rate limit to `identify`: each request of a signed-in user is counted.

    Takes: count, user -> None; raises Refused(rate_limited)
    """

    async def identify_and_count(request: web.Request) -> Identity | None:
        identity = await identify(request)
        if identity is not None:
            await count(identity.user_id)
        return identity

    return identify_and_count


AddressOf = Callable[[web.Request], str]


def make_address_of(trusted: tuple[Network, ...]) -> AddressOf:
    """Makes the function that gives a request's address for limits. Takes: trusted, proxies whose headers are believed."""

    def address_of(request: web.Request) -> str:
        headers = request.headers
        forwarded_for, forwarded = headers.getall("X-Forwarded-For", ()), headers.getall("Forwarded", ())
        return client_address(request.remote, forwarded_for, forwarded, trusted)

    return address_of
