"""Listens for HTTP: aiohttp's runner with a handshake timeout, and with problem documents for malformed requests."""

from __future__ import annotations

import asyncio
import logging
import socket
from functools import partial
from typing import Any, cast

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler
from aiohttp.web_request import BaseRequest

from server.errors import Refused
from server.protocol.codes import Code
from server.telemetry import LIMITED
from server.web.errors import problem

log = structlog.get_logger()

# Of the files that this process may open, the last ones are kept. The system gives the lowest free number to each file, so a
# connection's number tells how many files are open. Beyond the connections come those that serve only probes, and then the
# files of the engines' pools and the page, which are opened for moments.
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
SPARE_FILES = 64
KEPT_FILES = 32
SPARE_HANDSHAKE_S = 2.0
RETRY_AFTER_MS = 5_000


class Runner(web.AppRunner):
    """Serves an app, and does two things that aiohttp has no setting for: it answers bytes that are no HTTP with a problem
    document, and closes a connection that sends no request.

    Takes: handshake_s, the time from the connection to the end of the headers of its first request; files_max, how many files
           this process may open
    """

    __slots__ = ("_files_max", "_handshake_s")

    def __init__(self, app: web.Application, handshake_s: float, *, files_max: int, **options: Any) -> None:
        super().__init__(app, **options)
        self._handshake_s = handshake_s
        self._files_max = files_max

    @property
    def server(self) -> Any:
        """The factory that makes the protocol of a new connection; None before `setup`."""
        served = super().server
        if served is None:
            return None
        options: dict[str, Any] = {"access_log": None, "logger": http_logger(), "handshake_s": self._handshake_s}
        options["files_max"] = self._files_max
        return partial(_RequestHandler, served, loop=asyncio.get_running_loop(), **options)


@web.middleware
async def keep_files_for_probes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers only probes on the last connections that the limit of open files allows, and closes them afterwards."""
    protocol = request.protocol
    if isinstance(protocol, _RequestHandler) and protocol.is_spare:
        protocol.close()
        if request.path not in PROBES:
            LIMITED.labels("files").inc()
            message = "Too many connections to this server. Try again in a few seconds."
            raise Refused(Code.OVERLOADED, message, retry_after_ms=RETRY_AFTER_MS)
    return await handler(request)


def listening_sockets(runner: web.AppRunner) -> list[socket.socket]:
    """The sockets that a runner listens on."""
    # aiohttp has no public way to them; its own `addresses` reads them in the same way.
    servers: list[Any] = [site._server for site in runner.sites]  # noqa: SLF001
    return [listening for server in servers for listening in server.sockets]


class _RequestHandler(web.RequestHandler):
    __slots__ = ("_files_max", "_handshake_s", "is_spare")

    def __init__(self, *arguments: Any, handshake_s: float, files_max: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._handshake_s = handshake_s
        self._files_max = files_max
        self.is_spare = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        number = transport.get_extra_info("socket").fileno()
        if number >= self._files_max - KEPT_FILES:
            cast("asyncio.Transport", transport).abort()
            return
        self.is_spare = number >= self._files_max - KEPT_FILES - SPARE_FILES
        # aiohttp starts its keep-alive timer after each request. The timer closes a connection that still waits for the
        # headers of the next request. This starts it for the first request too.
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
        self._next_keepalive_close_time = self._loop.time() + (
            min(self._handshake_s, SPARE_HANDSHAKE_S) if self.is_spare else self._handshake_s
        )
        self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        super().handle_error(request, status, exc, message)  # it logs
        refused = Refused(Code.BAD_REQUEST, "This is no HTTP request, or its first line or its headers are too long.")
        answer = problem(refused if status < 500 else Refused(Code.INTERNAL, "The server has a fault. It is logged."))
        answer.force_close()
        return answer


def http_logger() -> logging.Logger:
    """The logger for errors outside of handlers. Malformed HTTP gives a line and no traceback: any client can send it."""
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
