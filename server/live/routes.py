"""The upgrade to `/ws`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import structlog
from aiohttp import web
from structlog.contextvars import get_contextvars

from server.errors import CacheError, Refused, StoreError
from server.live.handed_socket import HandedSocket, Link, LiveSocket
from server.live.services import AddressOf, Identify, Services
from server.live.sockets import Sockets
from server.live.websocket import WebsocketConnection
from server.protocol.codes import Code
from server.protocol.identity import Identity
from server.protocol.messages import SUBPROTOCOL

log = structlog.get_logger()


class LiveRoutes:
    """The route of websockets.

    Takes: link_of, the connection of a request that is a websocket now; handed_over, what the process before this one knew of
           a request's connection
    """

    def __init__(
        self,
        services: Services,
        sockets: Sockets,
        identify: Identify,
        address_of: AddressOf,
        *,
        link_of: Callable[[web.Request], Link],
        handed_over: Callable[[web.Request], HandedSocket | None] = lambda _request: None,
    ) -> None:
        self._services = services
        self._sockets = sockets
        self._identify = identify
        self._address_of = address_of
        self._link_of = link_of
        self._handed_over = handed_over

    def routes(self) -> list[web.RouteDef]:
        """Routes for the router of the web application."""
        return [web.get("/ws", self.get_websocket)]

    async def get_websocket(self, request: web.Request) -> web.StreamResponse:
        """`GET /ws`; returns when a task of its own serves the websocket."""
        if self._sockets.is_draining:
            raise Refused(Code.UNAVAILABLE, "The server is going away. Try again.", retry_after_ms=1_000)
        limits = self._services.connection_limits
        address = self._address_of(request)
        handed = self._handed_over(request)
        # First: a page cannot read the answer to its upgrade, and asks for the reason with a plain GET.
        limits.acquire_address(address, was_let_in=handed is not None)
        try:
            connection = await self._upgrade(request, address, handed)
        except BaseException:
            limits.release_address(address)
            raise
        self._sockets.add(connection)
        serving = connection.run(None if handed is None else handed.channels)
        connection.socket.link.task = task = asyncio.create_task(serving, name="websocket")
        task.add_done_callback(partial(self._ended, connection))
        return connection.socket

    async def _upgrade(self, request: web.Request, address: str, handed: HandedSocket | None) -> WebsocketConnection:
        frame_bytes = self._services.connection_limits.limits.frame_bytes
        socket = LiveSocket(is_upgraded=handed is not None, protocol=SUBPROTOCOL, message_bytes_max=frame_bytes)
        if not socket.can_prepare(request).ok:
            raise Refused(Code.BAD_REQUEST, f"This is a websocket. Connect with the subprotocol {SUBPROTOCOL}.")
        identity = await self._identified(request) if handed is None else handed.identity
        await socket.prepare(request)
        link = self._link_of(request)
        socket.leave_http(link)
        connection = WebsocketConnection(
            socket,
            link.transport,
            self._services,
            identity,
            address=address,
            request_id=get_contextvars().get("request_id", ""),
        )
        if handed is not None:
            connection.go_on_from(handed)
        link.take_at_once = connection.take_at_once
        return connection

    def _ended(self, connection: WebsocketConnection, task: asyncio.Task[None]) -> None:
        self._sockets.remove(connection)
        self._services.connection_limits.release_address(connection.address)
        connection.transport.close()
        # A cancelled task holds the frames that it was cancelled in, and these hold the link.
        connection.socket.link.task = None
        error = None if task.cancelled() else task.exception()
        if isinstance(error, StoreError | CacheError):
            log.warning("socket.unavailable", error=str(error))
        elif error is not None and not isinstance(error, ConnectionError):
            log.error("socket.failed", exc_info=error)

    async def _identified(self, request: web.Request) -> Identity | None:
        """The identity of a request to upgrade.

        A bad token in the header is refused while an HTTP answer is still possible. A browser, which sends a cookie, could not
        read that answer: it gets the refusal on the socket.
        """
        identity = await self._identify(request)
        if identity is not None and "Authorization" in request.headers:
            banned = self._services.why_banned(identity.user_id)
            if banned is not None:
                raise Refused(Code.FORBIDDEN, banned)
        return identity
