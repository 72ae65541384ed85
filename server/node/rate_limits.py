"""Rate limits that count over all nodes: requests and connections of a user, new sessions of an address, ticket codes."""

from __future__ import annotations

from server.cache.windows import Window, Windows
from server.clock import Clock
from server.protocol.limits import Limits


class RateLimits:
    """Each `count_` method counts one event, and raises Refused(rate_limited) past its limit.

    While Valkey is away each node counts alone, so a client may do as much on each node: pages must load. Ticket codes are
    refused then, because nothing else keeps a client from guessing.
    """

    def __init__(self, url: str, clock: Clock, limits: Limits) -> None:
        self._windows = Windows(url, clock)
        self._requests = Window("http_requests", limits.http_requests_per_minute, 60, "Too many requests. Slow down.")
        self._entries = Window(
            "connects", limits.connects_per_minute, 60, "Too many new connections. Wait a minute and try again."
        )
        # An address is a weak signal: fans who share it wait for a moment and are admitted then.
        self._sessions = Window(
            "sessions",
            limits.sessions_per_address,
            600,
            "Too many people signed in from your network. Wait a few minutes and try again.",
        )
        self._redemptions = Window(
            "redemptions",
            limits.redemptions_per_minute,
            60,
            "Too many ticket codes were tried. Wait a minute and try again.",
            is_strict=True,
        )

        wrong = "Too many wrong ticket codes were tried. Wait a few minutes and try again."
        self._wrong_of_address = Window("wrong_codes", limits.wrong_codes_per_address, 600, wrong, is_strict=True)
        self._wrong_of_show = Window("wrong_codes_show", limits.wrong_codes_per_show, 600, wrong, is_strict=True)

        of_device = "Too many wrong codes were tried. Wait a few minutes and try again."
        self._wrong_device_of_address = Window(
            "wrong_sign_in_codes_address", limits.wrong_sign_in_codes_per_address, 600, of_device, is_strict=True
        )
        self._wrong_device = Window("wrong_sign_in_codes", limits.wrong_sign_in_codes, 600, of_device, is_strict=True)

        self._confirmations = Window(
            "confirmations",
            limits.confirmations_per_address,
            3_600,
            "Too many email addresses were given from your network. Nothing was changed. Try again later.",
        )

        self._erasures = Window(
            "erasures",
            limits.erasures_per_address,
            3_600,
            "Too many accounts were erased from your network. Yours is unchanged. Try again later.",
        )

    async def count_request(self, user_id: int, count: int = 1) -> None:
        """Counts a user's request over HTTP. Takes: count, of the requests that it is worth."""
        await self._windows.count(self._requests, str(user_id), count)

    async def count_entry(self, user_id: int) -> None:
        """Counts a user's new connection: a websocket or an event stream."""
        await self._windows.count(self._entries, str(user_id))

    async def count_session(self, address: str) -> None:
        """Counts an address's new account."""
        await self._windows.count(self._sessions, address)

    async def count_erasure(self, address: str) -> None:
        """Counts an account that erases itself, by the address of the client."""
        await self._windows.count(self._erasures, address)

    async def count_confirmation(self, address: str) -> None:
        """Counts an email that asks for a confirmation, by the address of the client who asked for it."""
        await self._windows.count(self._confirmations, address)

    async def count_redemption(self, user_id: int, address: str, show_id: int) -> None:
        """Counts a user's ticket code, unless the address or the show had too many wrong ones; raises Refused(unavailable)
        while Valkey is away.
        """
        await self._windows.check(self._wrong_of_address, address)
        await self._windows.check(self._wrong_of_show, str(show_id))
        await self._windows.count(self._redemptions, str(user_id))

    async def count_earning(self, user_id: int) -> None:
        """Counts an attempt to earn a ticket. Wrong codes of others do not matter: nothing is guessed."""
        await self._windows.count(self._redemptions, str(user_id))

    async def count_wrong_code(self, address: str, show_id: int) -> None:
        """Counts a ticket code that was refused."""
        await self._windows.count(self._wrong_of_address, address)
        await self._windows.count(self._wrong_of_show, str(show_id))

    async def check_sign_in_code(self, address: str) -> None:
        """Refuses a code of another device while the address, or all addresses, had too many wrong ones; raises
        Refused(unavailable) while Valkey is away.
        """
        await self._windows.check(self._wrong_device_of_address, address)
        await self._windows.check(self._wrong_device, "all")

    async def count_wrong_sign_in_code(self, address: str) -> None:
        """Counts a code of another device that signed nobody in."""
        await self._windows.count(self._wrong_device_of_address, address)
        await self._windows.count(self._wrong_device, "all")

    async def close(self) -> None:
        """Closes the connections to Valkey."""
        await self._windows.close()
