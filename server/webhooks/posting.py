"""Posts one message to a webhook: to a checked address, without redirects, and without reading what is answered."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version

import httpx

from server.protocol.http.addresses import Network
from server.protocol.http.signatures import signed_headers
from server.webhooks.addresses import LookUp, addresses_of, look_up, parse_url, proxy_of

TIMEOUT_S = 15.0
CONNECT_TIMEOUT_S = 5.0
ADDRESSES_TRIED_MAX = 3
ERROR_CHARS_MAX = 300


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted. Takes: id, the same for each attempt; body, JSON."""

    id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of it. Takes: status, of the answer, None: there was none; error, a sentence, empty: it was taken."""

    status: int | None
    took_ms: int
    error: str

    @property
    def is_gone(self) -> bool:
        """Whether the receiver says that it wants no more."""
        return self.status == httpx.codes.GONE


class Poster:
    """Posts messages.

    Takes: allowed, private networks that may be reached, also without TLS; look_up, resolves a host
    """

    def __init__(
        self, allowed: Sequence[Network] = (), *, look_up: LookUp = look_up, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._allowed = allowed
        self._look_up = look_up
        self._timeout_s = timeout_s

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        return self._client(None)

    def _client(self, proxy: httpx.URL | None) -> httpx.AsyncClient:
        # A connection is never used again: it belongs to a name and an address, and the pool knows only the address. Whether a
        # proxy is used is decided where addresses are checked, and not by the client a second time.
        return httpx.AsyncClient(
            headers={"User-Agent": f"mysetlist/{version('mysetlist')}", "Content-Type": "application/json"},
            timeout=httpx.Timeout(self._timeout_s, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_keepalive_connections=0),
            verify=_tls_context(),
            trust_env=False,
            proxy=proxy,
        )

    async def check(self, text: str) -> None:
        """Checks the address of a new webhook.

        Raises: ValueError: a sentence that says why it cannot be used
        """
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                url = parse_url(text)
                await addresses_of(url, self._allowed, self._look_up, by_proxy=proxy_of(url) is not None)
        except TimeoutError:
            raise ValueError("The name in `url` does not resolve in time. Try again.") from None

    async def post(self, url: str, message: Message, keys: Sequence[bytes]) -> Posted:
        """Posts a message once. It raises nothing: whatever goes wrong is in the result.

        Takes: keys, each signs
        """
        status, error = None, ""
        started_s = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                status = await self._post(parse_url(url), message, keys)
        except (TimeoutError, httpx.TimeoutException):
            error = f"No answer within {self._timeout_s:g} s."
        except ValueError as refusal:
            error = str(refusal)
        except httpx.HTTPError as failure:
            error = f"No connection: {str(failure) or type(failure).__name__}."
        else:
            if not httpx.codes.is_success(status):
                redirected = " Redirects are not followed." if httpx.codes.is_redirect(status) else ""
                error = f"It answered {status}.{redirected}"
        return Posted(status, round((time.monotonic() - started_s) * 1000), error[:ERROR_CHARS_MAX])

    async def close(self) -> None:
        """Closes the HTTP client."""
        if "_http" in self.__dict__:
            await self._http.aclose()

    async def _post(self, url: httpx.URL, message: Message, keys: Sequence[bytes]) -> int:
        headers = signed_headers(message.id, dt.datetime.now(dt.UTC), message.body, keys)
        proxy = proxy_of(url)
        addresses = await addresses_of(url, self._allowed, self._look_up, by_proxy=proxy is not None)
        if not addresses:
            return await self._post_by(proxy, url, message, headers)
        for place, address in enumerate(addresses[:ADDRESSES_TRIED_MAX], 1):
            # The connection goes to the address that was checked; the certificate is still that of the name.
            request = self._http.build_request(
                "POST",
                url.copy_with(host=address),
                content=message.body,
                headers=headers | {"Host": url.netloc.decode()},
                extensions={"sni_hostname": url.raw_host.decode()},
            )
            try:
                response = await self._http.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if place == min(len(addresses), ADDRESSES_TRIED_MAX):
                    raise
                continue
            await response.aclose()
            return response.status_code
        raise AssertionError("a host has an address")

    async def _post_by(self, proxy: httpx.URL | None, url: httpx.URL, message: Message, headers: dict[str, str]) -> int:
        async with self._client(proxy) as http:
            request = http.build_request("POST", url, content=message.body, headers=headers)
            try:
                response = await http.send(request, stream=True)
            except (httpx.ProxyError, httpx.ConnectError) as error:
                raise ValueError(f"No connection through the proxy of HTTPS_PROXY: {error}.") from error
            await response.aclose()
            return response.status_code


@cache
def _tls_context() -> ssl.SSLContext:
    """One for all posters: to load the certificates of all authorities takes 20 ms."""
    return httpx.create_ssl_context()


def message_id_of(uuid: str) -> str:
    """The header `webhook-id` of an event."""
    return f"msg_{uuid.replace('-', '')}"
