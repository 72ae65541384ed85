"""departures: takes websockets off this node, so that another process can go on with them.

Owns:      the websockets that are about to leave
Threads:   event loop only
Limits:    BATCH_SOCKETS, REST_S (docs/limits.md)
Never:     takes a socket that owes an answer, or has bytes that the client has not taken
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from server.live.arrival import resume
from server.live.handed_socket import HandedChannel, HandedSocket
from server.live.hub import Hub
from server.live.sockets import Sockets
from server.live.websocket import WebsocketConnection

# The kernel passes at most 253 descriptors in a message.
BATCH_SOCKETS = 200
# How long a batch waits for its slowest sockets; these go with a later batch.
BATCH_WAIT_S = 0.3
# The time after which a socket that never comes to rest stays: its client reads nothing, or floods.
REST_S = 10.0
POLL_S = 0.005


class Departure:
    """One websocket that is about to leave. It reads nothing more, answers what it has read, and waits.

    is_still: whether it has answered everything but its casts; channels: what it watched, once it is off the hub
    """

    def __init__(self, connection: WebsocketConnection) -> None:
        self.connection = connection
        transport = connection.socket.link.transport
        assert transport is not None
        self._transport = transport
        self.is_still = False
        self.channels: list[HandedChannel] | None = None
        self._resumed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        connection.departure = self
        self._stop_reading()

    async def marked(self) -> None:
        """Called by the connection's reader at the mark. Returns when the socket stays; cancelled when it has left."""
        if self._transport.is_reading():
            # aiohttp has begun to read again, because its queue was full before.
            self._stop_reading()
            return
        self.is_still = True
        await self._resumed

    def resume(self) -> None:
        """Goes on reading."""
        self.connection.departure = None
        if not self._resumed.done():
            self._resumed.set_result(None)
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _stop_reading(self) -> None:
        self._transport.pause_reading()
        self.connection.socket.mark()


class Departures:
    """All websockets of a node, in batches.

    Takes: owes_notices, whether votes that were answered as accepted are not confirmed yet
    """

    def __init__(self, sockets: Sockets, hub: Hub, owes_notices: Callable[[], bool]) -> None:
        self._sockets = sockets
        self._hub = hub
        self._owes_notices = owes_notices
        self._waiting: list[Departure] = []

    async def batch(self) -> list[tuple[Departure, HandedSocket]]:
        """The next websockets that have come to rest, off this node; none: all have left that will.

        `left` or `stay` must follow.
        """
        began_s = time.monotonic()
        self._hold_more()
        while True:
            self._waiting = [one for one in self._waiting if not one.connection.transport.is_closing()]
            if not self._waiting:
                # All of them have hung up.
                self._hold_more()
            ready = [departure for departure in self._waiting if self._is_ready(departure)]
            waited_s = time.monotonic() - began_s
            if not self._waiting or waited_s > REST_S:
                return self._take(ready)
            if ready and (len(ready) == len(self._waiting) or waited_s > BATCH_WAIT_S):
                return self._take(ready)
            await asyncio.sleep(POLL_S)

    def left(self, batch: list[tuple[Departure, HandedSocket]]) -> None:
        """Closes this process's descriptors of sockets that another process has."""
        for departure, _ in batch:
            departure.connection.transport.abort()

    async def stay(self, batch: list[tuple[Departure, HandedSocket]]) -> None:
        """Goes on with these sockets here, and with all that are still waiting."""
        for departure, _ in batch:
            self._sockets.add(departure.connection)
        departures, self._waiting = [*(departure for departure, _ in batch), *self._waiting], []
        await asyncio.gather(*map(self._go_on, departures))

    async def _go_on(self, departure: Departure) -> None:
        if departure.channels:
            await resume(departure.connection.services, departure.connection, departure.channels)
        departure.resume()

    def _hold_more(self) -> None:
        missing = BATCH_SOCKETS - len(self._waiting)
        for connection in self._sockets.connections():
            if missing <= 0:
                break
            if (
                isinstance(connection, WebsocketConnection)
                and connection.departure is None
                and not connection.transport.is_closing()
            ):
                self._waiting.append(Departure(connection))
                missing -= 1

    def _is_ready(self, departure: Departure) -> bool:
        connection = departure.connection
        if not departure.is_still or connection.pending_count:
            return False
        if connection.transport.get_write_buffer_size():
            # It would never be empty while pushes come.
            if departure.channels is None:
                self._leave_hub(departure)
            return False
        return not self._owes_notices() and (departure.channels is not None or self._is_between_pushes(connection))

    def _is_between_pushes(self, connection: WebsocketConnection) -> bool:
        return all(self._position(connection, name) is not None for name in connection.channels)

    def _leave_hub(self, departure: Departure) -> None:
        """Writes down what the client holds, and sends it no more pushes; does nothing while a push is under way."""
        connection = departure.connection
        positions = {name: self._position(connection, name) for name in connection.channels}
        held = [HandedChannel(name, *position) for name, position in positions.items() if position is not None]
        if len(held) == len(positions):
            departure.channels = held
            self._hub.leave_all(connection)

    def _position(self, connection: WebsocketConnection, name: str) -> tuple[int, bool] | None:
        channel = self._hub.channel(name)
        assert channel is not None
        return channel.position_of(connection)

    def _take(self, ready: list[Departure]) -> list[tuple[Departure, HandedSocket]]:
        batch = []
        for departure in ready:
            self._waiting.remove(departure)
            connection = departure.connection
            if departure.channels is None:
                # Only now, so that it misses pushes for as short as possible.
                self._leave_hub(departure)
            self._sockets.release(connection)
            assert departure.channels is not None
            socket = connection.socket
            unfinished = socket.link.unfinished
            batch.append(
                (
                    departure,
                    HandedSocket(
                        head=socket.head(connection.request_id),
                        unread=b"" if unfinished is None else bytes(unfinished.kept),
                        identity=connection.identity,
                        number=connection.number,
                        opened_ms=connection.opened_ms,
                        has_asked=connection.has_asked,
                        alarm_ms=connection.alarm_ms,
                        channels=departure.channels,
                    ),
                )
            )
        return batch
