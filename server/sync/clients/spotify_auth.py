"""Tokens of Spotify for requests without a user."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import httpx
import msgspec

from server.clock import Clock
from server.errors import ProviderError
from server.sync.clients.responses import decode

# A token is valid for an hour. A new one is fetched this long before it ends.
TOKEN_EARLY_S = 60.0


class Token(msgspec.Struct, frozen=True):
    """A token, and the time for which it is valid [s]."""

    access_token: str
    expires_in: float = 3600.0


class SpotifyAuth(httpx.Auth):
    """Adds a token to each request: a token of this app, without a user (RFC 6749, section 4.4).

    All requests that wait for a token share one fetch. A response of 401 means that the token ended early: then a new
    one is fetched, once.
    """

    def __init__(self, accounts_url: str, client_id: str, client_secret: str, clock: Clock) -> None:
        self._accounts_url = accounts_url
        self._client = (client_id, client_secret)
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token = ""
        self._valid_until_s = 0.0

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Adds the token to a request.

        Raises: ProviderError: Spotify gives us no token; httpx.HTTPError
        """
        token = await self._valid_token("")
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            request.headers["Authorization"] = f"Bearer {await self._valid_token(token)}"
            yield request

    async def _valid_token(self, refused: str) -> str:
        """A valid token other than the refused one."""
        async with self._lock:
            if self._token in ("", refused) or self._clock.monotonic_s() >= self._valid_until_s:
                await self._fetch()
            return self._token

    async def _fetch(self) -> None:
        async with httpx.AsyncClient(base_url=self._accounts_url, timeout=10.0) as http:
            response = await http.post("/api/token", auth=self._client, data={"grant_type": "client_credentials"})
        if (
            response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
            or response.status_code == httpx.codes.TOO_MANY_REQUESTS
        ):
            raise httpx.RemoteProtocolError(f"the token endpoint answered {response.status_code}")
        if response.status_code != httpx.codes.OK:
            raise ProviderError(
                "spotify",
                f"gives no token for SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET ({response.status_code}); check both",
            )
        try:
            token = decode(response.content, Token, [])
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise httpx.RemoteProtocolError("the token endpoint sent a response that cannot be read") from None
        assert token is not None
        self._token = token.access_token
        self._valid_until_s = self._clock.monotonic_s() + max(1.0, token.expires_in - TOKEN_EARLY_S)
