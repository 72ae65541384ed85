"""One client of this node, by websocket or event stream: all that the sweep, the fleet and dismissals need to know."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal

import structlog

from server.clock import Clock
from server.errors import Disconnect
from server.live.channel import Subscriber, Transport
from server.live.handed_socket import HandedSocket
from server.live.stalled import StallTimer
from server.protocol.codes import CLOSE_SLOW, NO_GOODBYE
from server.protocol.embargo import audience_of
from server.protocol.identity import Identity

log = structlog.get_logger()

PING_INTERVAL_S = 25.0


class ClientConnection(Subscriber, ABC):
    """A subscriber with an identity, an address and an age.

    alarm_ms: the next time at which its token needs attention [ms since 1970], see `on_alarm`
    has_asked: whether its first request has come; opened_s: the time from which it is awaited
    number: of this connection on this node; address: the one that limits count; opened_ms: its start [ms since 1970]
    request_id: of its HTTP request, in every log record about it
    """

    __slots__ = (
        "_close_code", "address", "alarm_ms", "has_asked", "heard_s", "identity", "number", "opened_ms", "opened_s", "pinged_s",
        "request_id", "stall_timer",
    )  # fmt: skip

    kind: Literal["websocket", "events"]
    # The time before the end of its token at which the first alarm comes.
    expiry_notice_ms = 0

    def __init__(
        self,
        transport: Transport,
        descriptor: int,
        clock: Clock,
        identity: Identity | None,
        *,
        address: str,
        request_id: str,
        has_asked: bool,
    ) -> None:
        super().__init__(transport, descriptor)
        self.sign_in(identity)
        self.has_asked = has_asked
        self.number = 0
        self.address = address
        self.request_id = request_id
        self.stall_timer = StallTimer()
        self.opened_ms = clock.now_ms()
        self.heard_s = self.pinged_s = self.opened_s = clock.monotonic_s()
        self._close_code = 0

    @property
    def close_code(self) -> int:
        """The code that this node closed it with; 1006: it ended without a close frame."""
        return self._close_code or NO_GOODBYE

    def go_on_from(self, handed: HandedSocket) -> None:
        """Takes over what another process knew of the client."""
        self.number, self.opened_ms, self.has_asked = handed.number, handed.opened_ms, handed.has_asked
        self.alarm_ms = handed.alarm_ms

    def sign_in(self, identity: Identity | None) -> None:
        """Gives the connection to an identity; casts under way stay with the identity that sent them."""
        self.identity = identity
        self.audience = audience_of(identity)
        expires_ms = None if identity is None else identity.expires_ms
        self.alarm_ms = math.inf if expires_ms is None else expires_ms - self.expiry_notice_ms

    def hang_up_slow(self) -> None:
        """Closes at once, because the client does not read: a close frame would wait behind the unread bytes."""
        log.info("socket.slow", close_code=CLOSE_SLOW, request_id=self.request_id)
        self._close_code = CLOSE_SLOW
        self.transport.abort()

    @abstractmethod
    def ping(self, now_s: float) -> None:
        """Sends a ping, after PING_INTERVAL_S of silence."""

    @abstractmethod
    def on_alarm(self, now_ms: int) -> None:
        """Handles a token that ends soon or has ended."""

    @abstractmethod
    def dismiss(self, end: Disconnect) -> None:
        """Sends the reason and closes."""

    @abstractmethod
    def hang_up(self, close_code: int, reason: str) -> None:
        """Closes once everything is sent."""

    @abstractmethod
    def send_away(self, min_ms: int, max_ms: int) -> None:
        """Sends the time after which to come back, and closes: the node is stopping."""
