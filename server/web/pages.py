"""Serves the page and its files, the probes of load balancers, and metrics for Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from server.errors import Refused
from server.protocol.codes import Code
from server.telemetry import exposition

_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Adds the security headers to every response (signal on_response_prepare)."""
    headers = response.headers
    headers.setdefault("Content-Security-Policy", _CONTENT_SECURITY_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    if request.path.startswith("/static/") or isinstance(response, web.FileResponse):
        # Browsers ask each time and get 304 if nothing changed, so that a page never mixes files of two versions.
        headers.setdefault("Cache-Control", "no-cache")


class Pages:
    """The routes of the page, the probes and the metrics.

    Takes: folder, of the static files; why_not_ready, gives the reasons why this node should get no traffic, empty: ready
    """

    def __init__(self, folder: Path, why_not_ready: Callable[[], list[str]]) -> None:
        self._folder = folder
        self._names = {path.name for path in folder.iterdir() if path.is_file()}
        self._why_not_ready = why_not_ready

    def routes(self) -> list[web.AbstractRouteDef]:
        """Routes for the router of the web application."""
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
        """The page; its script chooses the view by the path."""
        return web.FileResponse(self._folder / "index.html")

    async def get_docs(self, _request: web.Request) -> web.FileResponse:
        """`GET /api/docs`: the OpenAPI document as a page."""
        return web.FileResponse(self._folder / "docs.html")

    async def get_file(self, request: web.Request) -> web.FileResponse:
        """`GET /static/{name}`: only files that existed at the start, so that no name leads out of the folder."""
        name = request.match_info["name"]
        if name not in self._names:
            raise Refused(Code.NOT_FOUND, "No such file.")
        return web.FileResponse(self._folder / name)

    async def get_healthz(self, _request: web.Request) -> web.Response:
        """`GET /healthz`: the process is alive."""
        return web.json_response({"status": "ok"})

    async def get_readyz(self, _request: web.Request) -> web.Response:
        """`GET /readyz`: whether this node may get traffic."""
        reasons = self._why_not_ready()
        if reasons:
            return web.json_response({"status": "not ready", "reasons": reasons}, status=503)
        return web.json_response({"status": "ready"})

    async def get_metrics(self, _request: web.Request) -> web.Response:
        """`GET /metrics`: all metrics in the text format of Prometheus."""
        return web.Response(body=exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})
