"""Seats: how many connections this node has, an address and a user have of them, and how fast each may ask."""

from __future__ import annotations

import math

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.limits import Limits
from server.telemetry import LIMITED

RETRY_AFTER_MS = 5_000


class Bucket:
    """A token bucket, kept as one number: the instant until which what was taken is paid for (GCRA).

    Takes: per_s, requests a second for ever; twice as many at once
    """

    __slots__ = ("_burst_s", "_cost_s", "_paid_until_s", "holder_count")

    def __init__(self, per_s: float) -> None:
        self._cost_s = 1.0 / per_s
        self._burst_s = 2.0 - self._cost_s
        self._paid_until_s = -math.inf
        self.holder_count = 0

    def wait_s(self, now_s: float) -> float:
        """Takes one and gives 0; or takes none, and gives how long to wait. Cost: about 100 ns, with every request."""
        paid_until_s = self._paid_until_s
        if paid_until_s <= now_s:
            self._paid_until_s = now_s + self._cost_s
            return 0.0
        if paid_until_s - now_s > self._burst_s:
            return paid_until_s - now_s - self._burst_s
        self._paid_until_s = paid_until_s + self._cost_s
        return 0.0


# Whose requests nobody but their connection counts.
NOBODY = Bucket(math.inf)


class Seats:
    """Counted in and out; a user's connections share a bucket."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._connection_count = 0
        self._addresses: dict[str, int] = {}
        self._users: dict[int, Bucket] = {}

    def enter(self, address: str) -> None:
        """One connection more; to be followed by `leave`.

        Raises: Refused: overloaded, the node or the address has as many as they may
        """
        if self._connection_count >= self.limits.connections:
            raise _full("connections", "This server has as many connections as it may.")
        of_address = self._addresses.get(address, 0)
        if of_address >= self.limits.connections_per_address:
            raise _full("connections_per_address", "Your network has as many connections as it may.")
        self._connection_count += 1
        self._addresses[address] = of_address + 1

    def leave(self, address: str) -> None:
        """One connection less."""
        self._connection_count -= 1
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]

    def take(self, user_id: int) -> Bucket:
        """A user's connection more; to be followed by `give_up`.

        Gives:  the bucket of the user's requests
        Raises: Refused: overloaded, the user has as many connections to this node as they may
        """
        bucket = self._users.get(user_id)
        if bucket is None:
            bucket = self._users[user_id] = Bucket(self.limits.requests_per_s_of_user)
        elif bucket.holder_count >= self.limits.connections_per_user:
            raise _full("connections_per_user", "You have as many connections as you may. Close one.")
        bucket.holder_count += 1
        return bucket

    def give_up(self, user_id: int) -> None:
        """A user's connection less."""
        bucket = self._users[user_id]
        bucket.holder_count -= 1
        if not bucket.holder_count:
            del self._users[user_id]


def _full(limit: str, message: str) -> Refused:
    LIMITED.labels(limit).inc()
    return Refused(Code.OVERLOADED, message, retry_after_ms=RETRY_AFTER_MS)
