"""Listens for HTTP: aiohttp's runner with a handshake timeout, and with problem documents for malformed requests."""

from __future__ import annotations

import asyncio
import logging
import socket
from functools import partial
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_request import BaseRequest

from server.errors import Refused
from server.protocol.codes import Code
from server.web.errors import problem

log = structlog.get_logger()


class Runner(web.AppRunner):
    """Serves an app, and does two things that aiohttp has no setting for: it answers bytes that are no HTTP with a problem
    document, and closes a connection that sends no request.

    Takes: handshake_s, the time from the connection to the end of the headers of its first request
    """

    __slots__ = ("_handshake_s",)

    def __init__(self, app: web.Application, handshake_s: float, **options: Any) -> None:
        super().__init__(app, **options)
        self._handshake_s = handshake_s

    @property
    def server(self) -> Any:
        """The factory that makes the protocol of a new connection; None before `setup`."""
        served = super().server
        if served is None:
            return None
        options: dict[str, Any] = {"access_log": None, "logger": http_logger(), "handshake_s": self._handshake_s}
        return partial(_RequestHandler, served, loop=asyncio.get_running_loop(), **options)


def listening_sockets(runner: web.AppRunner) -> list[socket.socket]:
    """The sockets that a runner listens on."""
    # aiohttp has no public way to them; its own `addresses` reads them in the same way.
    servers: list[Any] = [site._server for site in runner.sites]  # noqa: SLF001
    return [listening for server in servers for listening in server.sockets]


class _RequestHandler(web.RequestHandler):
    __slots__ = ("_handshake_s",)

    def __init__(self, *arguments: Any, handshake_s: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._handshake_s = handshake_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # aiohttp starts its keep-alive timer after each request. The timer closes a connection that still waits for the
        # headers of the next request. This starts it for the first request too.
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
