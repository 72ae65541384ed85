"""Limits of connections to this node: how many there are, how many an address or a user has, how fast each may ask."""

from __future__ import annotations

import math
from functools import cache

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.limits import Limits
from server.telemetry import LIMITED

RETRY_AFTER_MS = 5_000


@cache
def _cost_and_burst_s(per_s: float) -> tuple[float, float]:
    """Of one request, and of all that may come at once. The same two numbers for thousands of buckets."""
    cost_s = 1.0 / per_s
    return cost_s, 2.0 - cost_s


class TokenBucket:
    """A token bucket, kept as one number: the instant until which the requests so far are paid for (GCRA).

    Takes: per_s, the lasting rate of requests; twice as many may come at once
    """

    __slots__ = ("_burst_s", "_cost_s", "_paid_until_s", "holder_count")

    def __init__(self, per_s: float) -> None:
        self._cost_s, self._burst_s = _cost_and_burst_s(per_s)
        self._paid_until_s = -math.inf
        self.holder_count = 0

    def wait_s(self, now_s: float) -> float:
        """Takes one token and gives 0; or takes none and gives the time to wait. Cost: about 100 ns, a request."""
        paid_until_s = self._paid_until_s
        if paid_until_s <= now_s:
            self._paid_until_s = now_s + self._cost_s
            return 0.0
        if paid_until_s - now_s > self._burst_s:
            return paid_until_s - now_s - self._burst_s
        self._paid_until_s = paid_until_s + self._cost_s
        return 0.0

    def charge(self, count: int) -> None:
        """Takes more tokens for the request that was just let pass, because it is larger than one: the next ones wait."""
        self._paid_until_s += count * self._cost_s


ADDRESSES_MAX = 10_000


class ConnectionLimits:
    """Counts connections in and out. All connections of a user share one bucket."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._connection_count = 0
        self._addresses: dict[str, int] = {}
        self._users: dict[int, TokenBucket] = {}
        self._anonymous: dict[str, TokenBucket] = {}

    def acquire_address(self, address: str, *, was_let_in: bool = False) -> None:
        """Counts one connection more; `release_address` must follow.

        Takes:  was_let_in, whether another node has counted it before: no limit refuses it
        Raises: Refused: overloaded, the node or the address has as many connections as its limit allows
        """
        if self._connection_count >= self.limits.connections and not was_let_in:
            raise _full("connections", "Too many connections to this server. Try again in a few seconds.")
        of_address = self._addresses.get(address, 0)
        if of_address >= self.limits.connections_per_address and not was_let_in:
            raise _full("connections_per_address", "Too many connections from your network. Try again in a minute.")
        self._connection_count += 1
        self._addresses[address] = of_address + 1

    def release_address(self, address: str) -> None:
        """Counts one connection less."""
        self._connection_count -= 1
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]

    def anonymous_bucket(self, address: str) -> TokenBucket:
        """The bucket of all clients of an address that are not signed in."""
        bucket = self._anonymous.get(address)
        if bucket is None:
            if len(self._anonymous) >= ADDRESSES_MAX:
                self._anonymous = {}
            bucket = self._anonymous[address] = TokenBucket(self.limits.requests_per_s_of_address)
        return bucket

    def count_anonymous(self, address: str, now_s: float) -> None:
        """Counts a request over HTTP of a client that is not signed in.

        Raises: Refused: rate_limited
        """
        wait_s = self.anonymous_bucket(address).wait_s(now_s)
        if wait_s:
            LIMITED.labels("requests_per_s_of_address").inc()
            message = "Too many requests from your network. Wait a moment, or sign in."
            raise Refused(Code.RATE_LIMITED, message, retry_after_ms=math.ceil(wait_s * 1000))

    def acquire_user(self, user_id: int, *, was_let_in: bool = False) -> TokenBucket:
        """Counts one connection of a user more; `release_user` must follow.

        Takes:  was_let_in, as in `acquire_address`
        Gives:  the bucket of the user's requests
        Raises: Refused: overloaded, the user has as many connections to this node as the limit allows
        """
        bucket = self._users.get(user_id)
        if bucket is None:
            bucket = self._users[user_id] = TokenBucket(self.limits.requests_per_s_of_user)
        elif bucket.holder_count >= self.limits.connections_per_user and not was_let_in:
            raise _full("connections_per_user", "You have too many open connections. Close one and try again.")
        bucket.holder_count += 1
        return bucket

    def release_user(self, user_id: int) -> None:
        """Counts one connection of a user less."""
        bucket = self._users[user_id]
        bucket.holder_count -= 1
        if not bucket.holder_count:
            del self._users[user_id]


def _full(limit: str, message: str) -> Refused:
    LIMITED.labels(limit).inc()
    return Refused(Code.OVERLOADED, message, retry_after_ms=RETRY_AFTER_MS)
