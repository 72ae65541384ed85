"""What all nodes count together: a user's requests over HTTP and new connections, an address's new sessions."""

from __future__ import annotations

from server.cache.windows import Window, Windows
from server.clock import Clock
from server.protocol.limits import Limits


class RateLimits:
    """Each method counts one more, and raises Refused(rate_limited) when there were as many as there may be.

    While Valkey is away they let everybody through, because votes cannot be cast then anyway and pages shall load; but no
    ticket code is tried, because nothing else keeps somebody from guessing.
    """

    def __init__(self, url: str, clock: Clock, limits: Limits) -> None:
        self._windows = Windows(url, clock)
        self._requests = Window("http_requests", limits.http_requests_per_minute, 60, "Too many requests. Slow down.")
        self._entries = Window(
            "connects", limits.connects_per_minute, 60, "Too many connections were opened. Wait a moment."
        )
        # An address is a weak signal: whoever shares it waits a moment, and is let in then.
        self._sessions = Window(
            "sessions", limits.sessions_per_address, 600, "Many people signed in from your network. Wait a moment."
        )

        self._redemptions = Window(
            "redemptions",
            limits.redemptions_per_minute,
            60,
            "Too many codes were tried. Wait a moment.",
            is_strict=True,
        )

    async def count_request(self, user_id: int) -> None:
        """A request over HTTP."""
        await self._windows.count(self._requests, str(user_id))

    async def count_entry(self, user_id: int) -> None:
        """A websocket that somebody speaks on."""
        await self._windows.count(self._entries, str(user_id))

    async def count_session(self, address: str) -> None:
        """A new account."""
        await self._windows.count(self._sessions, address)

    async def count_redemption(self, user_id: int) -> None:
        """A ticket code that somebody tries; raises Refused(unavailable) while Valkey is away."""
        await self._windows.count(self._redemptions, str(user_id))

    async def close(self) -> None:
        """Hangs up."""
        await self._windows.close()
