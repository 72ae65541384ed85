"""All open websockets and event streams of a node: pings them, ends the slow and the dead, drains."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

import structlog

from server.clock import Clock
from server.errors import Disconnect
from server.live.connection import PING_INTERVAL_S, ClientConnection
from server.protocol.codes import CLOSE_NORMAL, CLOSE_REASONS, CLOSE_STALE, NO_GOODBYE
from server.protocol.identity import Identity
from server.protocol.limits import DEFAULT_LIMITS, Limits
from server.telemetry import CLOSES, SOCKETS

log = structlog.get_logger()

SWEEP_INTERVAL_S = 1.0
PONG_TIMEOUT_S = 10.0
DRAIN_SLICE_SOCKETS = 200
DRAIN_MIN_MS = 500
DRAIN_MAX_MS = 5_000


class Sockets:
    """The set of open connections: `add` and `remove` change it, `run` sweeps over it.

    opened_count: the number of the last one that began here; a node that follows another one goes on from its number
    """

    def __init__(self, clock: Clock, limits: Limits = DEFAULT_LIMITS) -> None:
        self._clock = clock
        self._limits = limits
        self._connections: set[ClientConnection] = set()
        self.opened_count = 0
        self.is_draining = False

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: ClientConnection) -> None:
        """Adds a connection, and numbers it unless it has a number."""
        if not connection.number:
            self.opened_count += 1
            connection.number = self.opened_count
        self._connections.add(connection)
        SOCKETS.labels(connection.kind).inc()

    def release(self, connection: ClientConnection) -> None:
        """Removes a connection that goes on at another node; `add` takes it back."""
        self._connections.discard(connection)
        SOCKETS.labels(connection.kind).dec()

    def remove(self, connection: ClientConnection) -> None:
        """Removes a connection that has ended; does nothing the second time."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        code = connection.close_code
        # Clients may send any number: an unknown one must not make a metric series of its own.
        CLOSES.labels(str(code) if code in CLOSE_REASONS or code == NO_GOODBYE else "other").inc()
        SOCKETS.labels(connection.kind).dec()

    def hang_up_user(self, user_id: int) -> int:
        """Closes every connection of a user to this node and gives their number; the user's pages reconnect."""
        theirs = [c for c in self._connections if c.identity is not None and c.identity.user_id == user_id]
        for connection in theirs:
            connection.hang_up(CLOSE_NORMAL, "account erased")
        return len(theirs)

    def connections(self) -> list[ClientConnection]:
        """All open connections."""
        return list(self._connections)

    def identities(self) -> set[Identity]:
        """Identities that are signed in on this node."""
        return {connection.identity for connection in self._connections if connection.identity is not None}

    def dismiss(self, ends: Mapping[Identity, Disconnect]) -> None:
        """Closes the connections of some identities, each for the given reason."""
        for connection in list(self._connections):
            end = None if connection.identity is None else ends.get(connection.identity)
            if end is not None:
                log.info("socket.dismissed", close_code=end.close_code, request_id=connection.request_id)
                connection.dismiss(end)

    async def run(self) -> None:
        """Sweeps once a second until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_S)
            self.sweep()

    def sweep(self) -> None:
        """Pings quiet connections and closes dead, stalled and silent ones, in one round over all."""
        now_s, now_ms = self._clock.monotonic_s(), self._clock.now_ms()
        for connection in list(self._connections):
            quiet_s = now_s - connection.heard_s
            # First, and also for connections that are closing: a close frame that is not taken would keep them for ever.
            if connection.stall_timer.stalled_s(connection.transport, now_s) > self._limits.stalled_s:
                connection.hang_up_slow()
            elif connection.transport.is_closing():
                continue
            elif quiet_s > PING_INTERVAL_S + PONG_TIMEOUT_S:
                log.info("socket.stale", close_code=CLOSE_STALE, request_id=connection.request_id)
                connection.hang_up(CLOSE_STALE, "no pong")
            elif not connection.has_asked and now_s - connection.opened_s > self._limits.hello_s:
                log.info("socket.silent", close_code=CLOSE_STALE, request_id=connection.request_id)
                connection.hang_up(CLOSE_STALE, "no request")
            elif now_ms >= connection.alarm_ms:
                connection.on_alarm(now_ms)
            elif quiet_s >= PING_INTERVAL_S and now_s - connection.pinged_s >= PING_INTERVAL_S:
                connection.ping(now_s)

    async def drain(self, slice_pause_s: float = 0.02) -> None:
        """Sends every client away with the time to come back, in slices and in random order."""
        self.is_draining = True
        connections = list(self._connections)
        random.shuffle(connections)
        for start in range(0, len(connections), DRAIN_SLICE_SOCKETS):
            for connection in connections[start : start + DRAIN_SLICE_SOCKETS]:
                connection.send_away(DRAIN_MIN_MS, DRAIN_MAX_MS)
            await asyncio.sleep(slice_pause_s)
