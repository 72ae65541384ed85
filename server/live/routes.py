"""The upgrade to `/ws`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from structlog.contextvars import get_contextvars

from server.errors import Refused
from server.live.connection import Connection
from server.live.services import Services
from server.live.sockets import Sockets
from server.protocol.codes import Code
from server.protocol.identity import Identity
from server.protocol.messages import SUBPROTOCOL


class LiveRoutes:
    """Takes: identify, request -> who its cookie or header names, None when nobody; address_of, request -> what counts
    as its address.
    """

    def __init__(
        self,
        services: Services,
        sockets: Sockets,
        identify: Callable[[web.Request], Awaitable[Identity | None]],
        address_of: Callable[[web.Request], str],
    ) -> None:
        self._services = services
        self._sockets = sockets
        self._identify = identify
        self._address_of = address_of

    def routes(self) -> list[web.RouteDef]:
        """What app adds to its router."""
        return [web.get("/ws", self.get_websocket)]

    async def get_websocket(self, request: web.Request) -> web.StreamResponse:
        """`GET /ws`; ends with the socket."""
        if self._sockets.is_draining:
            raise Refused(Code.UNAVAILABLE, "The server is going away. Try again.", retry_after_ms=1_000)
        socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            autoping=False,  # the sweep needs to see the pongs
            compress=False,  # each socket would need its own copy of a push
            max_msg_size=self._services.connection_limits.limits.frame_bytes + 1,  # aiohttp refuses from this size on
        )
        if not socket.can_prepare(request).ok:
            raise Refused(Code.BAD_REQUEST, f"This is a websocket; connect with the subprotocol {SUBPROTOCOL}.")
        # A bad token in the header is refused while an HTTP answer is still possible. A browser could not read it, so
        # whoever a cookie names is answered on the socket.
        identity = await self._identify(request)
        if identity is not None and "Authorization" in request.headers:
            banned = self._services.why_banned(identity.user_id)
            if banned is not None:
                raise Refused(Code.FORBIDDEN, banned)
        address = self._address_of(request)
        self._services.connection_limits.acquire_address(address)
        try:
            await socket.prepare(request)
            assert request.transport is not None
            connection = Connection(
                socket,
                request.transport,
                self._services,
                identity,
                address=address,
                request_id=get_contextvars().get("request_id", ""),
            )
            await self._serve(connection)
        finally:
            self._services.connection_limits.release_address(address)
        return socket

    async def _serve(self, connection: Connection) -> None:
        self._sockets.add(connection)
        try:
            await connection.run()
        finally:
            self._sockets.remove(connection)
