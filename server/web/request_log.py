"""Gives every request an id, which is in its log records and in its response, and measures its time."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from functools import partial

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from server.protocol.http.addresses import Network, is_trusted
from server.telemetry import FAILURES, REQUEST_SECONDS
from server.tracing import Traces, trace_id_of
from server.web.listening import handed_over, when_over

HEADER = "X-Request-ID"

# The ids that a proxy may set: only characters that cannot break a log line or a header.
_SAFE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class RequestCounts:
    """The requests that this node has answered, and those of them that failed with a server error."""

    def __init__(self) -> None:
        self.all = self.failed = 0


def observe_requests(trusted: tuple[Network, ...], counts: RequestCounts, traces: Traces | None) -> Middleware:
    """Makes the outermost middleware.

    Takes: trusted, the networks of the proxies whose request ids are kept; counts, to which it adds; traces, which get each
           request in which something failed, None: traces are off
    """

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = _id_of(request, trusted)
        started_s = time.monotonic()
        ids = {"request_id": request_id} | ({} if traces is None else {"trace_id": trace_id_of(request_id)})
        with structlog.contextvars.bound_contextvars(**ids):
            redirect = None
            try:
                response = await handler(request)
            except web.HTTPException as raised:
                response = redirect = raised
        if not response.prepared:
            response.headers[HEADER] = request_id
        if traces is not None:
            # `tell` does not hold the request, because a websocket lasts for hours.
            tell = partial(
                traces.request_failed, request_id, started_s, request.method, _route(request), response.status
            )
            when_over(request, partial(_if_failed, ids["trace_id"], tell))
        counts.all += 1
        counts.failed += response.status >= 500
        _measure(request, response, started_s)
        if redirect is not None:
            raise redirect
        return response

    return observe


async def add_request_id(_request: web.Request, response: web.StreamResponse) -> None:
    """Adds the id to responses that begin before their handler ends: websockets, streams (signal on_response_prepare)."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id is not None:
        response.headers[HEADER] = request_id


def _if_failed(trace_id: str, tell: Callable[[], None]) -> None:
    if FAILURES.name_trace(trace_id):
        tell()


def _id_of(request: web.Request, trusted: tuple[Network, ...]) -> str:
    given = request.headers.get(HEADER, "")
    is_known = is_trusted(request.remote, trusted) or handed_over(request) is not None
    if given and is_known and _SAFE_ID.fullmatch(given):
        return given
    return secrets.token_hex(8)


def _measure(request: web.Request, response: web.StreamResponse, started_s: float) -> None:
    # Websockets and event streams last as long as their client stays, so their time says nothing about this server.
    if isinstance(response, web.Response | web.FileResponse):
        method = request.method if request.method in hdrs.METH_ALL else "other"
        REQUEST_SECONDS.labels(method, _route(request), str(response.status)).observe(time.monotonic() - started_s)


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return "none" if resource is None else resource.canonical
