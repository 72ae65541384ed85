"""Serves endpoints: checks access, decodes requests, encodes answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
from aiohttp import web

from server.errors import Refused
from server.live.stalled import has_hung_up
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint, ReadKind
from server.protocol.http.parameters import parse_body, parse_query
from server.protocol.identity import COOKIE, SECURE_COOKIE
from server.store.turns import Turns, client_of
from server.web.identity import AddressOf, Identify, IsSecure
from server.web.languages import language_of
from server.web.listening import end_with_answer
from server.web.revalidation import etag_of, has_it
from server.words.texts import shipped


def routes_of(
    endpoints: Iterable[Endpoint],
    identify: Identify,
    session_ttl_s: int,
    address_of: AddressOf,
    is_secure: IsSecure,
    *,
    body_s: float,
) -> list[web.RouteDef]:
    """Makes aiohttp's routes for endpoints. Access is checked and requests are decoded only here.

    Takes: body_s, the time in which the body of a request has to come
    """

    def route_of(endpoint: Endpoint) -> web.RouteDef:
        async def handle(request: web.Request) -> web.Response:
            identity = await identify(request)
            if endpoint.access != "anyone":
                if identity is None:
                    raise Refused(Code.UNAUTHENTICATED, "Sign in first.")
                if not identity.may(endpoint.access):
                    raise Refused(
                        Code.FORBIDDEN, f"Your role is {identity.role}. This needs the role {endpoint.access}."
                    )
            call = Call(
                path=request.match_info,
                query=None if endpoint.query is None else parse_query(request.query.items(), endpoint.query),
                body=None if endpoint.body is None else await _read_body(request, endpoint, body_s),
                identity=identity,
                address=address_of(request),
                is_gone=lambda: has_hung_up(request.transport),
                agent=request.headers.get("User-Agent", ""),
                language=lambda: language_of(request, shipped()).tag,
                host=request.host,
            )
            answer = await endpoint.handler(call)
            response = _respond(request, endpoint, answer)
            if answer.session is not None:
                _set_session(response, answer.session, session_ttl_s, is_secure=is_secure(request))
            return response

        path = endpoint.path
        for name in endpoint.rests:
            path = path.replace(f"{{{name}}}", f"{{{name}:.+}}")
        return web.route(endpoint.method, path, handle)

    return [route_of(endpoint) for endpoint in endpoints]


def take_turns(endpoint: Endpoint, turns: Mapping[ReadKind, Turns]) -> Endpoint:
    """The same endpoint, whose reads take turns with the others of their kind."""
    kind = endpoint.read_kind
    if kind is None:
        return endpoint

    async def handle(call: Call) -> Answer:
        return await turns[kind].read(client_of(call.identity, call.address), partial(endpoint.handler, call))

    return replace(endpoint, handler=handle)


async def _read_body(request: web.Request, endpoint: Endpoint, body_s: float) -> Any:
    bytes_max = endpoint.body_bytes_max
    # A body with an announced length is refused unread; a chunked body announces none.
    try:
        async with asyncio.timeout(body_s):
            if (request.content_length or 0) > bytes_max or len(data := await request.read()) > bytes_max:
                raise Refused(Code.TOO_LARGE, f"The body is too large. Send at most {bytes_max} bytes.")
    except TimeoutError:
        end_with_answer(request)
        raise Refused(
            Code.BAD_REQUEST,
            f"The rest of the body did not come within {body_s} s. Send as many bytes as Content-Length says.",
        ) from None
    except web.RequestPayloadError:
        raise Refused(
            Code.BAD_REQUEST,
            "The body cannot be decoded as its headers say. Check Content-Encoding and Transfer-Encoding.",
        ) from None
    if not data and endpoint.body_is_optional:
        return None
    return parse_body(data, endpoint.body)


def _respond(request: web.Request, endpoint: Endpoint, answer: Answer) -> web.Response:
    document = answer.document
    body = document if isinstance(document, bytes) else None if document is None else msgspec.json.encode(document)
    response = web.Response(status=answer.status or endpoint.status, body=body, headers=answer.headers)
    if body is not None:
        response.content_type = answer.media_type or endpoint.media_type
    if endpoint.is_revalidated:
        assert body is not None
        etag = etag_of(body)
        if has_it(request, etag):
            response = web.Response(status=304, headers=answer.headers)
        response.etag = etag
        response.headers.setdefault("Cache-Control", "no-cache")
    else:
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _set_session(response: web.Response, token: str, session_ttl_s: int, *, is_secure: bool) -> None:
    """Stores the token as a cookie, and deletes the cookie of the other name. Takes: token, empty: signs out."""
    if token:
        response.set_cookie(
            SECURE_COOKIE if is_secure else COOKIE,
            token,
            max_age=session_ttl_s,
            httponly=True,
            samesite="Lax",
            secure=is_secure,
            path="/",
        )
    else:
        response.del_cookie(
            SECURE_COOKIE if is_secure else COOKIE, path="/", httponly=True, samesite="Lax", secure=is_secure
        )
    if is_secure:
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Lax", secure=True)
