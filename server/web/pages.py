"""Serves the pages of people and staff, all files of pages, the probes of load balancers, and metrics for Prometheus."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler as RequestHandler
from aiohttp.typedefs import Middleware
from prometheus_client import CONTENT_TYPE_LATEST

from server.catalog.brands import KnownBrands
from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.http.weights import weights_of
from server.protocol.service import SERVICE
from server.telemetry import exposition
from server.web.base_url import BaseUrl
from server.web.brands import page_for, service_of
from server.web.compression import compress, encoding_for
from server.web.heads import with_picture
from server.web.identity import IsSecure
from server.web.revalidation import revalidated
from server.web.service_worker import CLEARING_SCRIPT, worker_script
from server.web.static_files import StaticFiles

# Paths whose answers are read by programs. Any other unknown path is a page that a person has asked for.
_NO_PAGES = ("/api", "/static", "/ws", "/metrics")
_KEPT_OF_PROBLEM = ("Cache-Control", "Retry-After")
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_SAFE_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_PAGE_HEADERS = _SAFE_HEADERS | {"Content-Type": "text/html; charset=utf-8"}
# A year; other hosts of the domain are not ours to decide about.
_HSTS = "max-age=31536000"


def make_add_headers(is_secure: IsSecure) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Makes the function that adds the security headers to every response (signal on_response_prepare)."""

    async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
        for name, value in _SAFE_HEADERS.items():
            response.headers.setdefault(name, value)
        if is_secure(request):
            response.headers.setdefault("Strict-Transport-Security", _HSTS)

    return add_headers


class Pages:
    """The routes of the pages, the probes and the metrics.

    Takes: files, of the pages; base_url, the address of this service; known_brands, the brands; why_not_ready, gives the reasons why this node should get no traffic, empty: ready; why_paused,
           which shards take no votes while the others do, empty: none; metrics_token, which a reader of the metrics has to
           send, None: none is needed; has_worker, whether browsers keep the page with a service worker;
           False: those that do, stop
    """

    def __init__(
        self,
        files: StaticFiles,
        base_url: BaseUrl,
        known_brands: KnownBrands,
        why_not_ready: Callable[[], list[str]],
        *,
        why_paused: Callable[[], str],
        metrics_token: str | None,
        has_worker: bool,
    ) -> None:
        self._files = files
        self._base_url = base_url
        self._known_brands = known_brands
        self._why_not_ready = why_not_ready
        self._why_paused = why_paused
        self._metrics_token = metrics_token
        self._has_worker = has_worker

    def routes(self) -> list[web.AbstractRouteDef]:
        """Routes for the router of the web application."""
        return [
            web.get("/signin", self.get_signin),
            web.get("/admin", self.get_console),
            web.get("/admin/{page:.+}", self.get_console),
            web.get("/me", self.get_me),
            web.get("/api/docs", self.get_docs),
            web.get("/healthz", self.get_healthz),
            web.get("/readyz", self.get_readyz),
            web.get("/metrics", self.get_metrics),
            web.get("/static/{version:[0-9a-f]{16}}/{name:.+}", self.get_file),
            web.get("/static/{name:.+}", self.get_file),
            web.get("/leaderboard", self.get_leaderboard),
            web.get("/service-worker.js", self.get_service_worker),
        ]

    async def get_signin(self, request: web.Request) -> web.Response:
        """`GET /signin`: the page of a sign-in link. Its script reads the token from the fragment; only its button acts."""
        return self._branded(request, "signin.html")

    async def get_console(self, request: web.Request) -> web.Response:
        """`GET /admin` and `GET /admin/{page}`: the console of staff. What it shows, the API gives to staff only.

        A page that the console does not have is 404. The console then says so itself, and offers the others.
        """
        name = request.match_info.get("page", "now").partition("/")[0]
        status = 200 if self._files.has(f"admin/{name}-page.js") else 404
        text = with_picture(self._files.page("admin/index.html"), self._base_url(request), SERVICE)
        return html_page(request, text, status=status)

    async def get_me(self, request: web.Request) -> web.Response:
        """`GET /me`: where the visitor's account is signed in."""
        return self._branded(request, "me.html")

    def _branded(self, request: web.Request, name: str) -> web.Response:
        """A page as the brand of the host has it."""
        service = service_of(self._known_brands.of_host(request.host))
        text = page_for(request, self._files, self._known_brands, name)
        return html_page(request, with_picture(text, self._base_url(request), service))

    async def get_leaderboard(self, request: web.Request) -> web.Response:
        """`GET /leaderboard`: leaderboards and crews. What a crew's board shows, the API gives to its members only."""
        return self._branded(request, "leaderboard.html")

    async def get_docs(self, request: web.Request) -> web.Response:
        """`GET /api/docs`: the OpenAPI document as a page."""
        return html_page(request, self._files.page("docs.html"))

    async def get_file(self, request: web.Request) -> web.Response:
        """`GET /static/{name}` and `GET /static/{version}/{name}`; the name may be in a folder."""
        return self._files.answer(request, request.match_info["name"], request.match_info.get("version"))

    async def get_service_worker(self, request: web.Request) -> web.Response:
        """`GET /service-worker.js`: at the root, because a worker is for the addresses below its own. Browsers ask each time."""
        text = CLEARING_SCRIPT
        if self._has_worker:
            page = page_for(request, self._files, self._known_brands, "index.html")
            text = worker_script(self._files, page, _PAGE_HEADERS)
        return revalidated(request, text.encode(), "text/javascript")

    async def get_healthz(self, _request: web.Request) -> web.Response:
        """`GET /healthz`: the process is alive."""
        return web.json_response({"status": "ok"})

    async def get_readyz(self, _request: web.Request) -> web.Response:
        """`GET /readyz`: whether this node may get traffic."""
        reasons = self._why_not_ready()
        if reasons:
            return web.json_response({"status": "not ready", "reasons": reasons}, status=503)
        paused = self._why_paused()
        return web.json_response({"status": "ready", **({"paused": paused} if paused else {})})

    async def get_metrics(self, request: web.Request) -> web.Response:
        """`GET /metrics`: all metrics in the text format of Prometheus."""
        if self._metrics_token is not None:
            scheme, _, given = request.headers.get("Authorization", "").partition(" ")
            wanted = self._metrics_token.encode()
            if scheme.lower() != "bearer" or not hmac.compare_digest(
                given.strip().encode("utf-8", "surrogateescape"), wanted
            ):
                message = (
                    "The metrics need a token. Send `Authorization: Bearer` with the value of MYSETLIST_METRICS_TOKEN."
                )
                raise Refused(Code.UNAUTHENTICATED, message)
        return web.Response(body=exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def answer_unknown_paths(files: StaticFiles, known_brands: KnownBrands) -> Middleware:
    """Makes the middleware that answers an unknown path with a page of the host's brand. A program that asks for a path of the API gets a problem."""

    @web.middleware
    async def middleware(request: web.Request, handler: RequestHandler) -> web.StreamResponse:
        is_unknown = isinstance(request.match_info.http_exception, web.HTTPNotFound)
        if is_unknown and request.method in ("GET", "HEAD") and not request.raw_path.startswith(_NO_PAGES):
            text = page_for(request, files, known_brands, "not-found.html")
            return html_page(request, text, status=404)
        return await handler(request)

    return middleware


def answer_failed_pages(files: StaticFiles, known_brands: KnownBrands) -> Middleware:
    """Makes the middleware that gives a person with a browser a page in place of a problem document, which programs read."""

    @web.middleware
    async def middleware(request: web.Request, handler: RequestHandler) -> web.StreamResponse:
        answer = await handler(request)
        is_problem = answer.content_type == "application/problem+json"
        if not is_problem or request.method not in ("GET", "HEAD") or request.raw_path.startswith(_NO_PAGES):
            return answer
        if not weights_of(request.headers.get("Accept", "")).get("text/html"):
            return answer
        name = "not-found.html" if answer.status == web.HTTPNotFound.status_code else "failed.html"
        text = page_for(request, files, known_brands, name)
        page = html_page(request, text, status=answer.status)
        page.headers.update({name: answer.headers[name] for name in _KEPT_OF_PROBLEM if name in answer.headers})
        return page

    return middleware


def html_page(request: web.Request, text: str, *, status: int = 200) -> web.Response:
    """The answer that carries a page."""
    body = text.encode()
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding, Accept-Language, Cookie, Authorization"}
    if encoding := encoding_for(request):
        body, headers["Content-Encoding"] = compress(body, encoding, is_kept=False), encoding
    return web.Response(status=status, body=body, headers=headers, content_type="text/html", charset="utf-8")
