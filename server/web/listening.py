"""Listens for HTTP: aiohttp's runner with counted connections, deadlines, and problem documents for malformed requests."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import structlog
from aiohttp import web
from aiohttp.http import WebSocketReader
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware
from aiohttp.web_request import BaseRequest

from server.errors import Refused, SetupError
from server.protocol.codes import Code
from server.protocol.http.addresses import Network, client_address, is_trusted
from server.protocol.limits import Limits
from server.telemetry import LIMITED, OPEN_CONNECTIONS
from server.web.errors import problem
from server.web.upgraded import Upgraded, end_all

log = structlog.get_logger()

# Of the files that this process may open, the last ones are kept. The system gives the lowest free number to each file, so a
# connection's number tells how many files are open. Beyond the connections come those that serve only probes, and then the
# files of the engines' pools and the page, which are opened for moments.
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
SPARE_FILES = 64
KEPT_FILES = 32
SPARE_HANDSHAKE_S = 2.0
RETRY_AFTER_MS = 5_000
# A proxy must be the first to close an idle connection, because it may send a request at the same moment. Most wait for 60 s.
PROXY_IDLE_S = 75.0
# Where the system allows few open files, an address may take this share of the connections.
ADDRESS_SHARE = 2 / 3


def most_of_address(connections_max: int, files_max: int) -> int:
    """How many connections an address may have: its limit, or its share of what the open files allow."""
    return min(connections_max, int((files_max - KEPT_FILES - SPARE_FILES) * ADDRESS_SHARE))


class OpenConnections:
    """Counts the open connections of clients, those of each address too. upgraded: those that have left HTTP.

    Takes: files_max, how many files this process may open; trusted, the networks of proxies: these have no limit of their own
    """

    def __init__(self, limits: Limits, *, files_max: int, trusted: tuple[Network, ...]) -> None:
        self.limits = limits
        self._for_clients = files_max - KEPT_FILES - SPARE_FILES
        self._per_address_max = most_of_address(limits.open_connections_per_address, files_max)
        self._trusted = trusted
        self._count = 0
        self._addresses: dict[str, int] = {}
        self.upgraded: set[Upgraded] = set()

    def add(self, address: str, number: int) -> tuple[int, str]:
        """Counts a connection; `remove` must follow. Takes: address, "" for a proxy; number, of its file.

        Gives: by how many connections it is beyond a limit, and the name of this limit
        """
        self._count += 1
        OPEN_CONNECTIONS.inc()
        of_address = self._addresses[address] = self._addresses.get(address, 0) + 1
        return max(
            (number - self._for_clients + 1, "files"),
            (self._count - self.limits.open_connections, "open_connections"),
            (of_address - self._per_address_max if address else 0, "open_connections_per_address"),
        )

    def remove(self, address: str) -> None:
        """Counts a connection less."""
        self._count -= 1
        OPEN_CONNECTIONS.dec()
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]

    def lost(self, upgraded: Upgraded) -> None:
        """Counts a connection less that has left HTTP."""
        self.upgraded.discard(upgraded)
        self.remove(upgraded.address)

    def address_of(self, transport: asyncio.BaseTransport) -> str:
        """The address that is counted; "" for a trusted proxy, and for a peer without an address."""
        peer = transport.get_extra_info("peername")
        host = peer[0] if isinstance(peer, tuple) else None
        return "" if is_trusted(host, self._trusted) else client_address(host, (), (), ())


class Runner(web.AppRunner):
    """Serves an app, and does three things that aiohttp has no setting for: it answers bytes that are no HTTP with a problem
    document, closes a connection that sends no request, and lets go of websockets (upgraded.py).

    Takes: connections, which counts them; shutdown_timeout, for requests, and then for websockets
    """

    __slots__ = ("_connections", "_websockets_end_s")

    def __init__(
        self, app: web.Application, connections: OpenConnections, *, shutdown_timeout: float, **options: Any
    ) -> None:
        super().__init__(app, shutdown_timeout=shutdown_timeout, **options)
        self._connections = connections
        self._websockets_end_s = shutdown_timeout

    @property
    def server(self) -> Any:
        """The factory that makes the protocol of a new connection; None before `setup`."""
        served = super().server
        if served is None:
            return None
        options: dict[str, Any] = {"access_log": None, "logger": http_logger(), "connections": self._connections}
        return partial(_RequestHandler, served, loop=asyncio.get_running_loop(), **options)

    def close_idle(self) -> None:
        """Closes each connection that waits for a request. aiohttp's own way also closes the ones whose request is still coming."""
        served = super().server
        assert served is not None
        for protocol in list(served.connections):
            if isinstance(protocol, _RequestHandler) and protocol.is_idle:
                protocol.force_close()

    @property
    def connection_count(self) -> int:
        """The connections that are open."""
        served = super().server
        return 0 if served is None else len(served.connections) + len(self._connections.upgraded)

    async def cleanup(self) -> None:
        """Ends all connections."""
        await super().cleanup()
        await end_all(self._connections.upgraded, self._websockets_end_s)

    async def adopt(self, connected: socket.socket, replayed: bytes, handed: object) -> None:
        """Serves a connection that another process has let in and handed over.

        Takes: replayed, what the client has sent, as far as it must be read again: its request, and what came behind it;
               handed, what else the other process knew, see `handed_over`
        """
        make_protocol = partial(self.server, replayed=replayed, handed=handed)
        await asyncio.get_running_loop().connect_accepted_socket(make_protocol, connected)


def handed_over(request: web.Request) -> Any:
    """What the process before this one knew of a request's connection; None: it began here."""
    protocol = request.protocol
    return protocol.handed if isinstance(protocol, _RequestHandler) else None


def upgraded(request: web.Request) -> Upgraded:
    """The connection of a request that is a websocket now."""
    protocol = request.protocol
    assert isinstance(protocol, _RequestHandler)
    assert protocol.upgraded is not None
    return protocol.upgraded


def when_over(request: web.Request, call: Callable[[], None]) -> None:
    """Calls when a request that has its answer is over: now, or at the end of the websocket that it has become."""
    protocol = request.protocol
    task = protocol.upgraded.task if isinstance(protocol, _RequestHandler) and protocol.upgraded is not None else None
    if task is None:
        call()
    else:
        task.add_done_callback(lambda _task: call())


@web.middleware
async def keep_files_for_probes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers only probes on the connections beyond a limit, and closes them afterwards."""
    protocol = request.protocol
    if isinstance(protocol, _RequestHandler) and protocol.limit:
        protocol.close()
        if request.path not in PROBES:
            LIMITED.labels(protocol.limit).inc()
            of = "from your network" if protocol.limit == "open_connections_per_address" else "to this server"
            message = f"Too many connections {of}. Try again in a few seconds."
            raise Refused(Code.OVERLOADED, message, retry_after_ms=RETRY_AFTER_MS)
    return await handler(request)


def limit_forwarded(address_of: Callable[[web.Request], str], limits: Limits, files_max: int) -> Middleware:
    """Makes the middleware that limits the open requests of each address behind a trusted proxy.

    Their connections are those of the proxy, which have no limit of an address. A request is open until its answer: while its
    body comes, and as long as a websocket or an event stream lasts.
    """
    per_address_max = most_of_address(limits.open_connections_per_address, files_max)
    open_requests: dict[str, int] = {}

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        protocol = request.protocol
        if not isinstance(protocol, _RequestHandler) or not protocol.is_of_proxy or request.path in PROBES:
            return await handler(request)
        address = address_of(request)
        if not address:
            return await handler(request)
        count = open_requests.get(address, 0)
        if count >= per_address_max and protocol.handed is None:
            LIMITED.labels("open_connections_per_address").inc()
            message = "Too many connections from your network. Try again in a few seconds."
            raise Refused(Code.OVERLOADED, message, retry_after_ms=RETRY_AFTER_MS)
        open_requests[address] = count + 1
        try:
            return await handler(request)
        finally:
            when_over(request, partial(end, address))

    def end(address: str) -> None:
        open_requests[address] -= 1
        if not open_requests[address]:
            del open_requests[address]

    return middleware


def make_end_connections(
    is_leaving: Callable[[], bool],
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Makes the function that has a client open a new connection for its next request (signal on_response_prepare).

    Takes: is_leaving, whether another process takes the new connections
    """

    async def end_connection(_request: web.Request, response: web.StreamResponse) -> None:
        if is_leaving() and response.status != HTTPStatus.SWITCHING_PROTOCOLS:
            response.headers["Connection"] = "close"
            response.force_close()

    return end_connection


def end_with_answer(request: web.Request) -> None:
    """Closes the connection of a request after its answer, and waits for no more of its body."""
    protocol = request.protocol
    if isinstance(protocol, _RequestHandler):
        protocol.end_with_answer()


def listening_sockets(runner: web.AppRunner) -> list[socket.socket]:
    """The sockets that a runner listens on."""
    # aiohttp has no public way to them; its own `addresses` reads them in the same way.
    servers: list[Any] = [site._server for site in runner.sites]  # noqa: SLF001
    return [listening for server in servers for listening in server.sockets]


def reserve_port(host: str, port: int, *, is_shared: bool) -> socket.socket:
    """Holds a port without listening on it; the caller closes the socket.

    Takes:  is_shared, whether several processes listen on the port
    Raises: SetupError: another process has it, or this machine has no such address
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reservation = socket.socket(family, socket.SOCK_STREAM)
    try:
        if is_shared:
            reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # The connections of a node that ended a moment ago still hold the port; aiohttp sets this for a single node too.
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reservation.bind((host, port))
    except OSError as error:
        reservation.close()
        raise SetupError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return reservation


class _RequestHandler(web.RequestHandler):
    """One connection. limit: the name of the limit that it is beyond; "": none, it serves everything.

    handed: see `handed_over`; upgraded: what the connection is after HTTP
    """

    __slots__ = ("_address", "_connections", "_replayed", "handed", "limit", "upgraded")

    def __init__(
        self,
        *arguments: Any,
        connections: OpenConnections,
        replayed: bytes = b"",
        handed: object = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._connections = connections
        self._address: str | None = None
        self._replayed = replayed
        self.handed = handed
        self.limit = ""
        self.upgraded: Upgraded | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        limits = self._connections.limits
        self._address = self._connections.address_of(transport)
        beyond, limit = self._connections.add(self._address, transport.get_extra_info("socket").fileno())
        if self.handed is not None:
            # It was let in before.
            beyond = 0
        if beyond > SPARE_FILES:
            LIMITED.labels(limit).inc()
            cast("asyncio.Transport", transport).abort()
            return
        self.limit = limit if beyond > 0 else ""
        self._keepalive_timeout = limits.idle_s if self._address else PROXY_IDLE_S
        # aiohttp starts its keep-alive timer after each request. The timer closes a connection that still waits for the
        # headers of the next request. This starts it for the first request too.
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
        self._next_keepalive_close_time = self._loop.time() + (
            min(limits.handshake_s, SPARE_HANDSHAKE_S) if self.limit else limits.handshake_s
        )
        self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)
        if self._replayed:
            # Before the transport reads: what comes next follows this.
            self.data_received(self._replayed)
            self._replayed = b""

    def set_parser(self, parser: WebSocketReader, data_received_cb: Callable[[], None] | None = None) -> None:
        """Called by aiohttp for a websocket: the connection leaves HTTP, and this object, before another byte comes."""
        tail = self._message_tail  # what came behind the request to upgrade
        manager, address = self._manager, self._address
        assert manager is not None
        assert address is not None
        super().set_parser(parser, data_received_cb)
        self.upgraded = Upgraded(self, parser, tail, self._connections, address)
        self._connections.upgraded.add(self.upgraded)
        # Without a transport, aiohttp ends this object when the handler has returned, and closes nothing.
        self.transport = self._address = self._parser = None
        manager.connection_lost(self)

    @property
    def is_idle(self) -> bool:
        """Whether it waits for the first line and the headers of a request."""
        return self._waiter is not None

    @property
    def is_of_proxy(self) -> bool:
        """Whether a trusted proxy opened this connection, for any number of clients."""
        return self._address == ""

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if self._address is not None:
            self._connections.remove(self._address)
            self._address = None

    def end_with_answer(self) -> None:
        """See the function of this name."""
        self.close()
        self._lingering_time = 0.0

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
