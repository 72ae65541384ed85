"""Finds out who sends a request, and from which address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.http.addresses import Network, client_address
from server.protocol.identity import COOKIE, Identity

Identify = Callable[[web.Request], Awaitable[Identity | None]]


def identifier(authenticate: Callable[[str], Awaitable[Identity]]) -> Identify:
    """Who a request speaks for: the header's token, else the cookie's; None: nobody.

    A stale cookie is nobody's fault and names nobody; a header's token was meant, so it must be good.

    Takes: authenticate, token or API key -> Identity; raises Refused(unauthenticated)
    Gives: a function that raises Refused: unauthenticated, the header's token is not good
    """

    async def identify(request: web.Request) -> Identity | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme:
            if scheme.lower() != "bearer":
                raise Refused(Code.UNAUTHENTICATED, "Only Bearer tokens are understood.")
            return await authenticate(token.strip())
        cookie = request.cookies.get(COOKIE)
        if not cookie:
            return None
        try:
            return await authenticate(cookie)
        except Refused:
            return None

    return identify


def counting(identify: Identify, count: Callable[[int], Awaitable[None]]) -> Identify:
    """`identify`, and every request of somebody signed in is counted.

    Takes: count, by user; raises Refused(rate_limited)
    """

    async def identify_and_count(request: web.Request) -> Identity | None:
        identity = await identify(request)
        if identity is not None:
            await count(identity.user_id)
        return identity

    return identify_and_count


AddressOf = Callable[[web.Request], str]


def addresser(trusted: tuple[Network, ...]) -> AddressOf:
    """What counts as a request's address. Takes: trusted, the proxies whose word for it is taken."""

    def address_of(request: web.Request) -> str:
        headers = request.headers
        forwarded_for, forwarded = headers.getall("X-Forwarded-For", ()), headers.getall("Forwarded", ())
        return client_address(request.remote, forwarded_for, forwarded, trusted)

    return address_of
