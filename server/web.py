"""HTTP around the rooms: endpoints, problems, origins, headers, the page, probes."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog
from aiohttp import ETag, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Middleware
from aiohttp.web_request import BaseRequest
from prometheus_client import CONTENT_TYPE_LATEST

from server.errors import CacheError, Refused, StoreError
from server.protocol.addresses import Network, client_address
from server.protocol.codes import HTTP_STATUS, Code
from server.protocol.endpoints import Answer, Call, Endpoint
from server.protocol.identity import COOKIE, Identity
from server.protocol.parameters import parse_body, parse_query
from server.telemetry import exposition

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# What a signed link in a letter does: its token speaks, never the cookie, and mail programs call it (RFC 8058).
_FROM_ANYWHERE = ("/unsubscribe",)
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_CODES = {status: code for code, status in HTTP_STATUS.items() if status in (400, 401, 403, 404, 413)}


def problem(error: Refused, status: int | None = None) -> web.Response:
    """An error as `application/problem+json` (RFC 9457) with our `code`."""
    status = status or HTTP_STATUS[Code(error.code)]
    body = {
        "type": "about:blank",
        "title": str(error.code).replace("_", " ").capitalize(),
        "status": status,
        "detail": error.message,
        "code": error.code,
    }
    headers = {"Cache-Control": "no-store"}
    if error.retry_after_ms is not None:
        body["retry_after_ms"] = error.retry_after_ms
        headers["Retry-After"] = str(-(-error.retry_after_ms // 1000))
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/problem+json", headers=headers
    )


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error a client can cause becomes a problem with a code; anything else is a bug: logged, and `internal`."""
    try:
        return await handler(request)
    except Refused as error:
        return problem(error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        refused = Refused(_CODES.get(error.status, Code.BAD_REQUEST), f"{error.reason}.")
        answer = problem(refused, error.status)
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
    except (StoreError, CacheError) as error:
        log.warning("request.unavailable", path=_route(request), error=str(error))
        return problem(Refused(Code.UNAVAILABLE, "This is unavailable for a moment. Try again.", retry_after_ms=1_000))
    except Exception:
        # Not swallowed: the traceback is in the log, and the client must not see it.
        log.exception("request.failed", method=request.method, path=_route(request))
        return problem(Refused(Code.INTERNAL, "Something went wrong here."))


def _route(request: web.Request) -> str:
    """The path as it is declared: in the log of an erasure that failed, nobody's number must stand."""
    resource = request.match_info.route.resource
    return request.path if resource is None else resource.canonical


def check_origins(allowed: tuple[str, ...]) -> Middleware:
    """A middleware against other sites' pages using a visitor's cookie.

    Browsers name the page's origin on websockets and on everything that changes something; programs name none.
    """

    @web.middleware
    async def check_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        is_guarded = request.path == "/ws" or (
            request.method not in _SAFE_METHODS and request.path not in _FROM_ANYWHERE
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


class Runner(web.AppRunner):
    """Serves an app; two things for which aiohttp has no setting: bytes that are no HTTP are answered with a problem too,
    and whoever connects and says nothing is let go.

    Takes: handshake_s, from the connection to the whole of its first request
    """

    __slots__ = ("_handshake_s",)

    def __init__(self, app: web.Application, handshake_s: float, **options: Any) -> None:
        super().__init__(app, **options)
        self._handshake_s = handshake_s

    @property
    def server(self) -> Any:
        """What makes the protocol of a new connection; None before `setup`."""
        served = super().server
        if served is None:
            return None
        options: dict[str, Any] = {"access_log": None, "logger": http_logger(), "handshake_s": self._handshake_s}
        return partial(_Connection, served, loop=asyncio.get_running_loop(), **options)


def listening_sockets(runner: web.AppRunner) -> list[socket.socket]:
    """The sockets that a runner listens on."""
    # Not given away by aiohttp, whose `addresses` reads them so too.
    servers: list[Any] = [site._server for site in runner.sites]  # noqa: SLF001
    return [listening for server in servers for listening in server.sockets]


class _Connection(web.RequestHandler):
    __slots__ = ("_handshake_s",)

    def __init__(self, *arguments: Any, handshake_s: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._handshake_s = handshake_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # The timer is the one between two requests, which closes a connection that waits for the whole of one.
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
        self._next_keepalive_close_time = self._loop.time() + self._handshake_s
        self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        super().handle_error(request, status, exc, message)  # it logs
        refused = Refused(Code.BAD_REQUEST, "This is no HTTP, or its first line or its headers are too long.")
        answer = problem(refused if status < 500 else Refused(Code.INTERNAL, "Something went wrong here."))
        answer.force_close()
        return answer


def http_logger() -> logging.Logger:
    """Aiohttp's logger of what no handler saw, without tracebacks of bytes that are no HTTP: any client can send those."""
    logger = logging.getLogger("mysetlist.http")
    if not logger.filters:
        logger.addFilter(_is_our_fault)
    return logger


def _is_our_fault(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError | web.RequestPayloadError):
        log.info("http.malformed", reason=str(error)[:200])
        return False
    return True


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


def routes_of(
    endpoints: Iterable[Endpoint], identify: Identify, session_ttl_s: int, address_of: AddressOf
) -> list[web.RouteDef]:
    """Endpoints as aiohttp serves them: who may come in is decided, and what comes in is decoded, here alone."""

    def route_of(endpoint: Endpoint) -> web.RouteDef:
        async def handle(request: web.Request) -> web.Response:
            identity = await identify(request)
            if endpoint.access != "anyone":
                if identity is None:
                    raise Refused(Code.UNAUTHENTICATED, "Sign in first.")
                if not identity.may(endpoint.access):
                    raise Refused(Code.FORBIDDEN, f"Only for a {endpoint.access}.")
            call = Call(
                path=request.match_info,
                query=None if endpoint.query is None else parse_query(request.query.items(), endpoint.query),
                body=None if endpoint.body is None else await _read_body(request, endpoint),
                identity=identity,
                address=address_of(request),
            )
            return _respond(request, endpoint, await endpoint.handler(call), session_ttl_s)

        return web.route(endpoint.method, endpoint.path, handle)

    return [route_of(endpoint) for endpoint in endpoints]


async def _read_body(request: web.Request, endpoint: Endpoint) -> Any:
    bytes_max = endpoint.body_bytes_max
    # The length that is announced is refused before it is read; a chunked body announces none.
    try:
        if (request.content_length or 0) > bytes_max or len(data := await request.read()) > bytes_max:
            raise Refused(Code.TOO_LARGE, f"A body has at most {bytes_max} bytes.")
    except web.RequestPayloadError:
        raise Refused(Code.BAD_REQUEST, "The body is not encoded as its headers say.") from None
    if not data and endpoint.body_is_optional:
        return None
    return parse_body(data, endpoint.body)


def _respond(request: web.Request, endpoint: Endpoint, answer: Answer, session_ttl_s: int) -> web.Response:
    document = answer.document
    body = document if isinstance(document, bytes) else None if document is None else msgspec.json.encode(document)
    response = web.Response(status=answer.status or endpoint.status, body=body, headers=answer.headers)
    if body is not None:
        response.content_type = answer.media_type or endpoint.media_type
    if endpoint.is_revalidated:
        assert body is not None
        etag = ETag(hashlib.blake2b(body, digest_size=12).hexdigest(), is_weak=True)
        if any(tag.value in (etag.value, "*") for tag in request.if_none_match or ()):
            response = web.Response(status=304, headers=answer.headers)
        response.etag = etag
        response.headers.setdefault("Cache-Control", "no-cache")
    else:
        response.headers.setdefault("Cache-Control", "no-store")
    if answer.session:
        response.set_cookie(
            COOKIE,
            answer.session,
            max_age=session_ttl_s,
            httponly=True,
            samesite="Lax",
            secure=request.secure,
            path="/",
        )
    elif answer.session is not None:
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Lax", secure=request.secure)
    return response


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Headers of every response (signal on_response_prepare)."""
    headers = response.headers
    headers.setdefault("Content-Security-Policy", _CONTENT_SECURITY_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    if request.path.startswith("/static/") or isinstance(response, web.FileResponse):
        # Asked again each time, answered 304: a new version of the page is never mixed with an old one.
        headers.setdefault("Cache-Control", "no-cache")


class Pages:
    """The page, and what load balancers and Prometheus ask.

    Takes: folder of the static files; why_not_ready, gives the reasons why casts cannot be served, empty: ready
    """

    def __init__(self, folder: Path, why_not_ready: Callable[[], list[str]]) -> None:
        self._folder = folder
        self._names = {path.name for path in folder.iterdir() if path.is_file()}
        self._why_not_ready = why_not_ready

    def routes(self) -> list[web.AbstractRouteDef]:
        """What app adds to its router."""
        return [
            web.get("/", self.get_page),
            web.get("/shows/{show}", self.get_page),
            web.get("/api/docs", self.get_docs),
            web.get("/healthz", self.get_healthz),
            web.get("/readyz", self.get_readyz),
            web.get("/metrics", self.get_metrics),
            web.get("/static/{name}", self.get_file),
        ]

    async def get_page(self, _request: web.Request) -> web.FileResponse:
        """The page; which view it shows is its own affair."""
        return web.FileResponse(self._folder / "index.html")

    async def get_docs(self, _request: web.Request) -> web.FileResponse:
        """`GET /api/docs`: the OpenAPI document for people."""
        return web.FileResponse(self._folder / "docs.html")

    async def get_file(self, request: web.Request) -> web.FileResponse:
        """`GET /static/{name}`; only the names that were there at the start, so that no path leads out of the folder."""
        name = request.match_info["name"]
        if name not in self._names:
            raise Refused(Code.NOT_FOUND, "No such file.")
        return web.FileResponse(self._folder / name)

    async def get_healthz(self, _request: web.Request) -> web.Response:
        """`GET /healthz`: the process is alive."""
        return web.json_response({"status": "ok"})

    async def get_readyz(self, _request: web.Request) -> web.Response:
        """`GET /readyz`: whether this node may be sent traffic."""
        reasons = self._why_not_ready()
        if reasons:
            return web.json_response({"status": "not ready", "reasons": reasons}, status=503)
        return web.json_response({"status": "ready"})

    async def get_metrics(self, _request: web.Request) -> web.Response:
        """`GET /metrics`."""
        return web.Response(body=exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})
