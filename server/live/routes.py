"""The upgrade to `/ws`."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from structlog.contextvars import get_contextvars

from server.errors import Refused
from server.live.handed_socket import HandedSocket, LiveSocket
from server.live.services import AddressOf, Identify, Services
from server.live.sockets import Sockets
from server.live.websocket import WebsocketConnection
from server.protocol.codes import Code
from server.protocol.identity import Identity
from server.protocol.messages import SUBPROTOCOL


class LiveRoutes:
    """The route of websockets.

    Takes: handed_over, what the process before this one knew of a request's connection; take_at_once, hands the messages of the
           request's connection to a function first (web/listening.py)
    """

    def __init__(
        self,
        services: Services,
        sockets: Sockets,
        identify: Identify,
        address_of: AddressOf,
        *,
        handed_over: Callable[[web.Request], HandedSocket | None] = lambda _request: None,
        take_at_once: Callable[[web.Request, Callable[[bytes], bool]], None] = lambda _request, _take: None,
    ) -> None:
        self._services = services
        self._sockets = sockets
        self._identify = identify
        self._address_of = address_of
        self._handed_over = handed_over
        self._take_at_once = take_at_once

    def routes(self) -> list[web.RouteDef]:
        """Routes for the router of the web application."""
        return [web.get("/ws", self.get_websocket)]

    async def get_websocket(self, request: web.Request) -> web.StreamResponse:
        """`GET /ws`; ends with the socket."""
        if self._sockets.is_draining:
            raise Refused(Code.UNAVAILABLE, "The server is going away. Try again.", retry_after_ms=1_000)
        limits = self._services.connection_limits
        address = self._address_of(request)
        handed = self._handed_over(request)
        # First: a page cannot read the answer to its upgrade, and asks for the reason with a plain GET.
        limits.acquire_address(address, was_let_in=handed is not None)
        try:
            return await self._serve(request, address, handed)
        finally:
            limits.release_address(address)

    async def _serve(self, request: web.Request, address: str, handed: HandedSocket | None) -> web.StreamResponse:
        frame_bytes = self._services.connection_limits.limits.frame_bytes
        socket = LiveSocket(is_upgraded=handed is not None, protocol=SUBPROTOCOL, message_bytes_max=frame_bytes)
        if not socket.can_prepare(request).ok:
            raise Refused(Code.BAD_REQUEST, f"This is a websocket. Connect with the subprotocol {SUBPROTOCOL}.")
        identity = await self._identified(request) if handed is None else handed.identity
        await socket.prepare(request)
        assert request.transport is not None
        connection = WebsocketConnection(
            socket,
            request.transport,
            self._services,
            identity,
            address=address,
            request_id=get_contextvars().get("request_id", ""),
        )
        if handed is not None:
            connection.go_on_from(handed)
        self._sockets.add(connection)
        self._take_at_once(request, connection.take_at_once)
        try:
            await connection.run(None if handed is None else handed.channels)
        finally:
            self._sockets.remove(connection)
        return socket

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
