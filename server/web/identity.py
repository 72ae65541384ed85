"""Finds the identity and the address behind a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.http.addresses import Network, client_address, client_is_secure, is_trusted, place_of
from server.protocol.identity import COOKIE, SECURE_COOKIE, Identity

Identify = Callable[[web.Request], Awaitable[Identity | None]]
IsSecure = Callable[[web.Request], bool]


def make_identify(authenticate: Callable[[str], Awaitable[Identity]], is_secure: IsSecure) -> Identify:
    """Makes the function that finds a request's identity by the token in its header, else by its cookie.

    A cookie that is not valid any more is ignored, because browsers send it by themselves. A token in the header must be
    valid. Over TLS a host beside ours can set the plain cookie, but not the secure one. So the plain one then signs in fans
    alone, who got it before the service used TLS.

    Takes: authenticate, token or API key -> Identity; raises Refused(unauthenticated, unavailable); is_secure, whether the
           client uses TLS
    Gives: a function that gives None for an anonymous request; it raises Refused(unauthenticated) for a bad header, and
           Refused(unavailable) when a token cannot be judged now
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
        over_tls = is_secure(request)
        secure_cookie = request.cookies.get(SECURE_COOKIE) if over_tls else None
        cookie = secure_cookie or request.cookies.get(COOKIE)
        if not cookie:
            return None
        try:
            identity = await authenticate(cookie)
        except Refused as error:
            if error.code != Code.UNAUTHENTICATED:
                # Whoever it is, it is not nobody: an answer for a stranger would be wrong.
                raise
            return None
        return None if over_tls and not secure_cookie and identity.role != "user" else identity

    return identify


def counted(
    identify: Identify, count: Callable[[int], Awaitable[None]], count_anonymous: Callable[[web.Request], None]
) -> Identify:
    """Adds a rate limit to `identify`: each request is counted for its user, else for its address.

    Takes: count, user -> None, and count_anonymous; each raises Refused(rate_limited)
    """

    async def identify_and_count(request: web.Request) -> Identity | None:
        identity = await identify(request)
        if identity is None:
            count_anonymous(request)
        else:
            await count(identity.user_id)
        return identity

    return identify_and_count


def make_is_secure(trusted: tuple[Network, ...]) -> IsSecure:
    """Makes the function that says whether a client uses TLS, to this node or to a trusted proxy before it."""

    def is_secure(request: web.Request) -> bool:
        if request.secure:
            return True
        headers = request.headers
        return client_is_secure(
            request.remote, headers.getall("X-Forwarded-Proto", ()), headers.getall("Forwarded", ()), trusted
        )

    return is_secure


AddressOf = Callable[[web.Request], str]


def make_address_of(trusted: tuple[Network, ...], on_untrusted: Callable[[str], None]) -> AddressOf:
    """Makes the function that gives a request's address for limits.

    Takes: trusted, proxies whose headers are believed; on_untrusted, called with the place of the first peer in a private
           network, and of the first one outside, that names its clients and is not trusted
    """
    told: set[bool] = set()

    def address_of(request: web.Request) -> str:
        headers = request.headers
        forwarded_for, forwarded = headers.getall("X-Forwarded-For", ()), headers.getall("Forwarded", ())
        # Anybody may send these headers, so a peer outside, which may be a fan, does not use up the word about a proxy inside.
        if (forwarded_for or forwarded) and len(told) < 2 and not is_trusted(request.remote, trusted):
            place, is_private = place_of(request.remote)
            if place and is_private not in told:
                told.add(is_private)
                on_untrusted(place)
        return client_address(request.remote, forwarded_for, forwarded, trusted)

    return address_of
