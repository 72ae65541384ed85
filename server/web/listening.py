"""Listens for HTTP: the runner, its connections and their timeouts."""

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
